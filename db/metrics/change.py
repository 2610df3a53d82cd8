"""A figure against the same figure of the previous period. Pure."""

from dataclasses import dataclass

from db.metrics.catalogue import Figure
from db.metrics.distribution import SMALL_SAMPLE, Bounds
from db.metrics.formulas import Metrics
from db.metrics.intervals import DurationChange, difference_of_shares, ratio_of_percentiles

# Runs on each side, without which a change is not shown; a p95 needs as many as a percentile that is not marked.
ENOUGH = 10
NOT_ENOUGH = "not enough runs"
# From here on a change is written as a factor: ×12 instead of +1,100 %.
_FACTOR = 10.0


@dataclass(frozen=True)
class Change:
    """`difference`: of rates in percentage points, else in percent; null where a side has too few runs. `n` and
    `n_before` are the runs behind the figure, `interval` a 95 % confidence interval of the difference in its unit; null
    where there is none. `good` is null unless the interval excludes zero and one way is better."""

    text: str
    difference: float | None
    direction: int
    good: bool | None
    n: int
    n_before: int
    interval: Bounds | None

    @property
    def enough(self) -> bool:
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
    if min(n, n_before) < (SMALL_SAMPLE if figure.spread and figure.spread[1] == "p95" else ENOUGH):
        return Change(NOT_ENOUGH, None, 0, None, n, n_before, None)
    difference = (new - old) * 100 if figure.is_rate else (new / old - 1) * 100
    interval = _interval(figure, now, before)
    direction = 0 if round(difference, 1) == 0 else 1 if difference > 0 else -1
    text = _points(difference) if figure.is_rate else percent_change(new / old)
    return Change(text, difference, direction, _good(figure, difference, interval), n, n_before, interval)


def standardised(figure: Figure, found: DurationChange | None, n: int, n_before: int) -> Change | None:
    """The change of durations of the same workflows; `n` and `n_before` are the successes on both sides."""
    if found is None:
        return None
    if min(n, n_before) < ENOUGH:
        return Change(NOT_ENOUGH, None, 0, None, n, n_before, None)
    difference, interval = (found.ratio - 1) * 100, ((found.interval[0] - 1) * 100, (found.interval[1] - 1) * 100)
    direction = 0 if round(difference, 1) == 0 else 1 if difference > 0 else -1
    good = _good(figure, difference, interval)
    return Change(percent_change(found.ratio), difference, direction, good, n, n_before, interval)


def percent_change(ratio: float) -> str:
    """1.25 → +25.0%, 0.5 → −50.0%, 12 → ×12."""
    if ratio >= _FACTOR:
        return f"×{ratio:,.0f}"
    return f"{_signed((ratio - 1) * 100)}%"


def _points(difference: float) -> str:
    return f"{_signed(difference)} pp"


def _signed(number: float) -> str:
    """One sign, the typographic minus; none before zero."""
    rounded = round(number, 1)
    return "0.0" if rounded == 0 else f"{rounded:+,.1f}".replace("-", "−")


def _interval(figure: Figure, now: Metrics, before: Metrics) -> Bounds | None:
    if figure.share:
        new, old = figure.share(now), figure.share(before)
        if new is None or old is None or not new[1] or not old[1]:
            return None
        low, high = difference_of_shares(new, old)
        return low * 100, high * 100
    if figure.spread:
        found = _of_percentiles(figure, now, before)
        return ((found[0] - 1) * 100, (found[1] - 1) * 100) if found else None
    return None


def _of_percentiles(figure: Figure, now: Metrics, before: Metrics) -> Bounds | None:
    sides = []
    for metrics in (now, before):
        value, interval = figure.percentile(metrics)
        if value is None or interval is None:
            return None
        sides.append((value, interval))
    return ratio_of_percentiles(*sides)


def _good(figure: Figure, difference: float, interval: Bounds | None) -> bool | None:
    if figure.better == "neither" or interval is None or interval[0] <= 0 <= interval[1]:
        return None
    return (difference > 0) == (figure.better == "higher")
