"""Detection of workflows that became slower or fail more often, with the run at which the change began. Pure.

Durations vary by a proportion, not by seconds; therefore their logarithms are compared. Runs of the same day share load
and caches; therefore the error of a mean has two parts: one decreases with the number of runs, the other with the
number of days.

Failures occur in streaks: until the branch is repaired, every run fails. Therefore a streak counts as one failure and
the success that ends it is not counted; the compared rate is how often a run fails after a run that passed. One
evaluation tests many workflows; therefore the significance level follows from all of their p-values.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from health.insights.statistics import (
    DAY,
    Mask,
    RunSequences,
    benjamini_hochberg,
    fisher_exact_greater_many,
    log_factorials,
    simes,
)
from health.metrics.definitions.percentiles import Floats, Ints

# The runs on each side of a step: at least MIN_RUNS; at most MAX_RUNS, or all of MAX_DAYS days if those are more.
MIN_RUNS, MAX_RUNS, MAX_DAYS = 12, 60, 10
# In standard errors of a normal distribution. High, because it is the maximum over hundreds of cuts and workflows.
_MIN_T = 5.0
MIN_INCREASE, MIN_SECONDS = 0.2, 60.0
# Relative. GitHub reports whole seconds, and no runner varies less than this.
_MIN_STANDARD_DEVIATION = 0.01
_CREDIBILITY = 0.9
# Longer than the range of the evaluated runs.
_WORKFLOW_OFFSET = 1000 * DAY
# The number of cuts whose medians are compared.
_MAX_CANDIDATES = 5


@dataclass(frozen=True)
class DurationStep:
    """`index` is the first run after the change; with 90 % probability the change is between `earliest` and `latest`.
    `before` and `after` are medians in seconds, `t` is the difference of the mean logarithms in standard errors."""

    index: int
    earliest: int
    latest: int
    before: float
    after: float
    sample_before: int
    sample_after: int
    t: float


def find_duration_steps(runs: RunSequences) -> dict[int, DurationStep]:
    """The most significant increase of each workflow, by the workflow's index: slower by at least 20 % and 60 s, after
    the step and in the latest twelve runs. `runs` must be successful, with a duration above 0; indexes of runs count
    from the first run of the workflow."""
    if not len(runs.seconds):
        return {}
    cuts = _cuts(runs)
    t = _t_values(runs, cuts)
    steps = {}
    for number in np.unique(cuts.group[t > _MIN_T]).tolist():
        start, end = int(runs.starts[number]), int(runs.starts[number + 1])
        cut_indices = slice(*np.searchsorted(cuts.at, (start, end)))
        t_of_cuts = t[cut_indices]
        # If the medians do not confirm the most significant cut, the next ones are tried.
        for cut in np.argsort(-t_of_cuts, kind="stable")[:_MAX_CANDIDATES].tolist():
            if t_of_cuts[cut] <= _MIN_T:
                break
            step = _step(runs.seconds[start:end], cuts, cut_indices, cut, start, t_of_cuts)
            if step:
                steps[number] = step
                break
    return steps


class _Cuts(NamedTuple):
    """Possible steps: before row `at`, with the rows from `low` to `at` on one side and from `at` to `high` on the
    other; `group` is the workflow."""

    at: Ints
    low: Ints
    high: Ints
    group: Ints


def _cuts(runs: RunSequences) -> _Cuts:
    rows, group = np.arange(len(runs.seconds)), runs.group
    first, last = runs.starts[group], runs.starts[group + 1]
    at = rows[(rows - first >= MIN_RUNS) & (last - rows >= MIN_RUNS)]
    group, first, last = group[at], first[at], last[at]
    # Ascending over all workflows, so that one search finds the limits of all of them.
    clock = runs.created + runs.group * _WORKFLOW_OFFSET
    by_days_low = np.searchsorted(clock, clock[at] - MAX_DAYS * DAY)
    by_days_high = np.searchsorted(clock, clock[at] + MAX_DAYS * DAY)
    low = np.maximum(np.minimum(at - MAX_RUNS, by_days_low), first)
    high = np.minimum(np.maximum(at + MAX_RUNS, by_days_high), last)
    return _Cuts(at, low, high, group)


def _t_values(runs: RunSequences, cuts: _Cuts) -> Floats:
    """The difference of the two sides of each cut in standard errors; 0 where the mean does not increase."""
    logs = np.log(runs.seconds)
    total = np.concatenate(([0.0], np.cumsum(logs)))
    runs_before, runs_after = cuts.at - cuts.low, cuts.high - cuts.at
    before = (total[cuts.at] - total[cuts.low]) / runs_before
    after = (total[cuts.high] - total[cuts.at]) / runs_after
    days = _days(runs, logs)
    within, within_freedom = days.within[cuts.group], days.within_freedom[cuts.group]
    between, freedom = days.between_day_variance(runs, cuts, within)
    per_day = days.runs_a_day[cuts.group]
    days_before, days_after = (np.maximum(count / per_day, 1.0) for count in (runs_before, runs_after))
    by_run = within * (1 / runs_before + 1 / runs_after)
    by_day = between * (1 / days_before + 1 / days_after)
    error = by_run + by_day
    t = (after - before) / np.sqrt(error)
    # Satterthwaite (1946): the degrees of freedom of a sum of two variances.
    degrees = error**2 / (by_run**2 / np.maximum(within_freedom, 1) + by_day**2 / np.maximum(freedom, 1))
    return np.where(after > before, _normal_score(t, degrees), 0.0)


def _normal_score(t: Floats, degrees: Floats) -> Floats:
    """Student's t, converted to standard errors of a normal distribution (D. L. Wallace, "Bounds on Normal
    Approximations to Student's and the Chi-Square Distributions", 1959)."""
    scores: Floats = (8 * degrees + 1) / (8 * degrees + 3) * np.sqrt(degrees * np.log1p(t * t / degrees)) * np.sign(t)
    return scores


class _Days(NamedTuple):
    """By workflow: the variance within days, its degrees of freedom, and the runs per day. By day: `sums` of the means,
    their squares and 1 / runs of all earlier days. `day` is the day of each row, `first` the first day of each
    workflow."""

    within: Floats
    within_freedom: Ints
    runs_a_day: Floats
    sums: Floats
    day: Ints
    first: Ints

    def between_day_variance(self, runs: RunSequences, cuts: _Cuts, within: Floats) -> tuple[Floats, Ints]:
        """The variance between days and its degrees of freedom, for each cut, estimated from the means of the complete
        days before and after it."""
        first, end = self.first[cuts.group], self.first[cuts.group + 1]
        day = self.day[cuts.at]
        squares = np.zeros(len(cuts.at))
        inverse, number, freedom = (
            np.zeros(len(cuts.at)),
            np.zeros(len(cuts.at)),
            np.zeros(len(cuts.at), dtype=np.int64),
        )
        for low, high in ((first, day), (day + 1, np.maximum(end, day + 1))):
            days = high - low
            mean, square, runs_inverse = (self.sums[high] - self.sums[low]).T
            known = days > 0
            squares += np.where(known, square - mean * mean / np.maximum(days, 1), 0.0)
            inverse += runs_inverse
            number += days
            freedom += np.maximum(days - 1, 0)
        variance = squares / np.maximum(freedom, 1)
        return np.maximum(variance - within * inverse / np.maximum(number, 1), 0.0), freedom


def _days(runs: RunSequences, logs: Floats) -> _Days:
    day, group = np.floor(runs.created / DAY), runs.group
    new = np.ones(len(logs), dtype=np.bool_)
    new[1:] = (day[1:] != day[:-1]) | (group[1:] != group[:-1])
    day_of_row = np.cumsum(new) - 1
    size, number = len(runs), int(day_of_row[-1]) + 1
    count = np.bincount(day_of_row, minlength=number).astype(np.float64)
    mean = np.bincount(day_of_row, weights=logs, minlength=number) / count
    squares = (logs - mean[day_of_row]) ** 2
    day_group = group[new]
    days = np.bincount(day_group, minlength=size)
    freedom = np.bincount(group, minlength=size) - days
    within = np.bincount(group, weights=squares, minlength=size) / np.maximum(freedom, 1)
    sums = np.zeros((number + 1, 3))
    np.cumsum(np.column_stack((mean, mean * mean, 1 / count)), axis=0, out=sums[1:])
    first = np.concatenate(([0], np.cumsum(days)))
    per_day = np.maximum(np.diff(runs.starts) / np.maximum(days, 1), 1.0)
    return _Days(np.maximum(within, _MIN_STANDARD_DEVIATION**2), freedom, per_day, sums, day_of_row, first)


def _step(seconds: Floats, cuts: _Cuts, cut_indices: slice, cut: int, start: int, t: Floats) -> DurationStep | None:
    """Null where the medians differ too little."""
    index, low = int(cuts.at[cut_indices][cut]) - start, int(cuts.low[cut_indices][cut]) - start
    before, after, latest = seconds[low:index], seconds[index:], seconds[-MIN_RUNS:]
    old, new, last = (float(np.median(values)) for values in (before, after, latest))
    if min(new, last) < max(old * (1 + MIN_INCREASE), old + MIN_SECONDS):
        return None
    # For normal values the likelihood of a cut is proportional to exp(t² / 2). Cuts of other steps are excluded.
    near = (
        (cuts.at[cut_indices] > cuts.low[cut_indices][cut])
        & (cuts.at[cut_indices] < cuts.high[cut_indices][cut])
        & (t <= t[cut])
    )
    chance = np.where(near & (t > 0), np.exp((t * t - t[cut] * t[cut]) / 2), 0.0)
    likeliest = np.argsort(-chance, kind="stable")
    enough = int(np.searchsorted(np.cumsum(chance[likeliest]), _CREDIBILITY * chance.sum())) + 1
    credible = cuts.at[cut_indices][likeliest[:enough]] - start
    return DurationStep(
        index, int(credible.min()), int(credible.max()), old, new, len(before), len(after), float(t[cut])
    )


LOOK_BACK_DAYS = 37
# The last 7 days are compared with the 30 before; the longer windows still report a change after two weeks.
RECENT_DAYS = (7, 14, 21)
# The accepted share of false positives among the reported changes.
FALSE_DISCOVERY_RATE = 0.1
MIN_DROP, MIN_STREAKS = 0.05, 3


@dataclass(frozen=True)
class SuccessChanges:
    """Arrays with one value per workflow. `days` is the length of the recent window with the most significant change;
    `failed` and `passed` count the runs in it, `failed_before` and `passed_before` those in the rest of the 37 days,
    `streaks` the streaks of failures that began in it. `p_value`: Fisher's mid-p with each streak counted as one
    failure, combined over the three windows by Simes. `drop`: the decrease of the success rate, from 0 to 1; the
    smallest of those by runs, by streaks, and by the runs from the last 7 days; NaN where one of them has no runs."""

    days: Ints
    failed: Ints
    passed: Ints
    failed_before: Ints
    passed_before: Ints
    streaks: Ints
    p_value: Floats
    drop: Floats

    def threshold(self) -> float:
        """The largest p-value that is significant among all of these workflows (Benjamini, Hochberg)."""
        return benjamini_hochberg(self.p_value, FALSE_DISCOVERY_RATE)

    def is_worse(self, threshold: float) -> Mask:
        significant = (self.p_value <= threshold) & (threshold > 0)
        worse: Mask = significant & (self.drop >= MIN_DROP) & (self.streaks >= MIN_STREAKS)
        return worse


@dataclass(frozen=True)
class ChangePoint:
    """Indexes of runs: `first` is the first failure after the change; with 90 % probability the change is between
    `earliest` and `latest`."""

    first: int
    earliest: int
    latest: int


def success_changes(runs: RunSequences, now: float) -> SuccessChanges:
    """The changes by the runs created in the 37 days up to `now`, in seconds since 1970."""
    runs = runs.between(now - LOOK_BACK_DAYS * DAY, now)
    age, size, group = now - runs.created, len(runs), runs.group
    kinds = runs.failed, ~runs.failed, runs.streak_starts(), runs.passes_after_pass()
    tables = np.zeros((len(RECENT_DAYS), 2, len(kinds), size), dtype=np.int64)
    for window, days in enumerate(RECENT_DAYS):
        before = age > days * DAY
        for kind, mask in enumerate(kinds):
            tables[window, 0, kind] = np.bincount(group[mask & ~before], minlength=size)
            tables[window, 1, kind] = np.bincount(group[mask & before], minlength=size)
    return _select_windows(tables)


def _select_windows(tables: Ints) -> SuccessChanges:
    """The axes of `tables` are the window; recent or before; failed, passed, streaks, passes after a pass; workflow."""
    failed, passed, streaks, passes_after_pass = (tables[:, :, kind] for kind in range(4))
    p_values = np.stack(
        [
            fisher_exact_greater_many(
                streaks[window, 0],
                passes_after_pass[window, 0],
                streaks[window, 1],
                passes_after_pass[window, 1],
                mid=True,
            )
            for window in range(len(RECENT_DAYS))
        ]
    )
    drops = np.minimum(_rate_drop(failed, passed), _rate_drop(streaks, passes_after_pass))
    # A workflow that recovered in the last 7 days is not worse, whatever the longer windows show.
    latest = np.stack((np.broadcast_to(failed[0, 0], failed[:, 1].shape), failed[:, 1]), axis=1)
    latest_passed = np.stack((np.broadcast_to(passed[0, 0], passed[:, 1].shape), passed[:, 1]), axis=1)
    drops = np.minimum(drops, _rate_drop(latest, latest_passed))
    best = np.argmin(np.where(np.isnan(drops), 2.0, p_values), axis=0)
    at = best, np.arange(tables.shape[-1])
    recent, before = tables[:, 0], tables[:, 1]
    return SuccessChanges(
        np.asarray(RECENT_DAYS)[best],
        recent[:, 0][at],
        recent[:, 1][at],
        before[:, 0][at],
        before[:, 1][at],
        recent[:, 2][at],
        simes(p_values),
        drops[at],
    )


def _rate_drop(bad: Ints, good: Ints) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = good / (good + bad)
    drop: Floats = rates[:, 1] - rates[:, 0]
    return drop


def locate_drop(runs: RunSequences) -> ChangePoint | None:
    """Where one workflow began to fail more often: the most probable of all cuts into two unknown failure rates
    (A. F. M. Smith, "A Bayesian Approach to Inference about a Change-Point", 1975; with uniform priors the likelihood
    of a side is f! p! / (f + p + 1)!). Streaks count as one failure. Null if the failure rate rises at no cut."""
    rows = np.nonzero(runs.streak_starts() | runs.passes_after_pass())[0]
    bad = runs.failed[rows]
    if len(bad) < 2 or not bad.any():
        return None
    cuts = np.arange(1, len(bad))
    failed = np.cumsum(bad, dtype=np.int64)[:-1]
    failed_after = np.count_nonzero(bad) - failed
    logs = log_factorials(len(bad) + 1)
    weight = _likelihood(logs, failed, cuts - failed) + _likelihood(logs, failed_after, len(bad) - cuts - failed_after)
    rises = failed_after / (len(bad) - cuts) > failed / cuts
    if not rises.any():
        return None
    chance = np.where(rises, np.exp(weight - weight[rises].max()), 0.0)
    likeliest = np.argsort(-chance, kind="stable")
    enough = int(np.searchsorted(np.cumsum(chance[likeliest]), _CREDIBILITY * chance.sum())) + 1
    credible = cuts[likeliest[:enough]]
    failures = rows[bad]
    first = failures[np.searchsorted(failures, rows[cuts[likeliest[0]]])]
    return ChangePoint(int(first), int(rows[credible.min()]), int(rows[credible.max()]))


def _likelihood(logs: Floats, failed: Ints, passed: Ints) -> Floats:
    likelihood: Floats = logs[failed] + logs[passed] - logs[failed + passed + 1]
    return likelihood
