"""How certain a difference is. Pure.

Decided runs of many workflows as columns, so that a detector looks at all of them at once. Pure.

Do jobs wait for runners of a label longer than usual? Pure.

A few cold starts of minutes are usual where machines are started on demand, and the 95th percentile of few jobs is one
of them. So the share of jobs that waited is compared with that of the same hours a week before, and it must last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from health.metrics.definitions.distribution import Floats, Ints, percentile_of_list

# Terms of a sum below this share of 1 change no decision.
_NEGLIGIBLE = 1e-15


def fisher_exact_greater(failed: int, passed: int, failed_before: int, passed_before: int) -> float:
    """The p-value of Fisher's exact test, one-sided: how likely at least so many of the failures are now, if nothing
    had changed (R. A. Fisher, "The Design of Experiments", 1935)."""
    one = [np.asarray([each], dtype=np.int64) for each in (failed, passed, failed_before, passed_before)]
    return float(fisher_exact_greater_many(*one)[0])


def fisher_exact_greater_many(
    failed: Ints, passed: Ints, failed_before: Ints, passed_before: Ints, *, mid: bool = False
) -> Floats:
    """As fisher_worse, of many tables. `mid`: the mid-p-value, which counts half of the table itself; the test of few
    runs is else far below its level (H. O. Lancaster, "Significance Tests in Discrete Distributions", 1961)."""
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
        # Beyond the mode the terms only fall.
        if bool(np.all((term < _NEGLIGIBLE) & (term_at * (now + before) >= now * failures))):
            break
    return np.minimum(total, 1.0)


def benjamini_hochberg(p_values: Sequence[float] | Floats, q: float) -> float:
    """The largest p-value that is a discovery when at most the share `q` of discoveries may be false; 0 where none is
    (Y. Benjamini, Y. Hochberg, "Controlling the False Discovery Rate", 1995)."""
    ordered = np.sort(np.asarray(p_values, dtype=np.float64))
    within = np.nonzero(ordered <= q * np.arange(1, len(ordered) + 1) / max(len(ordered), 1))[0]
    return float(ordered[within[-1]]) if len(within) else 0.0


def simes(p_values: Floats) -> Floats:
    """One p-value of several tests of the same hypothesis, a row a test (R. J. Simes, "An Improved Bonferroni
    Procedure for Multiple Tests of Significance", 1986); valid for tests that depend positively, as windows do of which
    one holds the other."""
    number = len(p_values)
    factors = number / np.arange(1, number + 1)
    found: Floats = np.minimum((np.sort(p_values, axis=0) * factors[:, None]).min(axis=0), 1.0)
    return found


def log_factorials(maximum: int) -> Floats:
    """The logarithms of 0! to most!."""
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, maximum + 1)))))


def _log_binomial(logs: Floats, whole: Ints, part: Ints) -> Floats:
    """The logarithm of "whole choose part"."""
    found: Floats = logs[whole] - logs[part] - logs[whole - part]
    return found


Mask = NDArray[np.bool_]
DAY = 86_400.0


@dataclass(frozen=True)
class RunSequences:
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

    def where(self, mask: Mask) -> "RunSequences":
        """The rows of the mask; every workflow stays, possibly without a row."""
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
        """Failures that do not follow a failure of the same workflow."""
        return self.failed & ~self._after_failure()

    def passes_after_pass(self) -> Mask:
        """Successes that do not end a streak of failures."""
        return ~self.failed & ~self._after_failure()

    def _after_failure(self) -> Mask:
        found = np.concatenate(([False], self.failed[:-1])) if len(self.failed) else self.failed
        found[self.starts[:-1][self.starts[:-1] < len(found)]] = False
        return found


def build_sequences(workflows: Iterable[Sequence[tuple[float, bool, float | None]]]) -> RunSequences:
    """Of lists of (created, failed, seconds) in the order of creation."""
    listed = list(workflows)
    rows = [row for each in listed for row in each]
    starts = np.concatenate(([0], np.cumsum([len(each) for each in listed], dtype=np.int64)))
    seconds = [np.nan if row[2] is None else row[2] for row in rows]
    return RunSequences(
        starts, np.asarray([row[0] for row in rows], dtype=np.float64),
        np.asarray([row[1] for row in rows], dtype=np.bool_), np.asarray(seconds, dtype=np.float64),
    )  # fmt: skip


HOUR = 3600.0
# The hours looked at, of which so many must each have the share of waiting jobs.
HOURS, MIN_LASTING_HOURS = 3, 2
LONG_WAIT_SECONDS, MIN_WAITING_SHARE, MIN_WAITING_JOBS = 300.0, 0.25, 5
_MAX_P_VALUE = 0.001
# With fewer jobs to compare with, most jobs must have waited.
MIN_JOBS_BEFORE, _SHARE_WITHOUT_HISTORY = 5, 0.5


@dataclass(frozen=True)
class RunnerShortage:
    """Of the `jobs` of the last 3 hours `waited` waited for 5 minutes or longer. Seconds; `usual_p95` of the jobs
    before, null where there are too few."""

    jobs: int
    waiting_jobs: int
    p95: float
    usual_p95: float | None
    jobs_before: int


def find_shortage(recent: Sequence[tuple[float, float]], before: Sequence[float], now: float) -> RunnerShortage | None:
    """`recent`: when each job of the last 3 hours was queued, in seconds since 1970, and how long it waited or has
    waited up to now; `before`: waits of jobs of the same hours a week before. Null where runners are not short."""
    if not may_be_short(recent, now):
        return None
    waits = sorted(seconds for _, seconds in recent)
    waited = _count_long_waits(waits)
    known = len(before) >= MIN_JOBS_BEFORE
    if not known and waited < _SHARE_WITHOUT_HISTORY * len(waits):
        return None
    earlier = _count_long_waits(before)
    if known and fisher_exact_greater(waited, len(waits) - waited, earlier, len(before) - earlier) >= _MAX_P_VALUE:
        return None
    usual = percentile_of_list(sorted(before), 0.95) if known else None
    return RunnerShortage(len(waits), waited, percentile_of_list(waits, 0.95) or 0.0, usual, len(before))


def may_be_short(recent: Sequence[tuple[float, float]], now: float) -> bool:
    """Did a large share wait, and did it last? What it was before decides."""
    waited = _count_long_waits([seconds for _, seconds in recent])
    if waited < MIN_WAITING_JOBS or waited < MIN_WAITING_SHARE * len(recent):
        return False
    return sum(_is_short(recent, now, hour) for hour in range(HOURS)) >= MIN_LASTING_HOURS


def _is_short(recent: Sequence[tuple[float, float]], now: float, hour: int) -> bool:
    """In the hour that began `hour` + 1 hours ago."""
    waits = [seconds for queued, seconds in recent if hour * HOUR <= now - queued < (hour + 1) * HOUR]
    return bool(waits) and _count_long_waits(waits) >= MIN_WAITING_SHARE * len(waits)


def _count_long_waits(waits: Sequence[float]) -> int:
    return sum(seconds >= LONG_WAIT_SECONDS for seconds in waits)
