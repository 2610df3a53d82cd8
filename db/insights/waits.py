"""Do jobs wait for runners of a label longer than usual? Pure.

A few cold starts of minutes are usual where machines are started on demand, and the 95th percentile of few jobs is one
of them. So the share of jobs that waited is compared with that of the same hours a week before, and it must last."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.insights.significance import fisher_worse
from db.metrics.distribution import percentile_of

HOUR = 3600.0
# The hours looked at, of which so many must each have the share of waiting jobs.
HOURS, LASTING_HOURS = 3, 2
WAITED_SECONDS, LEAST_SHARE, LEAST_WAITED = 300.0, 0.25, 5
_CERTAIN = 0.001
# With fewer jobs to compare with, most jobs must have waited.
LEAST_BEFORE, _SHARE_ALONE = 5, 0.5


@dataclass(frozen=True)
class Shortage:
    """Of the `jobs` of the last 3 hours `waited` waited for 5 minutes or longer. Seconds; `usual_p95` of the jobs
    before, null where there are too few."""

    jobs: int
    waited: int
    p95: float
    usual_p95: float | None
    jobs_before: int


def shortage(recent: Sequence[tuple[float, float]], before: Sequence[float], now: float) -> Shortage | None:
    """`recent`: when each job of the last 3 hours was queued, in seconds since 1970, and how long it waited or has
    waited up to now; `before`: waits of jobs of the same hours a week before. Null where runners are not short."""
    if not may_be_short(recent, now):
        return None
    waits = sorted(seconds for _, seconds in recent)
    waited = _waited(waits)
    known = len(before) >= LEAST_BEFORE
    if not known and waited < _SHARE_ALONE * len(waits):
        return None
    earlier = _waited(before)
    if known and fisher_worse(waited, len(waits) - waited, earlier, len(before) - earlier) >= _CERTAIN:
        return None
    usual = percentile_of(sorted(before), 0.95) if known else None
    return Shortage(len(waits), waited, percentile_of(waits, 0.95) or 0.0, usual, len(before))


def may_be_short(recent: Sequence[tuple[float, float]], now: float) -> bool:
    """Did a large share wait, and did it last? What it was before decides."""
    waited = _waited([seconds for _, seconds in recent])
    if waited < LEAST_WAITED or waited < LEAST_SHARE * len(recent):
        return False
    return sum(_is_short(recent, now, hour) for hour in range(HOURS)) >= LASTING_HOURS


def _is_short(recent: Sequence[tuple[float, float]], now: float, hour: int) -> bool:
    """In the hour that began `hour` + 1 hours ago."""
    waits = [seconds for queued, seconds in recent if hour * HOUR <= now - queued < (hour + 1) * HOUR]
    return bool(waits) and _waited(waits) >= LEAST_SHARE * len(waits)


def _waited(waits: Sequence[float]) -> int:
    return sum(seconds >= WAITED_SECONDS for seconds in waits)
