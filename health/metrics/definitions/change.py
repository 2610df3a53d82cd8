"""Change of a figure against the previous period, with 95 % confidence intervals. Pure.

All intervals assume that runs are independent of each other. Failures in streaks vary more than that: an interval that
excludes "no change" is a condition for a change, not a proof of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, log, sqrt

from health.metrics.definitions.catalogue import Figure
from health.metrics.definitions.formulas import Metrics
from health.metrics.definitions.percentiles import SMALL_SAMPLE, Z95, Bounds, Distribution


def wilson(part: int, total: int) -> Bounds:
    """Returns the interval of a proportion; (0, 1) without samples (E. B. Wilson, "Probable Inference, the Law of
    Succession, and Statistical Inference", Journal of the American Statistical Association 22, 1927)."""
    if not total:
        return 0.0, 1.0
    share, square = part / total, Z95 * Z95
    centre = share + square / (2 * total)
    spread = Z95 * sqrt(share * (1 - share) / total + square / (4 * total * total))
    width = 1 + square / total
    return max((centre - spread) / width, 0.0), min((centre + spread) / width, 1.0)


def difference_of_proportions(now: tuple[int, int], before: tuple[int, int]) -> Bounds:
    """Returns the interval of `now` minus `before`, each a part and a total above 0 (R. G. Newcombe, "Interval
    Estimation for the Difference Between Independent Proportions: Comparison of Eleven Methods", Statistics in Medicine
    17, 1998, method 10)."""
    return _mover_interval(
        (now[0] / now[1], *wilson(*now)),
        (before[0] / before[1], *wilson(*before)),
    )


def ratio_of_percentiles(now: tuple[float, Bounds], before: tuple[float, Bounds]) -> Bounds | None:
    """Returns the interval of `now` divided by `before`, each a percentile and its interval; null where one of them is
    not above 0. Computed from the difference of their logarithms (G. Y. Zou, A. Donner, "Construction of confidence
    limits about effect measures: A general approach", Statistics in Medicine 27, 2008)."""
    if min(now[0], now[1][0], before[0], before[1][0]) <= 0:
        return None
    logs = [(log(value), log(low), log(high)) for value, (low, high) in (now, before)]
    low, high = _mover_interval(*logs)
    return exp(low), exp(high)


@dataclass(frozen=True)
class DurationPair:
    """Durations of a workflow in two periods. `weight` is the number of its runs in the current one."""

    weight: int
    current: Distribution
    previous: Distribution


@dataclass(frozen=True)
class DurationChange:
    """Change of the median durations of the same workflows. `ratio` is the weighted geometric mean of the ratios of
    their medians, 1.1 for a tenth longer. `workflows` have enough runs in both periods; they have `share` of all
    runs."""

    ratio: float
    interval: Bounds
    workflows: int
    share: float


# Successes of a workflow in each period that its median needs.
MIN_SAMPLES = 5


def duration_change(pairs: Sequence[DurationPair]) -> DurationChange | None:
    """Returns the change by direct standardisation: other workflows in a window, as on a Sunday, are not a change. The
    variance is the sum of the variances of the logarithms of the medians, taken from their intervals. Null where no
    workflow has enough successes."""
    usable = [pair for pair in pairs if _is_known(pair.current) and _is_known(pair.previous) and pair.weight > 0]
    weight = sum(pair.weight for pair in usable)
    if not weight:
        return None
    log_ratio = variance = 0.0
    for pair in usable:
        share = pair.weight / weight
        log_ratio += share * (log(pair.current.p50 or 1.0) - log(pair.previous.p50 or 1.0))
        variance += share**2 * (_variance(pair.current) + _variance(pair.previous))
    spread = Z95 * sqrt(variance)
    interval = exp(log_ratio - spread), exp(log_ratio + spread)
    return DurationChange(exp(log_ratio), interval, len(usable), weight / sum(pair.weight for pair in pairs))


def _is_known(values: Distribution) -> bool:
    enough = (values.n or 0) >= MIN_SAMPLES and values.p50 is not None and values.p50_interval is not None
    return enough and min(values.p50 or 0.0, (values.p50_interval or (0.0, 0.0))[0]) > 0


def _variance(values: Distribution) -> float:
    low, high = values.p50_interval or (1.0, 1.0)
    return float(((log(high) - log(low)) / (2 * Z95)) ** 2)


def _mover_interval(now: tuple[float, float, float], before: tuple[float, float, float]) -> Bounds:
    """Returns the interval of the difference of two estimates, each with its bounds, by the method of variance
    estimates recovery (MOVER); for proportions that is Newcombe's method 10."""
    (new, new_low, new_high), (old, old_low, old_high) = now, before
    difference = new - old
    return difference - hypot(new - new_low, old_high - old), difference + hypot(new_high - new, old - old_low)


# Runs in each period that a change needs; a p95 needs SMALL_SAMPLE.
MIN_SAMPLE = 10
NOT_ENOUGH_RUNS = "not enough runs"
# Larger changes are written as a factor: ×12 instead of +1,100 %.
_FACTOR_THRESHOLD = 10.0


@dataclass(frozen=True)
class Change:
    """`difference` is in percentage points for rates, else in percent; null where a period has too few runs. `n` and
    `n_before` are the numbers of runs behind the figure; `interval` is the 95 % confidence interval of the difference,
    null where there is none. `is_improvement` is null unless the interval excludes zero and one direction is better."""

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
    """Returns null where a period has no value, or the previous value is 0 and the figure is not a rate. Amounts (runs,
    failures, minutes, money) depend on the number of runs: they have no interval."""
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
    """Returns the change of the durations of the same workflows; `n` and `n_before` are the successes in the current
    and the previous period."""
    if duration_change is None:
        return None
    if min(n, n_before) < MIN_SAMPLE:
        return Change(NOT_ENOUGH_RUNS, None, 0, None, n, n_before, None)
    difference, interval = (
        (duration_change.ratio - 1) * 100,
        ((duration_change.interval[0] - 1) * 100, (duration_change.interval[1] - 1) * 100),
    )
    direction = 0 if round(difference, 1) == 0 else 1 if difference > 0 else -1
    is_improvement = _is_improvement(figure, difference, interval)
    return Change(percent_change(duration_change.ratio), difference, direction, is_improvement, n, n_before, interval)


def percent_change(ratio: float) -> str:
    """Formats a ratio: 1.25 → +25.0%, 0.5 → −50.0%, 12 → ×12."""
    if ratio >= _FACTOR_THRESHOLD:
        return f"×{ratio:,.0f}"
    return f"{_format_signed((ratio - 1) * 100)}%"


def _format_points(difference: float) -> str:
    return f"{_format_signed(difference)} pp"


def _format_signed(number: float) -> str:
    """Formats with one decimal and a sign, the typographic minus; zero has no sign."""
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
        ratio = _percentile_interval(figure, now, before)
        return ((ratio[0] - 1) * 100, (ratio[1] - 1) * 100) if ratio else None
    return None


def _percentile_interval(figure: Figure, now: Metrics, before: Metrics) -> Bounds | None:
    periods = []
    for metrics in (now, before):
        value, interval = figure.percentile(metrics)
        if value is None or interval is None:
            return None
        periods.append((value, interval))
    return ratio_of_percentiles(*periods)


def _is_improvement(figure: Figure, difference: float, interval: Bounds | None) -> bool | None:
    if figure.preferred_direction == "neither" or interval is None or interval[0] <= 0 <= interval[1]:
        return None
    return (difference > 0) == (figure.preferred_direction == "higher")
