"""Tests of significance, and the completed runs of many workflows as columns, so that a detector evaluates all of them
at once. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from health.metrics.definitions.percentiles import Floats, Ints

# Terms of a sum below this share of 1 change no decision.
_NEGLIGIBLE = 1e-15


def fisher_exact_greater(failed: int, passed: int, failed_before: int, passed_before: int) -> float:
    """The one-sided p-value of Fisher's exact test: the probability that at least `failed` of all failures are in the
    recent sample if the failure rate has not changed (R. A. Fisher, "The Design of Experiments", 1935)."""
    table = [np.asarray([count], dtype=np.int64) for count in (failed, passed, failed_before, passed_before)]
    return float(fisher_exact_greater_many(*table)[0])


def fisher_exact_greater_many(
    failed: Ints, passed: Ints, failed_before: Ints, passed_before: Ints, *, mid: bool = False
) -> Floats:
    """The p-values of `fisher_exact_greater` for many tables. `mid`: the mid-p-value, which counts the observed table
    half; without it the test of few runs is far below its level (H. O. Lancaster, "Significance Tests in Discrete
    Distributions", 1961)."""
    now, before, failures = failed + passed, failed_before + passed_before, failed + failed_before
    logs = log_factorials(int((now + before).max(initial=0)))
    constant = _log_binomial(logs, now + before, failures)
    most = np.minimum(now, failures)
    total = np.zeros(len(failed))
    first = np.maximum(failed, failures - before)
    for step in range(int((most - first).max(initial=-1)) + 1):
        term_at = np.minimum(first + step, most)
        ways = _log_binomial(logs, now, term_at) + _log_binomial(logs, before, failures - term_at)
        term = np.where(first + step <= most, np.exp(ways - constant), 0.0)
        total += term / 2 if mid and step == 0 else term
        # Beyond the mode the terms decrease.
        if bool(np.all((term < _NEGLIGIBLE) & (term_at * (now + before) >= now * failures))):
            break
    return np.minimum(total, 1.0)


def benjamini_hochberg(p_values: Sequence[float] | Floats, q: float) -> float:
    """The largest p-value that is a discovery if at most the share `q` of the discoveries may be false; 0 if there is
    no discovery (Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", 1995)."""
    ordered = np.sort(np.asarray(p_values, dtype=np.float64))
    discoveries = np.nonzero(ordered <= q * np.arange(1, len(ordered) + 1) / max(len(ordered), 1))[0]
    return float(ordered[discoveries[-1]]) if len(discoveries) else 0.0


def simes(p_values: Floats) -> Floats:
    """Combines several tests of the same hypothesis, one row per test, into one p-value (R. J. Simes, "An Improved
    Bonferroni Procedure for Multiple Tests of Significance", 1986). Valid for positively dependent tests, such as those
    of nested windows."""
    number = len(p_values)
    factors = number / np.arange(1, number + 1)
    combined: Floats = np.minimum((np.sort(p_values, axis=0) * factors[:, None]).min(axis=0), 1.0)
    return combined


def log_factorials(maximum: int) -> Floats:
    """The logarithms of 0! to maximum!."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, maximum + 1)))))


def _log_binomial(logs: Floats, n: Ints, k: Ints) -> Floats:
    """The logarithms of "n choose k"; `logs` are those of the factorials."""
    coefficients: Floats = logs[n] - logs[k] - logs[n - k]
    return coefficients


Mask = NDArray[np.bool_]
DAY = 86_400.0


@dataclass(frozen=True)
class RunSequences:
    """The completed runs of many workflows. Workflow k has the rows from `starts[k]` up to `starts[k + 1]`, ordered by
    creation time. `created` is in seconds since 1970 (UTC); `seconds` is the duration, NaN where unknown."""

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

    def where(self, mask: Mask) -> "RunSequences":
        """The rows of the mask. All workflows are kept, possibly without a row."""
        before = np.concatenate(([0], np.cumsum(mask)))
        return RunSequences(before[self.starts], self.created[mask], self.failed[mask], self.seconds[mask])

    def between(self, since: float, until: float) -> "RunSequences":
        """Runs created in [since, until)."""
        return self.where((self.created >= since) & (self.created < until))

    def workflow(self, index: int) -> "RunSequences":
        """A single workflow."""
        rows = slice(self.starts[index], self.starts[index + 1])
        size = np.asarray([0, rows.stop - rows.start])
        return RunSequences(size, self.created[rows], self.failed[rows], self.seconds[rows])

    def streak_starts(self) -> Mask:
        """Mask of the failures that do not follow a failure of the same workflow."""
        return self.failed & ~self._after_failure()

    def passes_after_pass(self) -> Mask:
        """Mask of the successes that do not end a streak of failures."""
        return ~self.failed & ~self._after_failure()

    def _after_failure(self) -> Mask:
        after_failure = np.concatenate(([False], self.failed[:-1])) if len(self.failed) else self.failed
        after_failure[self.starts[:-1][self.starts[:-1] < len(after_failure)]] = False
        return after_failure


def build_sequences(workflows: Iterable[Sequence[tuple[float, bool, float | None]]]) -> RunSequences:
    """From one list per workflow of (created, failed, seconds), ordered by creation time."""
    by_workflow = list(workflows)
    rows = [row for runs in by_workflow for row in runs]
    starts = np.concatenate(([0], np.cumsum([len(runs) for runs in by_workflow], dtype=np.int64)))
    seconds = [np.nan if row[2] is None else row[2] for row in rows]
    return RunSequences(
        starts,
        np.asarray([row[0] for row in rows], dtype=np.float64),
        np.asarray([row[1] for row in rows], dtype=np.bool_),
        np.asarray(seconds, dtype=np.float64),
    )
