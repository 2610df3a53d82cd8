"""When a workflow runs: more on working days and in working hours, and the same moments for the same date always."""

import math
from bisect import bisect_left
from datetime import UTC, datetime, timedelta

from demo.dice import dice, fraction
from demo.spec import WorkflowSpec

_HOURS = (1, 1, 1, 1, 1, 2, 5, 14, 30, 42, 46, 40, 30, 38, 46, 44, 38, 28, 14, 8, 5, 4, 3, 2)
_WEEKEND = 0.15
# Run numbers count from here, so that they do not depend on how much of the history is shown.
_FIRST = datetime(2025, 1, 1, tzinfo=UTC).toordinal()
# Enough to look alive, few enough for a first sync of two months in under a minute.
_VOLUME = 0.52


class Rhythm:
    """`key` names the workflow in all accounts of this `seed`."""

    def __init__(self, seed: str, key: str, spec: WorkflowSpec) -> None:
        self._seed, self._key, self._spec = seed, key, spec

    def before(self, day: datetime) -> int:
        """How many runs there were before that day (a UTC midnight)."""
        return sum(self._count(ordinal) for ordinal in range(_FIRST, day.toordinal()))

    def moments(self, day: datetime) -> list[datetime]:
        """Whole seconds, in order, no second twice."""
        rng = dice(self._seed, self._key, day.toordinal())
        wanted, seconds = self._count(day.toordinal()), set(self._scheduled(day))
        while len(seconds) < wanted:
            seconds.add(rng.choices(range(24), _HOURS)[0] * 3600 + rng.randrange(3600))
        return [day + timedelta(seconds=second) for second in sorted(seconds)]

    def is_scheduled(self, moment: datetime) -> bool:
        midnight = moment.replace(hour=0, minute=0, second=0)
        found = sorted(self._scheduled(midnight))
        second = int((moment - midnight).total_seconds())
        place = bisect_left(found, second)
        return place < len(found) and found[place] == second

    def _count(self, ordinal: int) -> int:
        spec = self._spec
        fixed = 1 if spec.cron_hour is not None else 0
        fixed += 1440 // spec.every_minutes if spec.every_minutes else 0
        typical = spec.daily * _VOLUME * (_WEEKEND if (ordinal - 1) % 7 >= 5 else 1.0)
        drawn = typical * (0.75 + 0.5 * fraction(self._seed, self._key, ordinal, "busy"))
        return fixed + math.floor(drawn + fraction(self._seed, self._key, ordinal, "rounding"))

    def _scheduled(self, day: datetime) -> list[int]:
        """Seconds of the day. GitHub starts scheduled runs a few minutes late."""
        spec, late = self._spec, int(240 * fraction(self._seed, self._key, day.toordinal(), "late"))
        found = [spec.cron_hour * 3600 + 420 + late] if spec.cron_hour is not None else []
        if spec.every_minutes:
            found += [n * spec.every_minutes * 60 + 60 + late for n in range(1440 // spec.every_minutes)]
        return found
