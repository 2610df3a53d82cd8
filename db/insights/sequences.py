"""Decided runs of many workflows as columns, so that a detector looks at all of them at once. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.metrics.distribution import Floats, Ints

Mask = NDArray[np.bool_]
DAY = 86_400.0


@dataclass(frozen=True)
class Sequences:
    """Workflow k has the rows `starts[k]` to `starts[k + 1]`, in the order of creation. `created` in seconds since
    1970, UTC; `seconds` is the duration, NaN where unknown."""

    starts: Ints
    created: Floats
    failed: Mask
    seconds: Floats

    def __len__(self) -> int:
        """The number of workflows."""
        return len(self.starts) - 1

    @property
    def group(self) -> Ints:
        """The workflow of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def only(self, mask: Mask) -> "Sequences":
        """The rows of the mask; every workflow stays, possibly without a row."""
        before = np.concatenate(([0], np.cumsum(mask)))
        return Sequences(before[self.starts], self.created[mask], self.failed[mask], self.seconds[mask])

    def between(self, since: float, until: float) -> "Sequences":
        """Runs created in [since, until)."""
        return self.only((self.created >= since) & (self.created < until))

    def one(self, number: int) -> "Sequences":
        """A single workflow."""
        rows = slice(self.starts[number], self.starts[number + 1])
        size = np.asarray([0, rows.stop - rows.start])
        return Sequences(size, self.created[rows], self.failed[rows], self.seconds[rows])

    def streak_starts(self) -> Mask:
        """Failures that do not follow a failure of the same workflow."""
        return self.failed & ~self._after_failure()

    def passes_after_pass(self) -> Mask:
        """Successes that do not end a streak of failures."""
        return ~self.failed & ~self._after_failure()

    def _after_failure(self) -> Mask:
        found = np.concatenate(([False], self.failed[:-1])) if len(self.failed) else self.failed
        found[self.starts[:-1][self.starts[:-1] < len(found)]] = False
        return found


def sequences(workflows: Iterable[Sequence[tuple[float, bool, float | None]]]) -> Sequences:
    """Of lists of (created, failed, seconds) in the order of creation."""
    listed = list(workflows)
    rows = [row for each in listed for row in each]
    starts = np.concatenate(([0], np.cumsum([len(each) for each in listed], dtype=np.int64)))
    seconds = [np.nan if row[2] is None else row[2] for row in rows]
    return Sequences(
        starts, np.asarray([row[0] for row in rows], dtype=np.float64),
        np.asarray([row[1] for row in rows], dtype=np.bool_), np.asarray(seconds, dtype=np.float64),
    )  # fmt: skip
