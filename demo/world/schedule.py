"""When a workflow runs: more often on working days and in working hours. A date always has the same moments."""

import math
from bisect import bisect_left
from datetime import UTC, datetime, timedelta

from demo.world.catalog import WorkflowSpec
from demo.world.seeded_random import seeded_fraction, seeded_random

# Relative number of runs by hour of the day (UTC).
_HOURLY_WEIGHTS = (1, 1, 1, 1, 1, 2, 5, 14, 30, 42, 46, 40, 30, 38, 46, 44, 38, 28, 14, 8, 5, 4, 3, 2)
_WEEKEND_SHARE = 0.15
# Run numbers count from this day, so that they do not depend on the length of the history.
_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC).toordinal()
# Keeps the first sync of two months below a minute.
_VOLUME = 0.52


class Schedule:
    """Moments at which one workflow runs. `key` identifies the workflow in all accounts with this seed."""

    def __init__(self, seed: str, key: str, spec: WorkflowSpec) -> None:
        self._seed, self._key, self._spec = seed, key, spec

    def count_before(self, day: datetime) -> int:
        """Return the number of runs before this UTC midnight."""
        return sum(self._count(ordinal) for ordinal in range(_FIRST_DAY, day.toordinal()))

    def moments(self, day: datetime) -> list[datetime]:
        """Return the creation times of the day's runs: distinct whole seconds, in order."""
        rng = seeded_random(self._seed, self._key, day.toordinal())
        count, seconds = self._count(day.toordinal()), set(self._cron_seconds(day))
        while len(seconds) < count:
            seconds.add(rng.choices(range(24), _HOURLY_WEIGHTS)[0] * 3600 + rng.randrange(3600))
        return [day + timedelta(seconds=second) for second in sorted(seconds)]

    def is_scheduled(self, moment: datetime) -> bool:
        """Return whether the run of this moment was started by cron."""
        midnight = moment.replace(hour=0, minute=0, second=0)
        cron_seconds = sorted(self._cron_seconds(midnight))
        second = int((moment - midnight).total_seconds())
        index = bisect_left(cron_seconds, second)
        return index < len(cron_seconds) and cron_seconds[index] == second

    def _count(self, ordinal: int) -> int:
        spec = self._spec
        fixed = 1 if spec.cron_hour is not None else 0
        fixed += 1440 // spec.every_minutes if spec.every_minutes else 0
        typical = spec.daily * _VOLUME * (_WEEKEND_SHARE if (ordinal - 1) % 7 >= 5 else 1.0)
        varied = typical * (0.75 + 0.5 * seeded_fraction(self._seed, self._key, ordinal, "busy"))
        return fixed + math.floor(varied + seeded_fraction(self._seed, self._key, ordinal, "rounding"))

    def _cron_seconds(self, day: datetime) -> list[int]:
        """Return the seconds of the day at which cron starts runs. GitHub starts scheduled runs some minutes late."""
        spec, delay = self._spec, int(240 * seeded_fraction(self._seed, self._key, day.toordinal(), "late"))
        seconds = [spec.cron_hour * 3600 + 420 + delay] if spec.cron_hour is not None else []
        if spec.every_minutes:
            seconds += [n * spec.every_minutes * 60 + 60 + delay for n in range(1440 // spec.every_minutes)]
        return seconds
