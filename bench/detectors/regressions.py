"""Benchmarks of success rates and durations, stationary and with planted changes."""

from collections.abc import Iterator

import numpy as np

from bench.detectors import first
from bench.detectors.table import Detector, ResultRow, new_reports_per_week, power
from bench.detectors.worlds import DurationModel, FailureModel, durations, failures
from health.insights.change_points import LOOK_BACK_DAYS, find_duration_steps, locate_drop, success_changes
from health.insights.statistics import DAY, Mask, RunSequences

_DAYS, _FIRST_DAY, _SINCE = 120, 38, 60
_AFTER = (3, 7, 14, 21)
_AFTER_TEXT = f"power after {'/'.join(map(str, _AFTER))} d"


def detect_success_drops(runs: RunSequences, now: float) -> Mask:
    changes = success_changes(runs, now)
    return changes.is_worse(changes.threshold())


def detect_slowdowns(runs: RunSequences, now: float) -> Mask:
    detected = np.zeros(len(runs), dtype=np.bool_)
    detected[list(find_duration_steps(runs.between(now - LOOK_BACK_DAYS * DAY, now)))] = True
    return detected


def success_benchmark(rng: np.random.Generator, workflows: int, *, quick: bool) -> Iterator[ResultRow]:
    days = range(_FIRST_DAY, _FIRST_DAY + 5 if quick else _DAYS)
    for clustered, name in ((False, "independent failures"), (True, "half of the failures in stretches")):
        runs = failures(rng, FailureModel(clustered), workflows, _DAYS)
        alarms = (
            f"{new_reports_per_week(detect, runs, days):.1f}"
            for detect in (first.detect_success_drops, detect_success_drops)
        )
        yield ResultRow(f"success, stationary, {name}", "false alarms a week", *alarms)
    planted = workflows // 10
    for rate in (15, 4, 1):
        runs = failures(rng, FailureModel(planted=planted, rate=rate), workflows, _DAYS)
        name = f"success, 5 to 22 % at {rate} a day, in a tenth"
        detectors = first.detect_success_drops, detect_success_drops
        yield ResultRow(name, _AFTER_TEXT, *(power(detect, runs, planted, _SINCE, _AFTER) for detect in detectors))
        yield ResultRow(name, "first run right ± 1 d after 7/14/21 d", *_location_accuracy(runs, planted))
    runs = failures(rng, FailureModel(planted=workflows, rate=4), workflows, _DAYS)
    yield ResultRow(
        "success, 5 to 22 % at 4 a day, in all",
        _AFTER_TEXT,
        *(
            power(detect, runs, workflows, _SINCE, _AFTER)
            for detect in (first.detect_success_drops, detect_success_drops)
        ),
    )


def _location_accuracy(runs: RunSequences, planted: int) -> tuple[str, str]:
    """Returns, for both methods, the share of planted changes whose first run is located to the day, reported or not,
    and the share whose interval contains the true time."""
    old, new, held = [], [], []
    for days in (7, 14, 21):
        now = (_SINCE + days) * DAY
        right = within = hits = 0
        for number in range(planted):
            one = runs.workflow(number).between(now - LOOK_BACK_DAYS * DAY, now)
            at = first.first_failure(one, now)
            hits += at is not None and abs(at - _SINCE * DAY) <= DAY
            since = locate_drop(one)
            if since:
                right += abs(one.created[since.first] - _SINCE * DAY) <= DAY
                earliest, latest = one.created[since.earliest], one.created[since.latest]
                within += earliest - DAY <= _SINCE * DAY <= latest + DAY
        old.append(f"{hits / planted:.0%}")
        new.append(f"{right / planted:.0%}")
        held.append(f"{within / planted:.0%}")
    return " / ".join(old), f"{' / '.join(new)} (in the interval {' / '.join(held)})"


_NULL_WORLDS = {
    "noise of 20 %": DurationModel(),
    "noise of 30 %": DurationModel(noise=0.3),
    "days of 15 %": DurationModel(day_noise=0.15),
    "days of 30 %": DurationModel(day_noise=0.3),
    "25 % cache misses": DurationModel(misses=0.25),
}


def duration_benchmark(rng: np.random.Generator, workflows: int, *, quick: bool) -> Iterator[ResultRow]:
    days = range(_FIRST_DAY, _FIRST_DAY + 3 if quick else _DAYS)
    for name, model in _NULL_WORLDS.items():
        runs = durations(rng, model, workflows, _DAYS)
        alarms = (
            f"{new_reports_per_week(detect, runs, days):.1f}" for detect in (first.detect_slowdowns, detect_slowdowns)
        )
        yield ResultRow(f"duration, stationary, {name}", "false alarms a week", *alarms)
    planted = max(workflows // 4, 1)
    detectors: tuple[Detector, Detector] = (first.detect_slowdowns, detect_slowdowns)
    for rate in (60, 15, 6, 2):
        runs = durations(rng, DurationModel(factor=1.45, rate=rate), planted, _DAYS)
        name = f"duration, × 1.45 at 20 %, {rate} a day"
        yield ResultRow(name, _AFTER_TEXT, *(power(detect, runs, planted, _SINCE, _AFTER) for detect in detectors))
    for name, model in (
        ("× 1.45 with days model 10 %, 15 a day", DurationModel(factor=1.45, day_noise=0.1, rate=15)),
        ("× 2 at 30 %, 15 a day", DurationModel(factor=2.0, noise=0.3, rate=15)),
        ("drift model 0.6 % a day, 15 a day", DurationModel(drift=0.006, rate=15)),
    ):
        runs = durations(rng, model, planted, _DAYS)
        yield ResultRow(
            f"duration, {name}", _AFTER_TEXT, *(power(detect, runs, planted, _SINCE, _AFTER) for detect in detectors)
        )
