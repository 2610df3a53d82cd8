"""Measurements of rules, and the formulas of burn rates, queue times and regressions. Pure.

health.insights defines what a regression is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from health.alerts.rules.rules import Rule
from health.insights.change_points import LOOK_BACK_DAYS, SuccessChanges, find_duration_steps, success_changes
from health.insights.runner_shortage import MIN_WAITING_JOBS, MIN_WAITING_SHARE
from health.insights.statistics import DAY, RunSequences, build_sequences
from health.metrics.definitions.percentiles import Floats, percentile_of_list


class Measurement(NamedTuple):
    """What a rule measures for one target at one time. `value` null: no data. `sample_size` in the sample unit of the
    rule type. `short_window_value`: the burn rate of the short window; null without completed runs in it.
    `significant`: false for a regression that may be chance."""

    value: float | None
    sample_size: int = 0
    short_window_value: float | None = None
    significant: bool = True


NO_DATA = Measurement(None)


def burn_rate(rule: Rule, rate: float, decided: int, recent_rate: float | None) -> Measurement:
    """The burn rate: failure rate ÷ (1 − objective), for the long and the short window."""
    recent = None if recent_rate is None else recent_rate / rule.budget
    return Measurement(rate / rule.budget, decided, recent)


def longest_wait(rule: Rule, waits_by_label: Mapping[str, Sequence[float]]) -> tuple[str, Measurement]:
    """The label whose jobs waited longest, and their 95th percentile in seconds. `waits_by_label`: waits in seconds,
    ascending. It is significant if a quarter of the jobs, and at least five (or the sample that the rule requires),
    waited as long as the threshold: the percentile of a few jobs is the start of one machine."""
    enough = {label: waits for label, waits in waits_by_label.items() if len(waits) >= max(rule.min_samples, 1)}
    known = enough or {label: waits for label, waits in waits_by_label.items() if waits}
    if not known:
        return "", NO_DATA
    label = max(known, key=lambda name: (percentile_of_list(known[name], 0.95) or 0.0, name))
    waits = known[label]
    waited = sum(seconds >= rule.open_at for seconds in waits)
    significant = waited >= MIN_WAITING_SHARE * len(waits) and waited >= min(MIN_WAITING_JOBS, max(rule.min_samples, 1))
    return label, Measurement(percentile_of_list(waits, 0.95), len(waits), significant=significant)


LOOKBACK_SECONDS = LOOK_BACK_DAYS * DAY


class FinishedRun(NamedTuple):
    """A completed run on the default branch; times in seconds since 1970. `duration_seconds` null: unknown."""

    created_at: float
    completed_at: float
    failed: bool
    duration_seconds: float | None


class FinishedRuns(NamedTuple):
    """The runs of several targets, and the time at which each run ended (one array, in the order of `runs`)."""

    runs: RunSequences
    completed_at: Floats

    def known_at(self, moment: float) -> RunSequences:
        """The runs of the 37 days before `moment` that had ended by then."""
        runs = self.runs
        known = (self.completed_at <= moment) & (runs.created < moment) & (runs.created >= moment - LOOKBACK_SECONDS)
        return runs.where(known)


def finished_runs(runs_by_target: Sequence[Sequence[FinishedRun]]) -> FinishedRuns:
    """Arrays of the runs of each target, which are given in the order of creation."""
    runs = build_sequences(
        [[(run.created_at, run.failed, run.duration_seconds) for run in listed] for listed in runs_by_target]
    )
    return FinishedRuns(
        runs, np.asarray([run.completed_at for listed in runs_by_target for run in listed], dtype=np.float64)
    )


def success_regression(changes: SuccessChanges, number: int, threshold: float) -> Measurement:
    """The drop of the success rate of a target as a share, negative for a rise; the sample are streaks of failures.
    `threshold`: the largest significant p-value (SuccessChanges.threshold)."""
    drop = float(changes.drop[number])
    if np.isnan(drop):
        return NO_DATA
    significant = threshold > 0 and float(changes.p_value[number]) <= threshold
    return Measurement(drop, int(changes.streaks[number]), significant=significant)


def success_regressions(finished: FinishedRuns, moment: float) -> list[Measurement]:
    """The success regression of each target at `moment`, from the runs that had ended by then."""
    changes = success_changes(finished.known_at(moment), moment)
    threshold = changes.threshold()
    return [success_regression(changes, number, threshold) for number in range(len(changes.drop))]


def duration_regressions(finished: FinishedRuns, moment: float) -> list[Measurement]:
    """The increase of the median duration of each target at `moment`, as a share of the median before, from the
    successful runs that had ended by then."""
    runs = finished.known_at(moment)
    passed = runs.where(~runs.failed & (runs.seconds > 0))
    steps = find_duration_steps(passed)
    return [
        Measurement(steps[number].after / steps[number].before - 1, steps[number].sample_after)
        if number in steps
        else NO_DATA
        for number in range(len(passed))
    ]


RegressionCheck = Callable[[FinishedRuns, float], list[Measurement]]


def daily_moments(since: float, until: float) -> Iterator[float]:
    """The times at which a backtest evaluates: every midnight UTC, and the end."""
    at = (since // DAY + 1) * DAY
    while at < until:
        yield at
        at += DAY
    yield until
