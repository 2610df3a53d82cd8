"""Jobs of APScheduler that keep their intervals whatever the wall clock does.

APScheduler plans by the wall clock. Where that jumps forward by 500 days, it lists every time that a job missed, some
hundred million for a job that runs four times a second; where it jumps back, no job is due for as long."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger

# A step that is smaller delays a job by no more than this.
_MOST_STEP_SECONDS = 2.0


class Interval(BaseTrigger):  # type: ignore[misc]
    """Every so many seconds; times that were missed count as one."""

    def __init__(self, seconds: float) -> None:
        self._every = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        planned = (previous_fire_time or now) + self._every
        return planned if planned > now else now + self._every


class WallClock:
    """Notices that this machine's clock was set."""

    def __init__(self, wall: Callable[[], float] = time.time, passed: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._passed = wall, passed
        self._offset = wall() - passed()

    def was_set_back(self) -> bool:
        """Since the last time that this was asked."""
        before, self._offset = self._offset, self._wall() - self._passed()
        return self._offset < before - _MOST_STEP_SECONDS


def all_due(scheduler: BaseScheduler) -> None:
    """Every job runs now, and by its interval from now on."""
    now = datetime.now(UTC)
    for job in scheduler.get_jobs():
        job.modify(next_run_time=now)
