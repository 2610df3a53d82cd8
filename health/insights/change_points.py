"""Does a workflow take longer than before, and since which run? Pure.

Durations spread by a share, not by seconds, so that their logarithms are compared. Runs of one day have something in
common (load, caches), so that the error of a mean has two parts: one shrinks with runs, the other with days.

Does a workflow fail more often than before, and since when? Pure.

Failures come in streaks: until somebody mends the branch every run fails. So a streak counts as one failure, and the
success that ends it as none: what is compared is how often a run fails after one that passed. One look tests many
workflows, so that the level of the test follows from all of them.
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
from health.metrics.definitions.distribution import Floats, Ints

# Sides of a step: so many runs at least; at most so many, or all of so many days where those are more.
MIN_RUNS, MAX_RUNS, MAX_DAYS = 12, 60, 10
# In standard errors of a normal distribution. The largest of hundreds of cuts of hundreds of workflows is taken.
_MIN_T = 5.0
MIN_INCREASE, MIN_SECONDS = 0.2, 60.0
# GitHub writes whole seconds, and no runner is more even than this share.
_MIN_STANDARD_DEVIATION = 0.01
_CREDIBILITY = 0.9
# Further apart than any two runs that are looked at.
_WORKFLOW_OFFSET = 1000 * DAY
# Cuts of which the medians are compared.
_MAX_CANDIDATES = 5


@dataclass(frozen=True)
class DurationStep:
    """`index` is the first value after the change, which lies from `earliest` to `latest` with 90 % probability;
    `before` and `after` are medians in seconds; `t`: the difference of the mean logarithms in standard errors."""

    index: int
    earliest: int
    latest: int
    before: float
    after: float
    sample_before: int
    sample_after: int
    t: float


def find_duration_steps(runs: RunSequences) -> dict[int, DurationStep]:
    """By workflow, the surest step up that still holds: at least 20 % and a minute slower, then and in the latest
    twelve runs. `runs` are successful ones with a known duration above 0; indexes count from the workflow's start."""
    if not len(runs.seconds):
        return {}
    cuts = _cuts(runs)
    t = _t_values(runs, cuts)
    found = {}
    for number in np.unique(cuts.group[t > _MIN_T]).tolist():
        start, end = int(runs.starts[number]), int(runs.starts[number + 1])
        mine = slice(*np.searchsorted(cuts.at, (start, end)))
        # The next surest where medians do not bear out the surest: at most a few are looked at.
        for place in np.argsort(-t[mine], kind="stable")[:_MAX_CANDIDATES].tolist():
            if t[mine][place] <= _MIN_T:
                break
            step = _step(runs.seconds[start:end], cuts, mine, place, start, t[mine])
            if step:
                found[number] = step
                break
    return found


class _Cuts(NamedTuple):
    """Rows before which a step may lie, with its sides `low` to `at` and `at` to `high`, and the workflow."""

    at: Ints
    low: Ints
    high: Ints
    group: Ints


def _cuts(runs: RunSequences) -> _Cuts:
    rows, group = np.arange(len(runs.seconds)), runs.group
    first, last = runs.starts[group], runs.starts[group + 1]
    at = rows[(rows - first >= MIN_RUNS) & (last - rows >= MIN_RUNS)]
    group, first, last = group[at], first[at], last[at]
    # Ascending over all workflows, so that one search finds the day's edges of each.
    clock = runs.created + runs.group * _WORKFLOW_OFFSET
    by_days_low = np.searchsorted(clock, clock[at] - MAX_DAYS * DAY)
    by_days_high = np.searchsorted(clock, clock[at] + MAX_DAYS * DAY)
    low = np.maximum(np.minimum(at - MAX_RUNS, by_days_low), first)
    high = np.minimum(np.maximum(at + MAX_RUNS, by_days_high), last)
    return _Cuts(at, low, high, group)


def _t_values(runs: RunSequences, cuts: _Cuts) -> Floats:
    """The difference of the two sides in standard errors; 0 where the means are not apart enough to matter."""
    logs = np.log(runs.seconds)
    total = np.concatenate(([0.0], np.cumsum(logs)))
    runs_before, runs_after = cuts.at - cuts.low, cuts.high - cuts.at
    before = (total[cuts.at] - total[cuts.low]) / runs_before
    after = (total[cuts.high] - total[cuts.at]) / runs_after
    days = _days(runs, logs)
    within, within_freedom = days.within[cuts.group], days.within_freedom[cuts.group]
    between, freedom = days.between_day_variance(runs, cuts, within)
    per_day = days.runs_a_day[cuts.group]
    days_before, days_after = (np.maximum(each / per_day, 1.0) for each in (runs_before, runs_after))
    by_run = within * (1 / runs_before + 1 / runs_after)
    by_day = between * (1 / days_before + 1 / days_after)
    error = by_run + by_day
    t = (after - before) / np.sqrt(error)
    # Satterthwaite (1946): the degrees of freedom of a sum of two variances.
    degrees = error**2 / (by_run**2 / np.maximum(within_freedom, 1) + by_day**2 / np.maximum(freedom, 1))
    return np.where(after > before, _normal_score(t, degrees), 0.0)


def _normal_score(t: Floats, degrees: Floats) -> Floats:
    """Student's t as standard errors of a normal distribution (D. L. Wallace, "Bounds on Normal Approximations to
    Student's and the Chi-Square Distributions", 1959)."""
    found: Floats = (8 * degrees + 1) / (8 * degrees + 3) * np.sqrt(degrees * np.log1p(t * t / degrees)) * np.sign(t)
    return found


class _Days(NamedTuple):
    """By workflow: the variance `within` days with its degrees of freedom and runs a day. By day: the mean, the sums of
    means, squares and 1 / runs up to it, its place `of` each row; the first day of each workflow."""

    within: Floats
    within_freedom: Ints
    runs_a_day: Floats
    sums: Floats
    day: Ints
    first: Ints

    def between_day_variance(self, runs: RunSequences, cuts: _Cuts, within: Floats) -> tuple[Floats, Ints]:
        """The variance of what runs of a day have in common, by the means of the whole days before and after each cut;
        and its degrees of freedom."""
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
        found = np.maximum(variance - within * inverse / np.maximum(number, 1), 0.0)
        return found, freedom


def _days(runs: RunSequences, logs: Floats) -> _Days:
    day, group = np.floor(runs.created / DAY), runs.group
    new = np.ones(len(logs), dtype=np.bool_)
    new[1:] = (day[1:] != day[:-1]) | (group[1:] != group[:-1])
    of = np.cumsum(new) - 1
    size, number = len(runs), int(of[-1]) + 1
    count = np.bincount(of, minlength=number).astype(np.float64)
    mean = np.bincount(of, weights=logs, minlength=number) / count
    rest = (logs - mean[of]) ** 2
    day_group = group[new]
    days = np.bincount(day_group, minlength=size)
    freedom = np.bincount(group, minlength=size) - days
    within = np.bincount(group, weights=rest, minlength=size) / np.maximum(freedom, 1)
    sums = np.zeros((number + 1, 3))
    np.cumsum(np.column_stack((mean, mean * mean, 1 / count)), axis=0, out=sums[1:])
    first = np.concatenate(([0], np.cumsum(days)))
    a_day = np.diff(runs.starts) / np.maximum(days, 1)
    return _Days(np.maximum(within, _MIN_STANDARD_DEVIATION**2), freedom, np.maximum(a_day, 1.0), sums, of, first)


def _step(seconds: Floats, cuts: _Cuts, cut_indices: slice, cut: int, start: int, t: Floats) -> DurationStep | None:
    """Null where the medians are not far enough apart."""
    index, low = int(cuts.at[cut_indices][cut]) - start, int(cuts.low[cut_indices][cut]) - start
    before, after, latest = seconds[low:index], seconds[index:], seconds[-MIN_RUNS:]
    old, new, last = (float(np.median(each)) for each in (before, after, latest))
    if min(new, last) < max(old * (1 + MIN_INCREASE), old + MIN_SECONDS):
        return None
    # The likelihood of a cut of normal values is exp(t² / 2), up to a factor; other steps of the sequence are left out.
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
    )  # fmt: skip


LOOK_BACK_DAYS = 37
# The last 7 days against the 30 before; the longer ones so that a change is still one after two weeks.
RECENT_DAYS = (7, 14, 21)
# At most this share of the reported changes may be false.
FALSE_DISCOVERY_RATE = 0.1
MIN_DROP, MIN_STREAKS = 0.05, 3


@dataclass(frozen=True)
class SuccessChanges:
    """One value a workflow. `days`: of the recent window, the one with the surest difference. `failed` and `passed`
    runs in it, `failed_before` and `passed_before` in the rest of the 37 days. `streaks` began in it. `p_value`:
    Fisher's mid-p of the collapsed counts, of the three windows by Simes. `drop`: points by which the success rate of
    the window is below that before, of runs, of collapsed counts, or of the runs of the last 7 days, the smallest; NaN
    where one of them has no run."""

    days: Ints
    failed: Ints
    passed: Ints
    failed_before: Ints
    passed_before: Ints
    streaks: Ints
    p_value: Floats
    drop: Floats

    def threshold(self) -> float:
        """The largest p-value that is a discovery among all of these workflows (Benjamini, Hochberg)."""
        return benjamini_hochberg(self.p_value, FALSE_DISCOVERY_RATE)

    def is_worse(self, threshold: float) -> Mask:
        found: Mask = (
            (self.p_value <= threshold) & (threshold > 0) & (self.drop >= MIN_DROP)
            & (self.streaks >= MIN_STREAKS)
        )  # fmt: skip
        return found


@dataclass(frozen=True)
class ChangePoint:
    """Places in a sequence: `first` is the first failure of the change; with 90 % probability the change lies from
    `earliest` to `latest`."""

    first: int
    earliest: int
    latest: int


def success_changes(runs: RunSequences, now: float) -> SuccessChanges:
    """Of the runs created in the 37 days up to `now`."""
    runs = runs.between(now - LOOK_BACK_DAYS * DAY, now)
    age, size, group = now - runs.created, len(runs), runs.group
    kinds = runs.failed, ~runs.failed, runs.streak_starts(), runs.passes_after_pass()
    tables = np.zeros((len(RECENT_DAYS), 2, len(kinds), size), dtype=np.int64)
    for place, days in enumerate(RECENT_DAYS):
        before = age > days * DAY
        for kind, mask in enumerate(kinds):
            tables[place, 0, kind] = np.bincount(group[mask & ~before], minlength=size)
            tables[place, 1, kind] = np.bincount(group[mask & before], minlength=size)
    return _select_windows(tables)


def _select_windows(tables: Ints) -> SuccessChanges:
    """`tables` by window; recent or before; failed, passed, streaks or passes after a pass; and workflow."""
    failed, passed, streaks, held = (tables[:, :, kind] for kind in range(4))
    p_values = np.stack([
        fisher_exact_greater_many(streaks[place, 0], held[place, 0], streaks[place, 1], held[place, 1], mid=True)
        for place in range(len(RECENT_DAYS))
    ])  # fmt: skip
    drops = np.minimum(_rate_drop(failed, passed), _rate_drop(streaks, held))
    # What is over again is no longer worse, whatever the last weeks say.
    latest = np.stack((np.broadcast_to(failed[0, 0], failed[:, 1].shape), failed[:, 1]), axis=1)
    latest_passed = np.stack((np.broadcast_to(passed[0, 0], passed[:, 1].shape), passed[:, 1]), axis=1)
    drops = np.minimum(drops, _rate_drop(latest, latest_passed))
    best = np.argmin(np.where(np.isnan(drops), 2.0, p_values), axis=0)
    at = best, np.arange(tables.shape[-1])
    recent, before = tables[:, 0], tables[:, 1]
    return SuccessChanges(
        np.asarray(RECENT_DAYS)[best], recent[:, 0][at], recent[:, 1][at], before[:, 0][at], before[:, 1][at],
        recent[:, 2][at], simes(p_values), drops[at],
    )  # fmt: skip


def _rate_drop(bad: Ints, good: Ints) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = good / (good + bad)
    found: Floats = rates[:, 1] - rates[:, 0]
    return found


def locate_drop(runs: RunSequences) -> ChangePoint | None:
    """Where one workflow began to fail more often: the most probable of all cuts into two rates of failure, each
    unknown (A. F. M. Smith, "A Bayesian Approach to Inference about a Change-Point", 1975; uniform priors, so that the
    likelihood of a side is f! p! / (f + p + 1)!). By collapsed counts over all runs given. Null without a cut that has
    more failures after it."""
    places = np.nonzero(runs.streak_starts() | runs.passes_after_pass())[0]
    bad = runs.failed[places]
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
    failures = places[bad]
    first = failures[np.searchsorted(failures, places[cuts[likeliest[0]]])]
    return ChangePoint(int(first), int(places[credible.min()]), int(places[credible.max()]))


def _likelihood(logs: Floats, failed: Ints, passed: Ints) -> Floats:
    found: Floats = logs[failed] + logs[passed] - logs[failed + passed + 1]
    return found
