"""Does a rule fire? Pure: a measure, two thresholds and a smallest sample.

How long jobs wait for a runner, as a measure. Pure.

How much worse workflows got, as measures. Pure; what counts as worse is said in db.insights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from db.enums import RuleKind
from health.alerts.rules.rules import Rule
from health.insights.change_points import LOOK_BACK_DAYS, SuccessChanges, steps, success_changes
from health.insights.statistics import DAY, LEAST_SHARE, LEAST_WAITED, Sequences, sequences
from health.metrics.definitions.distribution import Floats, percentile_of


class Measure(NamedTuple):
    """What a rule sees of one place at one moment. `value` null: nothing to say. `sample`: on how many runs it stands.
    `recent`: for a burn rate, that of the short window; null where nothing was decided in it. `certain`: for a
    regression, that it is not by chance."""

    value: float | None
    sample: int = 0
    recent: float | None = None
    certain: bool = True


NOTHING = Measure(None)


def fires(rule: Rule, measure: Measure, *, firing: bool) -> bool:
    """Opens at one threshold, closes below another, so that it does not open and close with every run. With too small
    a sample to say, nothing changes while there is still something bad in it."""
    if measure.value is None:
        return False
    if measure.sample < rule.least:
        return firing and measure.value > 0
    if rule.kind is RuleKind.ERROR_BUDGET:
        return _burns(rule, measure.value, measure.recent, firing=firing)
    if firing:
        return measure.value >= rule.closes_at
    return measure.certain and measure.value >= rule.open_at


def _burns(rule: Rule, long: float, short: float | None, *, firing: bool) -> bool:
    """Both windows: the long one says that it matters, the short one that it still goes on (Google, "The Site
    Reliability Workbook", chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). Without a decided run in the short one
    nothing opens, and what is open goes on by the long one."""
    limit = rule.closes_at if firing else rule.open_at
    if short is None:
        return firing and long >= limit
    return long >= limit and short >= limit


def longest_wait(rule: Rule, by_label: Mapping[str, Sequence[float]]) -> tuple[str, Measure]:
    """The label whose jobs waited longest, and their 95th percentile; `by_label` holds waits in seconds, ascending. It
    is certain when a quarter of the jobs, and five of them (or as many as the rule asks for), waited as long as the
    rule allows: the percentile of few jobs is one machine that was started."""
    enough = {label: waits for label, waits in by_label.items() if len(waits) >= max(rule.least, 1)}
    known = enough or {label: waits for label, waits in by_label.items() if waits}
    if not known:
        return "", NOTHING
    label = max(known, key=lambda name: (percentile_of(known[name], 0.95) or 0.0, name))
    waits = known[label]
    waited = sum(seconds >= rule.open_at for seconds in waits)
    certain = waited >= LEAST_SHARE * len(waits) and waited >= min(LEAST_WAITED, max(rule.least, 1))
    return label, Measure(percentile_of(waits, 0.95), len(waits), certain=certain)


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
