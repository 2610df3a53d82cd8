"""Made-up histories of workflows and runner pools, with nothing or something planted. Times in seconds from 0."""

from dataclasses import dataclass

import numpy as np

from health.insights.statistics import DAY, Sequences
from health.metrics.definitions.distribution import Floats, Ints

HOUR = 3600.0
# A few runs a day, as most workflows have; few fail often.
_RATES, _SHARES = (1.0, 4.0, 15.0), (0.4, 0.4, 0.2)
_FAILURE_RATES = (0.01, 0.08)
# Failures in a broken stretch, on average.
_STRETCH = 2
_SECONDS = (200.0, 1_200.0)


@dataclass(frozen=True)
class Failures:
    """`clustered`: half of the failures come in broken stretches. From day `since` on the first `planted` workflows,
    with `rate` runs a day, fail with `after` instead of `before`."""

    clustered: bool = False
    planted: int = 0
    rate: float = 4.0
    before: float = 0.05
    after: float = 0.22
    since: float = 60.0


@dataclass(frozen=True)
class Durations:
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


def failures(dice: np.random.Generator, of: Failures, workflows: int, days: int) -> Sequences:
    rates, chances = dice.choice(_RATES, workflows, p=_SHARES), dice.uniform(*_FAILURE_RATES, workflows)
    rates[: of.planted] = of.rate
    chances[: of.planted] = of.before
    starts, created = _times(dice, rates, days)
    group = np.repeat(np.arange(workflows), np.diff(starts))
    chance = chances[group]
    chance[(group < of.planted) & (created >= of.since * DAY)] = of.after
    failed = dice.random(len(created)) < (chance / 2 if of.clustered else chance)
    if of.clustered:
        begin = np.nonzero(dice.random(len(created)) < chance / 2 / _STRETCH)[0]
        for first, length in zip(begin.tolist(), dice.geometric(1 / _STRETCH, len(begin)).tolist(), strict=True):
            failed[first : min(first + length, int(starts[group[first] + 1]))] = True
    return Sequences(starts, created, failed, np.full(len(created), np.nan))


def durations(dice: np.random.Generator, of: Durations, workflows: int, days: int) -> Sequences:
    rates = dice.choice(_RATES, workflows, p=_SHARES) if of.rate is None else np.full(workflows, of.rate)
    starts, created = _times(dice, rates, days)
    group = np.repeat(np.arange(workflows), np.diff(starts))
    logs = np.log(dice.uniform(*_SECONDS, workflows))[group] + of.noise * dice.standard_normal(len(created))
    logs += of.day_noise * dice.standard_normal((workflows, days))[group, (created // DAY).astype(np.int64)]
    logs += np.log(of.miss_factor) * (dice.random(len(created)) < of.misses)
    logs += np.log(of.factor) * (created >= of.since * DAY) + of.drift * np.maximum(created / DAY - of.since, 0.0)
    return Sequences(starts, created, np.zeros(len(created), dtype=np.bool_), np.exp(logs))


def _times(dice: np.random.Generator, rates: Floats, days: int) -> tuple[Ints, Floats]:
    sizes = np.maximum(dice.poisson(rates * days), 1)
    created = [np.sort(np.floor(dice.uniform(0, days * DAY, size))) for size in sizes.tolist()]
    return np.concatenate(([0], np.cumsum(sizes))), np.concatenate(created)


def pool(
    dice: np.random.Generator, jobs_an_hour: float, days: int, *, cold: float = 0.04, short_from: float | None = None
) -> tuple[Floats, Floats]:
    """When jobs were queued, and how long they waited: seconds, but for cold starts of 5 to 15 minutes. From
    `short_from` on six of ten wait 7 to 30 minutes. Nights and weekends have a seventh of the jobs."""
    hours = np.arange(days * 24)
    busy = np.where((hours // 24 % 7 < 5) & (hours % 24 >= 7) & (hours % 24 < 19), 1.0, 0.15)
    of = np.repeat(hours, dice.poisson(jobs_an_hour * busy))
    queued = np.sort((of + dice.random(len(of))) * HOUR)
    waits = dice.exponential(20.0, len(queued))
    slow = dice.random(len(queued)) < cold
    waits[slow] = dice.uniform(300, 900, int(slow.sum()))
    if short_from is not None:
        scarce = (queued >= short_from) & (dice.random(len(queued)) < 0.6)
        waits[scarce] = dice.uniform(420, 1_800, int(scarce.sum()))
    return queued, waits
