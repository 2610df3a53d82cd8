"""Made-up histories of workflows and runner pools, with nothing or something planted. Times in seconds from 0."""

from dataclasses import dataclass

import numpy as np

from health.insights.statistics import DAY, RunSequences
from health.metrics.definitions.percentiles import Floats, Ints

HOUR = 3600.0
# A few runs a day, as most workflows have; few fail often.
_RATES, _SHARES = (1.0, 4.0, 15.0), (0.4, 0.4, 0.2)
_FAILURE_RATES = (0.01, 0.08)
# Failures in a broken stretch, on average.
_MEAN_STREAK = 2
_SECONDS = (200.0, 1_200.0)


@dataclass(frozen=True)
class FailureModel:
    """`clustered`: half of the failures come in broken stretches. From day `since` on the first `planted` workflows,
    with `rate` runs a day, fail with `after` instead of `before`."""

    clustered: bool = False
    planted: int = 0
    rate: float = 4.0
    before: float = 0.05
    after: float = 0.22
    since: float = 60.0


@dataclass(frozen=True)
class DurationModel:
    """Spread of the logarithms: of runs `noise`, of days `day_noise`. `misses` of the runs take `miss_factor` as long.
    From day `since` on all take `factor` as long, or `drift` a day more. `rate` runs a day, mixed where null."""

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


def _times(dice: np.random.Generator, rates: Floats, days: int) -> tuple[Ints, Floats]:
    sizes = np.maximum(dice.poisson(rates * days), 1)
    created = [np.sort(np.floor(dice.uniform(0, days * DAY, size))) for size in sizes.tolist()]
    return np.concatenate(([0], np.cumsum(sizes))), np.concatenate(created)


def pool(
    rng: np.random.Generator, jobs_an_hour: float, days: int, *, cold: float = 0.04, short_from: float | None = None
) -> tuple[Floats, Floats]:
    """When jobs were queued, and how long they waited: seconds, but for cold starts of 5 to 15 minutes. From
    `short_from` on six of ten wait 7 to 30 minutes. Nights and weekends have a seventh of the jobs."""
    hours = np.arange(days * 24)
    busy = np.where((hours // 24 % 7 < 5) & (hours % 24 >= 7) & (hours % 24 < 19), 1.0, 0.15)
    of = np.repeat(hours, rng.poisson(jobs_an_hour * busy))
    queued = np.sort((of + rng.random(len(of))) * HOUR)
    waits = rng.exponential(20.0, len(queued))
    slow = rng.random(len(queued)) < cold
    waits[slow] = rng.uniform(300, 900, int(slow.sum()))
    if short_from is not None:
        scarce = (queued >= short_from) & (rng.random(len(queued)) < 0.6)
        waits[scarce] = rng.uniform(420, 1_800, int(scarce.sum()))
    return queued, waits
