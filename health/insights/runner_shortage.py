"""Detection of runner shortages: jobs of a runner label that wait longer than usual. Pure.

Runners that are started on demand have cold starts of minutes, and with few jobs the 95th percentile is one of them.
Therefore the share of jobs that waited is compared with that of the same hours a week earlier, and it must persist.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from health.insights.statistics import fisher_exact_greater
from health.metrics.definitions.percentiles import percentile_of_list

HOUR = 3600.0
# The number of recent hours, and in how many of them the share of waiting jobs must be reached.
HOURS, MIN_LASTING_HOURS = 3, 2
LONG_WAIT_SECONDS, MIN_WAITING_SHARE, MIN_WAITING_JOBS = 300.0, 0.25, 5
_MAX_P_VALUE = 0.001
# With fewer earlier jobs than this there is no comparison; then at least half of the jobs must have waited.
MIN_JOBS_BEFORE, _SHARE_WITHOUT_HISTORY = 5, 0.5


@dataclass(frozen=True)
class RunnerShortage:
    """`waiting_jobs` of the `jobs` from the last 3 hours waited 5 minutes or longer. `p95` and `usual_p95`, that of the
    earlier jobs, are in seconds; `usual_p95` is null with too few earlier jobs."""

    jobs: int
    waiting_jobs: int
    p95: float
    usual_p95: float | None
    jobs_before: int


def find_shortage(recent: Sequence[tuple[float, float]], before: Sequence[float], now: float) -> RunnerShortage | None:
    """`recent` has, for each job from the last 3 hours, when it was queued, in seconds since 1970, and how long it
    waited or has been waiting; `before` has the waits of the jobs of the same hours a week earlier. Null without a
    shortage."""
    if not may_be_short(recent, now):
        return None
    waits = sorted(seconds for _, seconds in recent)
    waiting_jobs = _count_long_waits(waits)
    has_history = len(before) >= MIN_JOBS_BEFORE
    if not has_history and waiting_jobs < _SHARE_WITHOUT_HISTORY * len(waits):
        return None
    waiting_before = _count_long_waits(before)
    if has_history:
        table = waiting_jobs, len(waits) - waiting_jobs, waiting_before, len(before) - waiting_before
        if fisher_exact_greater(*table) >= _MAX_P_VALUE:
            return None
    usual = percentile_of_list(sorted(before), 0.95) if has_history else None
    return RunnerShortage(len(waits), waiting_jobs, percentile_of_list(waits, 0.95) or 0.0, usual, len(before))


def may_be_short(recent: Sequence[tuple[float, float]], now: float) -> bool:
    """Whether a large share of the jobs waited, over several hours. `find_shortage` then compares it with earlier
    jobs."""
    waiting_jobs = _count_long_waits([seconds for _, seconds in recent])
    if waiting_jobs < MIN_WAITING_JOBS or waiting_jobs < MIN_WAITING_SHARE * len(recent):
        return False
    return sum(_is_short(recent, now, hour) for hour in range(HOURS)) >= MIN_LASTING_HOURS


def _is_short(recent: Sequence[tuple[float, float]], now: float, hour: int) -> bool:
    """Whether the share of waiting jobs was reached in the hour that began `hour` + 1 hours ago."""
    waits = [seconds for queued, seconds in recent if hour * HOUR <= now - queued < (hour + 1) * HOUR]
    return bool(waits) and _count_long_waits(waits) >= MIN_WAITING_SHARE * len(waits)


def _count_long_waits(waits: Sequence[float]) -> int:
    return sum(seconds >= LONG_WAIT_SECONDS for seconds in waits)
