"""Runs that appear while the simulator is running.

Time is divided into slots of a few seconds. While the simulator runs, each slot brings one run; slots during which it
was stopped bring none. A span of slots is written to the state file before its runs are shown, so a run that was shown
once is the same after any restart. Slots are numbered through all spans; a round of slots holds each live workflow a
fixed number of times, so run numbers are computed without counting runs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.world.history import RunBuilder
from demo.world.model import Run
from demo.world.seeded_random import seeded_fraction, seeded_random
from demo.world.world import utc_now

SLOT_SECONDS = 9
LIVE_RETENTION = timedelta(days=1)
_VERSION, _STORED_SPANS = 2, 200
# Slots are reserved this long in advance, so that a simulator that is killed has not shown a run it did not store.
_RESERVED = timedelta(seconds=60)


@dataclass(frozen=True)
class Span:
    """Slots in [first, end). `index` is the number of the first slot among the slots of all spans."""

    first: int
    end: int
    index: int

    @property
    def next_index(self) -> int:
        return self.index + self.end - self.first


def slot_at(moment: datetime) -> int:
    return int(moment.timestamp()) // SLOT_SECONDS


class LiveRuns:
    """`counts_before[n]` is the number of runs of the n-th builder's workflow before the first slot."""

    def __init__(self, seed: str, builders: list[RunBuilder], counts_before: list[int]) -> None:
        self._seed, self._builders, self._counts_before = seed, builders, counts_before
        self._latest_order: tuple[int, list[int]] = -1, []
        self._round = [n for n, builder in enumerate(builders) for _ in range(builder.spec.live)]

    def runs(self, span: Span, first: int, end: int) -> Iterator[Run]:
        """Yield the runs of the slots in [first, end) within the span, oldest first."""
        for slot in range(max(first, span.first), min(end, span.end)):
            yield self._run(slot, span.index + slot - span.first)

    def _run(self, slot: int, index: int) -> Run:
        round_number, position = divmod(index, len(self._round))
        order = self._order(round_number)
        chosen = order[position]
        in_rounds_before = round_number * self._round.count(chosen)
        number = self._counts_before[chosen] + in_rounds_before + order[: position + 1].count(chosen)
        second = slot * SLOT_SECONDS + int(seeded_fraction(self._seed, slot) * SLOT_SECONDS)
        return self._builders[chosen].build(datetime.fromtimestamp(second, UTC), number, live=True)

    def _order(self, round_number: int) -> list[int]:
        if self._latest_order[0] != round_number:
            order = list(self._round)
            seeded_random(self._seed, "round", round_number).shuffle(order)
            self._latest_order = round_number, order
        return self._latest_order[1]


class StateFile:
    """Start of the account and its spans of live slots. Without a path nothing is stored. A file that is missing,
    unreadable or of another version starts a new account."""

    def __init__(self, path: Path | None, clock: Callable[[], datetime] = utc_now) -> None:
        self._path, self._clock = path, clock
        self.start, self.spans = self._read()

    def save(self, current: Span, *, final: bool = False) -> None:
        """Store the earlier spans and the current one, which ends a minute from now; with `final` it ends now.

        Raises OSError when the file cannot be written."""
        if self._path is None:
            return
        now = self._clock()
        end = max(slot_at(now if final else now + _RESERVED) + 1, current.first)
        spans = [*self.spans, Span(current.first, end, current.index)][-_STORED_SPANS:]
        data = {
            "version": _VERSION,
            "start": self.start.isoformat(),
            "spans": [[span.first, span.end, span.index] for span in spans],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(data), encoding="utf-8")
        temporary.replace(self._path)

    def _read(self) -> tuple[datetime, list[Span]]:
        try:
            data: Any = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
            spans = [Span(int(first), int(end), int(index)) for first, end, index in data["spans"]]
            start = datetime.fromisoformat(data["start"])
            if data["version"] == _VERSION and start.tzinfo is not None:
                return start, spans
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return self._clock(), []
