"""How much worse workflows got, as measures. Pure; what counts as worse is said in db.insights."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from db.alerting.judge import NOTHING, Measure
from db.insights.sequences import DAY, Sequences, sequences
from db.insights.slowdown import steps
from db.insights.success import LOOK_BACK_DAYS, SuccessChanges, success_changes
from db.metrics.distribution import Floats

LOOK_BACK = LOOK_BACK_DAYS * DAY


class Ended(NamedTuple):
    """A decided run on the default branch; times in seconds since 1970. `seconds`: its duration, where known."""

    created: float
    completed: float
    failed: bool
    seconds: float | None


class EndedRuns(NamedTuple):
    """`runs` of many places, and when each ended."""

    runs: Sequences
    completed: Floats

    def at(self, moment: float) -> Sequences:
        """What was known then of the 37 days before."""
        runs = self.runs
        known = (self.completed <= moment) & (runs.created < moment) & (runs.created >= moment - LOOK_BACK)
        return runs.only(known)


def ended_runs(places: Sequence[Sequence[Ended]]) -> EndedRuns:
    """The runs of each place in the order of creation."""
    runs = sequences([[(run.created, run.failed, run.seconds) for run in listed] for listed in places])
    return EndedRuns(runs, np.asarray([run.completed for listed in places for run in listed], dtype=np.float64))


def less_successful(changes: SuccessChanges, number: int, threshold: float) -> Measure:
    """Points by which the success rate fell, below 0 where it rose; the sample are streaks of failures. `threshold` as
    SuccessChanges.threshold."""
    drop = float(changes.drop[number])
    if np.isnan(drop):
        return NOTHING
    certain = threshold > 0 and float(changes.p_value[number]) <= threshold
    return Measure(drop, int(changes.streaks[number]), certain=certain)


def success_at(ended: EndedRuns, moment: float) -> list[Measure]:
    """Of each place, of the runs that had ended by then."""
    changes = success_changes(ended.at(moment), moment)
    threshold = changes.threshold()
    return [less_successful(changes, number, threshold) for number in range(len(changes.drop))]


def duration_at(ended: EndedRuns, moment: float) -> list[Measure]:
    """Relative to the median before, of the successful runs that had ended by then."""
    runs = ended.at(moment)
    passed = runs.only(~runs.failed & (runs.seconds > 0))
    found = steps(passed)
    return [
        Measure(found[number].after / found[number].before - 1, found[number].sample_after)
        if number in found else NOTHING
        for number in range(len(passed))
    ]  # fmt: skip


Look = Callable[[EndedRuns, float], list[Measure]]


def days(since: float, until: float) -> Iterator[float]:
    """A replay looks once a day, at midnight UTC, and at the end."""
    at = (since // DAY + 1) * DAY
    while at < until:
        yield at
        at += DAY
    yield until
