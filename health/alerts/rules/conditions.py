"""Does a rule fire? Pure: a measure, two thresholds and a smallest sample.

How long jobs wait for a runner, as a measure. Pure.

How much worse workflows got, as measures. Pure; what counts as worse is said in db.insights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from db.enums import RuleKind
from health.alerts.rules.rules import Rule
from health.insights.change_points import LOOK_BACK_DAYS, SuccessChanges, find_duration_steps, success_changes
from health.insights.statistics import DAY, MIN_WAITING_JOBS, MIN_WAITING_SHARE, RunSequences, build_sequences
from health.metrics.definitions.distribution import Floats, percentile_of_list


class Measurement(NamedTuple):
    """What a rule sees of one place at one moment. `value` null: nothing to say. `sample`: on how many runs it stands.
    `recent`: for a burn rate, that of the short window; null where nothing was decided in it. `certain`: for a
    regression, that it is not by chance."""

    value: float | None
    sample_size: int = 0
    short_window_value: float | None = None
    significant: bool = True


NO_DATA = Measurement(None)


def condition_met(rule: Rule, measurement: Measurement, *, firing: bool) -> bool:
    """Opens at one threshold, closes below another, so that it does not open and close with every run. With too small
    a sample to say, nothing changes while there is still something bad in it."""
    if measurement.value is None:
        return False
    if measurement.sample_size < rule.min_samples:
        return firing and measurement.value > 0
    if rule.kind is RuleKind.ERROR_BUDGET:
        return _burn_rate_exceeded(rule, measurement.value, measurement.short_window_value, firing=firing)
    if firing:
        return measurement.value >= rule.resolve_threshold
    return measurement.significant and measurement.value >= rule.open_at


def _burn_rate_exceeded(rule: Rule, long: float, short: float | None, *, firing: bool) -> bool:
    """Both windows: the long one says that it matters, the short one that it still goes on (Google, "The Site
    Reliability Workbook", chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). Without a decided run in the short one
    nothing opens, and what is open goes on by the long one."""
    limit = rule.resolve_threshold if firing else rule.open_at
    if short is None:
        return firing and long >= limit
    return long >= limit and short >= limit


def longest_wait(rule: Rule, waits_by_label: Mapping[str, Sequence[float]]) -> tuple[str, Measurement]:
    """The label whose jobs waited longest, and their 95th percentile; `by_label` holds waits in seconds, ascending. It
    is certain when a quarter of the jobs, and five of them (or as many as the rule asks for), waited as long as the
    rule allows: the percentile of few jobs is one machine that was started."""
    enough = {label: waits for label, waits in waits_by_label.items() if len(waits) >= max(rule.min_samples, 1)}
    known = enough or {label: waits for label, waits in waits_by_label.items() if waits}
    if not known:
        return "", NO_DATA
    label = max(known, key=lambda name: (percentile_of_list(known[name], 0.95) or 0.0, name))
    waits = known[label]
    waited = sum(seconds >= rule.open_at for seconds in waits)
    certain = waited >= MIN_WAITING_SHARE * len(waits) and waited >= min(MIN_WAITING_JOBS, max(rule.min_samples, 1))
    return label, Measurement(percentile_of_list(waits, 0.95), len(waits), significant=certain)


LOOKBACK_SECONDS = LOOK_BACK_DAYS * DAY


class FinishedRun(NamedTuple):
    """A decided run on the default branch; times in seconds since 1970. `seconds`: its duration, where known."""

    created_at: float
    completed_at: float
    failed: bool
    duration_seconds: float | None


class FinishedRuns(NamedTuple):
    """`runs` of many places, and when each ended."""

    runs: RunSequences
    completed_at: Floats

    def known_at(self, moment: float) -> RunSequences:
        """What was known then of the 37 days before."""
        runs = self.runs
        known = (self.completed_at <= moment) & (runs.created < moment) & (runs.created >= moment - LOOKBACK_SECONDS)
        return runs.where(known)


def finished_runs(places: Sequence[Sequence[FinishedRun]]) -> FinishedRuns:
    """The runs of each place in the order of creation."""
    runs = build_sequences(
        [[(run.created_at, run.failed, run.duration_seconds) for run in listed] for listed in places]
    )
    return FinishedRuns(runs, np.asarray([run.completed_at for listed in places for run in listed], dtype=np.float64))


def success_regression(changes: SuccessChanges, number: int, threshold: float) -> Measurement:
    """Points by which the success rate fell, below 0 where it rose; the sample are streaks of failures. `threshold` as
    SuccessChanges.threshold."""
    drop = float(changes.drop[number])
    if np.isnan(drop):
        return NO_DATA
    certain = threshold > 0 and float(changes.p_value[number]) <= threshold
    return Measurement(drop, int(changes.streaks[number]), significant=certain)


def success_regressions(finished: FinishedRuns, moment: float) -> list[Measurement]:
    """Of each place, of the runs that had ended by then."""
    changes = success_changes(finished.known_at(moment), moment)
    threshold = changes.threshold()
    return [success_regression(changes, number, threshold) for number in range(len(changes.drop))]


def duration_regressions(finished: FinishedRuns, moment: float) -> list[Measurement]:
    """Relative to the median before, of the successful runs that had ended by then."""
    runs = finished.known_at(moment)
    passed = runs.where(~runs.failed & (runs.seconds > 0))
    found = find_duration_steps(passed)
    return [
        Measurement(found[number].after / found[number].before - 1, found[number].sample_after)
        if number in found else NO_DATA
        for number in range(len(passed))
    ]  # fmt: skip


RegressionCheck = Callable[[FinishedRuns, float], list[Measurement]]


def daily_moments(since: float, until: float) -> Iterator[float]:
    """A replay looks once a day, at midnight UTC, and at the end."""
    at = (since // DAY + 1) * DAY
    while at < until:
        yield at
        at += DAY
    yield until
