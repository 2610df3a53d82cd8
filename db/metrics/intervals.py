"""Confidence intervals (95 %) of shares, of medians and of their changes. Pure.

All of them take runs as independent of each other. Failures that come in streaks vary more than that: an interval that
excludes "no change" is a condition for calling something a change, not a proof of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, log, sqrt

from db.metrics.distribution import Z95, Bounds, Distribution


def wilson(part: int, whole: int) -> Bounds:
    """Of a share; (0, 1) of nothing (E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", Journal of the American Statistical Association 22, 1927)."""
    if not whole:
        return 0.0, 1.0
    share, square = part / whole, Z95 * Z95
    centre = share + square / (2 * whole)
    spread = Z95 * sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    width = 1 + square / whole
    return max((centre - spread) / width, 0.0), min((centre + spread) / width, 1.0)


def difference_of_shares(now: tuple[int, int], before: tuple[int, int]) -> Bounds:
    """Of `now` less `before`, each a part and a whole above 0 (R. G. Newcombe, "Interval Estimation for the Difference
    Between Independent Proportions: Comparison of Eleven Methods", Statistics in Medicine 17, 1998, method 10)."""
    return _recovered(
        (now[0] / now[1], *wilson(*now)),
        (before[0] / before[1], *wilson(*before)),
    )


def ratio_of_percentiles(now: tuple[float, Bounds], before: tuple[float, Bounds]) -> Bounds | None:
    """Of `now` divided by `before`, each a percentile and its interval; null where one of them is not above 0. As the
    difference of their logarithms, recovered from their intervals (G. Y. Zou, A. Donner, "Construction of confidence
    limits about effect measures: A general approach", Statistics in Medicine 27, 2008)."""
    if min(now[0], now[1][0], before[0], before[1][0]) <= 0:
        return None
    logs = [(log(value), log(low), log(high)) for value, (low, high) in (now, before)]
    low, high = _recovered(*logs)
    return exp(low), exp(high)


@dataclass(frozen=True)
class Pair:
    """Durations of the same workflow in two windows. `weight`: its runs in the later one."""

    weight: int
    now: Distribution
    before: Distribution


@dataclass(frozen=True)
class DurationChange:
    """How much longer the same workflows take: `ratio` is the weighted geometric mean of the ratios of their medians,
    1.1 for a tenth longer; `share` of the runs are of the `workflows` that it is made of."""

    ratio: float
    interval: Bounds
    workflows: int
    share: float


# Successes of a workflow on each side, without which its median says nothing.
MIN_SAMPLES = 5


def duration_change(pairs: Sequence[Pair]) -> DurationChange | None:
    """Direct standardisation: a window with other workflows in it (a Sunday) is no change. The interval adds up the
    variances of the medians' logarithms, taken from their intervals. Null where no workflow has enough successes."""
    usable = [pair for pair in pairs if _known(pair.now) and _known(pair.before) and pair.weight > 0]
    weight = sum(pair.weight for pair in usable)
    if not weight:
        return None
    middle = variance = 0.0
    for pair in usable:
        share = pair.weight / weight
        middle += share * (log(pair.now.p50 or 1.0) - log(pair.before.p50 or 1.0))
        variance += share**2 * (_variance(pair.now) + _variance(pair.before))
    spread = Z95 * sqrt(variance)
    interval = exp(middle - spread), exp(middle + spread)
    return DurationChange(exp(middle), interval, len(usable), weight / sum(pair.weight for pair in pairs))


def _known(found: Distribution) -> bool:
    enough = (found.n or 0) >= MIN_SAMPLES and found.p50 is not None and found.p50_interval is not None
    return enough and min(found.p50 or 0.0, (found.p50_interval or (0.0, 0.0))[0]) > 0


def _variance(found: Distribution) -> float:
    low, high = found.p50_interval or (1.0, 1.0)
    return float(((log(high) - log(low)) / (2 * Z95)) ** 2)


def _recovered(now: tuple[float, float, float], before: tuple[float, float, float]) -> Bounds:
    """The interval of the difference of two estimates, each with its bounds: the method of variance estimates
    recovery, which Newcombe's method 10 is for shares."""
    (new, new_low, new_high), (old, old_low, old_high) = now, before
    difference = new - old
    return difference - hypot(new - new_low, old_high - old), difference + hypot(new_high - new, old - old_low)
