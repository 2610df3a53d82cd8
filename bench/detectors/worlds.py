"""Simulated histories of workflows and runner pools, with and without planted changes. Times are seconds from 0."""

from dataclasses import dataclass

import numpy as np

from health.insights.statistics import DAY, RunSequences
from health.metrics.definitions.percentiles import Floats, Ints

HOUR = 3600.0
# Runs per day of workflows, and the shares of workflows with these rates.
_RATES, _SHARES = (1.0, 4.0, 15.0), (0.4, 0.4, 0.2)
_FAILURE_RATES = (0.01, 0.08)
# Mean number of failures in a streak.
_MEAN_STREAK = 2
_SECONDS = (200.0, 1_200.0)


@dataclass(frozen=True)
class FailureModel:
    """With `clustered`, half of the failures occur in streaks. From day `since` on the first `planted` workflows, with
    `rate` runs a day, have the failure rate `after` instead of `before`."""

    clustered: bool = False
    planted: int = 0
    rate: float = 4.0
    before: float = 0.05
    after: float = 0.22
    since: float = 60.0


@dataclass(frozen=True)
class DurationModel:
    """`noise` and `day_noise` are the standard deviations of the logarithms of runs and days. The share `misses` of the
    runs takes `miss_factor` as long. From day `since` on all runs take `factor` as long, or `drift` a day more. `rate`
    is the number of runs a day; null: mixed rates."""

    noise: float = 0.2
    day_noise: float = 0.0
    misses: float = 0.0
    miss_factor: float = 2.0
    factor: float = 1.0
    drift: float = 0.0
    since: float = 60.0
    rate: float | None = None


def failures(rng: np.random.Generator, model: FailureModel, workflows: int, days: int) -> RunSequences:
    rates, chances = rng.choice(_RATES, workflows, p=_SHARES), rng.uniform(*_FAILURE_RATES, workflows)
    rates[: model.planted] = model.rate
    chances[: model.planted] = model.before
    starts, created = _times(rng, rates, days)
    group = np.repeat(np.arange(workflows), np.diff(starts))
    chance = chances[group]
    chance[(group < model.planted) & (created >= model.since * DAY)] = model.after
    failed = rng.random(len(created)) < (chance / 2 if model.clustered else chance)
    if model.clustered:
        begin = np.nonzero(rng.random(len(created)) < chance / 2 / _MEAN_STREAK)[0]
        for first, length in zip(begin.tolist(), rng.geometric(1 / _MEAN_STREAK, len(begin)).tolist(), strict=True):
            failed[first : min(first + length, int(starts[group[first] + 1]))] = True
    return RunSequences(starts, created, failed, np.full(len(created), np.nan))


def durations(rng: np.random.Generator, model: DurationModel, workflows: int, days: int) -> RunSequences:
    rates = rng.choice(_RATES, workflows, p=_SHARES) if model.rate is None else np.full(workflows, model.rate)
    starts, created = _times(rng, rates, days)
    group = np.repeat(np.arange(workflows), np.diff(starts))
    logs = np.log(rng.uniform(*_SECONDS, workflows))[group] + model.noise * rng.standard_normal(len(created))
    logs += model.day_noise * rng.standard_normal((workflows, days))[group, (created // DAY).astype(np.int64)]
    logs += np.log(model.miss_factor) * (rng.random(len(created)) < model.misses)
    logs += np.log(model.factor) * (created >= model.since * DAY) + model.drift * np.maximum(
        created / DAY - model.since, 0.0
    )
    return RunSequences(starts, created, np.zeros(len(created), dtype=np.bool_), np.exp(logs))


def _times(rng: np.random.Generator, rates: Floats, days: int) -> tuple[Ints, Floats]:
    sizes = np.maximum(rng.poisson(rates * days), 1)
    created = [np.sort(np.floor(rng.uniform(0, days * DAY, size))) for size in sizes.tolist()]
    return np.concatenate(([0], np.cumsum(sizes))), np.concatenate(created)


def pool(
    rng: np.random.Generator, jobs_an_hour: float, days: int, *, cold: float = 0.04, short_from: float | None = None
) -> tuple[Floats, Floats]:
    """Returns the times at which jobs were queued, and their waiting times: seconds, except for cold starts of 5 to 15
    minutes. From `short_from` on 60 % wait 7 to 30 minutes. Nights and weekends have a seventh of the jobs."""
    hours = np.arange(days * 24)
    busy = np.where((hours // 24 % 7 < 5) & (hours % 24 >= 7) & (hours % 24 < 19), 1.0, 0.15)
    hour = np.repeat(hours, rng.poisson(jobs_an_hour * busy))
    queued = np.sort((hour + rng.random(len(hour))) * HOUR)
    waits = rng.exponential(20.0, len(queued))
    slow = rng.random(len(queued)) < cold
    waits[slow] = rng.uniform(300, 900, int(slow.sum()))
    if short_from is not None:
        scarce = (queued >= short_from) & (rng.random(len(queued)) < 0.6)
        waits[scarce] = rng.uniform(420, 1_800, int(scarce.sum()))
    return queued, waits
