"""Does a workflow fail more often than before, and since when? Pure.

Failures come in streaks: until somebody mends the branch every run fails. So a streak counts as one failure, and the
success that ends it as none: what is compared is how often a run fails after one that passed. One look tests many
workflows, so that the level of the test follows from all of them."""

from dataclasses import dataclass

import numpy as np

from db.insights.sequences import DAY, Mask, Sequences
from db.insights.significance import benjamini_hochberg, fisher_worse_each, log_factorials, simes
from db.metrics.distribution import Floats, Ints

LOOK_BACK_DAYS = 37
# The last 7 days against the 30 before; the longer ones so that a change is still one after two weeks.
RECENT_DAYS = (7, 14, 21)
# At most this share of the reported changes may be false.
FALSE_SHARE = 0.1
LEAST_POINTS, LEAST_STREAKS = 0.05, 3
_CREDIBLE = 0.9


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
        return benjamini_hochberg(self.p_value, FALSE_SHARE)

    def worse(self, threshold: float) -> Mask:
        found: Mask = (
            (self.p_value <= threshold) & (threshold > 0) & (self.drop >= LEAST_POINTS)
            & (self.streaks >= LEAST_STREAKS)
        )  # fmt: skip
        return found


@dataclass(frozen=True)
class Since:
    """Places in a sequence: `first` is the first failure of the change; with 90 % probability the change lies from
    `earliest` to `latest`."""

    first: int
    earliest: int
    latest: int


def success_changes(runs: Sequences, now: float) -> SuccessChanges:
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
    return _judged(tables)


def _judged(tables: Ints) -> SuccessChanges:
    """`tables` by window; recent or before; failed, passed, streaks or passes after a pass; and workflow."""
    failed, passed, streaks, held = (tables[:, :, kind] for kind in range(4))
    p_values = np.stack([
        fisher_worse_each(streaks[place, 0], held[place, 0], streaks[place, 1], held[place, 1], mid=True)
        for place in range(len(RECENT_DAYS))
    ])  # fmt: skip
    drops = np.minimum(_drop(failed, passed), _drop(streaks, held))
    # What is over again is no longer worse, whatever the last weeks say.
    latest = np.stack((np.broadcast_to(failed[0, 0], failed[:, 1].shape), failed[:, 1]), axis=1)
    latest_passed = np.stack((np.broadcast_to(passed[0, 0], passed[:, 1].shape), passed[:, 1]), axis=1)
    drops = np.minimum(drops, _drop(latest, latest_passed))
    best = np.argmin(np.where(np.isnan(drops), 2.0, p_values), axis=0)
    at = best, np.arange(tables.shape[-1])
    recent, before = tables[:, 0], tables[:, 1]
    return SuccessChanges(
        np.asarray(RECENT_DAYS)[best], recent[:, 0][at], recent[:, 1][at], before[:, 0][at], before[:, 1][at],
        recent[:, 2][at], simes(p_values), drops[at],
    )  # fmt: skip


def _drop(bad: Ints, good: Ints) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = good / (good + bad)
    found: Floats = rates[:, 1] - rates[:, 0]
    return found


def worse_since(runs: Sequences) -> Since | None:
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
    enough = int(np.searchsorted(np.cumsum(chance[likeliest]), _CREDIBLE * chance.sum())) + 1
    credible = cuts[likeliest[:enough]]
    failures = places[bad]
    first = failures[np.searchsorted(failures, places[cuts[likeliest[0]]])]
    return Since(int(first), int(places[credible.min()]), int(places[credible.max()]))


def _likelihood(logs: Floats, failed: Ints, passed: Ints) -> Floats:
    found: Floats = logs[failed] + logs[passed] - logs[failed + passed + 1]
    return found
