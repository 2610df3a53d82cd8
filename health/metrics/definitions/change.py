"""Confidence intervals (95 %) of shares, of medians and of their changes. Pure.

All of them take runs as independent of each other. Failures that come in streaks vary more than that: an interval that
excludes "no change" is a condition for calling something a change, not a proof of one.

A figure against the same figure of the previous period. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, log, sqrt

from health.metrics.definitions.catalogue import Figure
from health.metrics.definitions.distribution import SMALL_SAMPLE, Z95, Bounds, Distribution
from health.metrics.definitions.formulas import Metrics


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


def difference_of_proportions(now: tuple[int, int], before: tuple[int, int]) -> Bounds:
    """Of `now` less `before`, each a part and a whole above 0 (R. G. Newcombe, "Interval Estimation for the Difference
    Between Independent Proportions: Comparison of Eleven Methods", Statistics in Medicine 17, 1998, method 10)."""
    return _mover_interval(
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
    low, high = _mover_interval(*logs)
    return exp(low), exp(high)


@dataclass(frozen=True)
class DurationPair:
    """Durations of the same workflow in two windows. `weight`: its runs in the later one."""

    weight: int
    current: Distribution
    previous: Distribution


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


def duration_change(pairs: Sequence[DurationPair]) -> DurationChange | None:
    """Direct standardisation: a window with other workflows in it (a Sunday) is no change. The interval adds up the
    variances of the medians' logarithms, taken from their intervals. Null where no workflow has enough successes."""
    usable = [pair for pair in pairs if _is_known(pair.current) and _is_known(pair.previous) and pair.weight > 0]
    weight = sum(pair.weight for pair in usable)
    if not weight:
        return None
    middle = variance = 0.0
    for pair in usable:
        share = pair.weight / weight
        middle += share * (log(pair.current.p50 or 1.0) - log(pair.previous.p50 or 1.0))
        variance += share**2 * (_variance(pair.current) + _variance(pair.previous))
    spread = Z95 * sqrt(variance)
    interval = exp(middle - spread), exp(middle + spread)
    return DurationChange(exp(middle), interval, len(usable), weight / sum(pair.weight for pair in pairs))


def _is_known(found: Distribution) -> bool:
    enough = (found.n or 0) >= MIN_SAMPLES and found.p50 is not None and found.p50_interval is not None
    return enough and min(found.p50 or 0.0, (found.p50_interval or (0.0, 0.0))[0]) > 0


def _variance(found: Distribution) -> float:
    low, high = found.p50_interval or (1.0, 1.0)
    return float(((log(high) - log(low)) / (2 * Z95)) ** 2)


def _mover_interval(now: tuple[float, float, float], before: tuple[float, float, float]) -> Bounds:
    """The interval of the difference of two estimates, each with its bounds: the method of variance estimates
    recovery, which Newcombe's method 10 is for shares."""
    (new, new_low, new_high), (old, old_low, old_high) = now, before
    difference = new - old
    return difference - hypot(new - new_low, old_high - old), difference + hypot(new_high - new, old - old_low)


# Runs on each side, without which a change is not shown; a p95 needs as many as a percentile that is not marked.
MIN_SAMPLE = 10
NOT_ENOUGH_RUNS = "not enough runs"
# From here on a change is written as a factor: ×12 instead of +1,100 %.
_FACTOR_THRESHOLD = 10.0


@dataclass(frozen=True)
class Change:
    """`difference`: of rates in percentage points, else in percent; null where a side has too few runs. `n` and
    `n_before` are the runs behind the figure, `interval` a 95 % confidence interval of the difference in its unit; null
    where there is none. `good` is null unless the interval excludes zero and one way is better."""

    text: str
    difference: float | None
    direction: int
    is_improvement: bool | None
    n: int
    n_before: int
    interval: Bounds | None

    @property
    def has_enough_runs(self) -> bool:
        return self.difference is not None


def change(figure: Figure, now: Metrics, before: Metrics) -> Change | None:
    """Null where one side has no value, or the earlier one is 0 and no rate.

    Amounts (runs, failures, minutes, money) follow the number of runs: they have no interval, and no side is better."""
    new, old = figure.value(now), figure.value(before)
    if new is None or old is None:
        return None
    if not figure.is_rate and not old:
        return None
    n, n_before = figure.sample(now), figure.sample(before)
    if min(n, n_before) < (SMALL_SAMPLE if figure.distribution and figure.distribution[1] == "p95" else MIN_SAMPLE):
        return Change(NOT_ENOUGH_RUNS, None, 0, None, n, n_before, None)
    difference = (new - old) * 100 if figure.is_rate else (new / old - 1) * 100
    interval = _interval(figure, now, before)
    direction = 0 if round(difference, 1) == 0 else 1 if difference > 0 else -1
    text = _format_points(difference) if figure.is_rate else percent_change(new / old)
    return Change(text, difference, direction, _is_improvement(figure, difference, interval), n, n_before, interval)


def standardized_change(figure: Figure, duration_change: DurationChange | None, n: int, n_before: int) -> Change | None:
    """The change of durations of the same workflows; `n` and `n_before` are the successes on both sides."""
    if duration_change is None:
        return None
    if min(n, n_before) < MIN_SAMPLE:
        return Change(NOT_ENOUGH_RUNS, None, 0, None, n, n_before, None)
    difference, interval = (
        (duration_change.ratio - 1) * 100,
        ((duration_change.interval[0] - 1) * 100, (duration_change.interval[1] - 1) * 100),
    )
    direction = 0 if round(difference, 1) == 0 else 1 if difference > 0 else -1
    good = _is_improvement(figure, difference, interval)
    return Change(percent_change(duration_change.ratio), difference, direction, good, n, n_before, interval)


def percent_change(ratio: float) -> str:
    """1.25 → +25.0%, 0.5 → −50.0%, 12 → ×12."""
    if ratio >= _FACTOR_THRESHOLD:
        return f"×{ratio:,.0f}"
    return f"{_format_signed((ratio - 1) * 100)}%"


def _format_points(difference: float) -> str:
    return f"{_format_signed(difference)} pp"


def _format_signed(number: float) -> str:
    """One sign, the typographic minus; none before zero."""
    rounded = round(number, 1)
    return "0.0" if rounded == 0 else f"{rounded:+,.1f}".replace("-", "−")


def _interval(figure: Figure, now: Metrics, before: Metrics) -> Bounds | None:
    if figure.proportion:
        new, old = figure.proportion(now), figure.proportion(before)
        if new is None or old is None or not new[1] or not old[1]:
            return None
        low, high = difference_of_proportions(new, old)
        return low * 100, high * 100
    if figure.distribution:
        found = _percentile_interval(figure, now, before)
        return ((found[0] - 1) * 100, (found[1] - 1) * 100) if found else None
    return None


def _percentile_interval(figure: Figure, now: Metrics, before: Metrics) -> Bounds | None:
    sides = []
    for metrics in (now, before):
        value, interval = figure.percentile(metrics)
        if value is None or interval is None:
            return None
        sides.append((value, interval))
    return ratio_of_percentiles(*sides)


def _is_improvement(figure: Figure, difference: float, interval: Bounds | None) -> bool | None:
    if figure.preferred_direction == "neither" or interval is None or interval[0] <= 0 <= interval[1]:
        return None
    return (difference > 0) == (figure.preferred_direction == "higher")
