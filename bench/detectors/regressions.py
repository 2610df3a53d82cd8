"""Success rates and durations: stationary worlds, and planted changes."""

from collections.abc import Iterator

import numpy as np

from bench.detectors import first
from bench.detectors.table import Look, Row, new_a_week, power
from bench.detectors.worlds import Durations, Failures, durations, failures
from health.insights.change_points import LOOK_BACK_DAYS, steps, success_changes, worse_since
from health.insights.statistics import DAY, Mask, Sequences

_DAYS, _FIRST_DAY, _SINCE = 120, 38, 60
_AFTER = (3, 7, 14, 21)
_AFTER_TEXT = f"power after {'/'.join(map(str, _AFTER))} d"


def less_successful(runs: Sequences, now: float) -> Mask:
    changes = success_changes(runs, now)
    return changes.worse(changes.threshold())


def slower(runs: Sequences, now: float) -> Mask:
    found = np.zeros(len(runs), dtype=np.bool_)
    found[list(steps(runs.between(now - LOOK_BACK_DAYS * DAY, now)))] = True
    return found


def success(dice: np.random.Generator, workflows: int, *, quick: bool) -> Iterator[Row]:
    days = range(_FIRST_DAY, _FIRST_DAY + 5 if quick else _DAYS)
    for clustered, name in ((False, "independent failures"), (True, "half of the failures in stretches")):
        runs = failures(dice, Failures(clustered), workflows, _DAYS)
        alarms = (f"{new_a_week(look, runs, days):.1f}" for look in (first.less_successful, less_successful))
        yield Row(f"success, stationary, {name}", "false alarms a week", *alarms)
    planted = workflows // 10
    for rate in (15, 4, 1):
        runs = failures(dice, Failures(planted=planted, rate=rate), workflows, _DAYS)
        name = f"success, 5 to 22 % at {rate} a day, in a tenth"
        yield Row(name, _AFTER_TEXT, *(
            power(look, runs, planted, _SINCE, _AFTER) for look in (first.less_successful, less_successful)
        ))  # fmt: skip
        yield Row(name, "first run right ± 1 d after 7/14/21 d", *_located(runs, planted))
    runs = failures(dice, Failures(planted=workflows, rate=4), workflows, _DAYS)
    yield Row("success, 5 to 22 % at 4 a day, in all", _AFTER_TEXT, *(
        power(look, runs, workflows, _SINCE, _AFTER) for look in (first.less_successful, less_successful)
    ))  # fmt: skip


def _located(runs: Sequences, planted: int) -> tuple[str, str]:
    """Shares of the planted changes, reported or not, whose first run is named to the day; and how often the interval
    holds the truth."""
    old, new, held = [], [], []
    for days in (7, 14, 21):
        now = (_SINCE + days) * DAY
        right = within = hits = 0
        for number in range(planted):
            one = runs.one(number).between(now - LOOK_BACK_DAYS * DAY, now)
            at = first.first_failure(one, now)
            hits += at is not None and abs(at - _SINCE * DAY) <= DAY
            since = worse_since(one)
            if since:
                right += abs(one.created[since.first] - _SINCE * DAY) <= DAY
                earliest, latest = one.created[since.earliest], one.created[since.latest]
                within += earliest - DAY <= _SINCE * DAY <= latest + DAY
        old.append(f"{hits / planted:.0%}")
        new.append(f"{right / planted:.0%}")
        held.append(f"{within / planted:.0%}")
    return " / ".join(old), f"{' / '.join(new)} (in the interval {' / '.join(held)})"


_NULLS = {
    "noise of 20 %": Durations(), "noise of 30 %": Durations(noise=0.3), "days of 15 %": Durations(day_noise=0.15),
    "days of 30 %": Durations(day_noise=0.3), "25 % cache misses": Durations(misses=0.25),
}  # fmt: skip


def speed(dice: np.random.Generator, workflows: int, *, quick: bool) -> Iterator[Row]:
    days = range(_FIRST_DAY, _FIRST_DAY + 3 if quick else _DAYS)
    for name, of in _NULLS.items():
        runs = durations(dice, of, workflows, _DAYS)
        alarms = (f"{new_a_week(look, runs, days):.1f}" for look in (first.slower, slower))
        yield Row(f"duration, stationary, {name}", "false alarms a week", *alarms)
    planted = max(workflows // 4, 1)
    looks: tuple[Look, Look] = (first.slower, slower)
    for rate in (60, 15, 6, 2):
        runs = durations(dice, Durations(factor=1.45, rate=rate), planted, _DAYS)
        name = f"duration, × 1.45 at 20 %, {rate} a day"
        yield Row(name, _AFTER_TEXT, *(power(look, runs, planted, _SINCE, _AFTER) for look in looks))
    for name, of in (
        ("× 1.45 with days of 10 %, 15 a day", Durations(factor=1.45, day_noise=0.1, rate=15)),
        ("× 2 at 30 %, 15 a day", Durations(factor=2.0, noise=0.3, rate=15)),
        ("drift of 0.6 % a day, 15 a day", Durations(drift=0.006, rate=15)),
    ):
        runs = durations(dice, of, planted, _DAYS)
        yield Row(f"duration, {name}", _AFTER_TEXT, *(power(look, runs, planted, _SINCE, _AFTER) for look in looks))
