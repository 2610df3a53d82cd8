"""Cards of key figures with their trend and the change from the previous period."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import streamlit as st

from app.widgets.sparklines import wide_bar_sparkline, wide_line_sparkline
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.metrics.definitions.catalogue import FIGURES, Figure, display
from health.metrics.definitions.change import Change
from health.metrics.definitions.formulas import PROVISIONAL_LABEL, Metrics, is_provisional
from health.metrics.definitions.percentiles import is_small_sample
from health.metrics.service import STANDARDIZED_FIGURE, Comparison, Point

# The name of a figure, and the function that draws its trend.
CardSpec = tuple[str, Callable[[Sequence[float | None], str], str]]
HEALTH_CARDS: tuple[CardSpec, ...] = (
    ("success_rate", wide_line_sparkline),
    ("runs", wide_bar_sparkline),
    ("failures", wide_bar_sparkline),
    ("success_duration_p50", wide_line_sparkline),
    ("queue_p95", wide_line_sparkline),
)
COST_CARDS: tuple[CardSpec, ...] = (("cost_usd", wide_bar_sparkline), ("compute_seconds", wide_bar_sparkline))
_SECONDARY_METRICS = (
    "success_duration_p95",
    "failure_duration_p50",
    "queue_p50",
    "recovery_p50",
    "rerun_rate_without_approvals",
    "flaky_runs",
    "flaky_rate_per_rerun",
    "compute_seconds",
    "wasted_seconds",
    "cost_usd",
)
_TONES = {True: "good", False: "bad", None: "even"}


@dataclass(frozen=True)
class MetricCard:
    """A card without a change: value and note as text, a tooltip, the trend, and the address to which the value
    leads."""

    name: str
    label: str
    value_text: str
    note: str
    meaning: str
    trend: Sequence[float | None]
    link: str = ""


def health_cards(rate: str) -> tuple[CardSpec, ...]:
    """The cards of the Overview. `rate`: the success rate by run, by first attempt or by commit."""
    return ((rate, wide_line_sparkline), *HEALTH_CARDS[1:])


def metric_cards(
    comparison: Comparison,
    points: Sequence[Point],
    period: str,
    now: datetime,
    selection: Sequence[CardSpec] = HEALTH_CARDS,
    extra_cards: Sequence[MetricCard] = (),
    links: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Cards as one piece of HTML: Streamlit's metrics would load a charting library for their trends. Trends omit
    partial time buckets, or each would end in a drop. `links`: the addresses to which the values of figures lead."""
    shown = [point.metrics for point in points if not point.partial] or [point.metrics for point in points]
    # Beside a success rate: other pages have a card of infrastructure failures.
    has_rate = any(name.startswith("success_rate") for name, _ in selection)
    notes = {"failures": _failure_note(comparison.current)} if has_rate else {}
    cards = [
        _card(comparison, shown, period, now, FIGURES[name], draw, links.get(name), notes.get(name, ""))
        for name, draw in selection
    ]
    cards += [_plain_card(card) for card in extra_cards]
    st.html(f'<div class="ph-tiles">{"".join(cards)}</div>')


def summary_cards(*cards: MetricCard) -> None:
    """A row of cards without a comparison."""
    st.html(f'<div class="ph-tiles">{"".join(_plain_card(card) for card in cards)}</div>')


def _plain_card(card: MetricCard) -> str:
    """A card without values of a trend has no picture."""
    trend = (
        f'<img src="{wide_bar_sparkline(card.trend, "even")}" alt="Trend of {html(card.label.lower())}">'
        if card.trend
        else ""
    )
    value = html(card.value_text)
    if card.link:
        value = f'<a href="{html(card.link)}" target="_self">{value}</a>'
    return (
        f'<div class="ph-tile" data-figure="{card.name}"><span class="ph-label" title="{html(card.meaning)}">'
        f'{html(card.label)}</span><b>{value}</b><span class="ph-change">{html(card.note)}</span>'
        f"{trend}</div>"
    )


def secondary_metrics(comparison: Comparison, now: datetime) -> None:
    """The figures without a card, in one line."""
    figures, written = comparison.current, display(comparison.current)
    items = "".join(
        f'<span title="{html(FIGURES[name].description)}">{html(FIGURES[name].label)}<b>{html(written[name])}</b>'
        f"{_note(FIGURES[name], figures, comparison, now)}</span>"
        for name in _SECONDARY_METRICS
    )
    st.html(f'<div class="ph-rest">{items}</div>')


def change_title(delta: Change | None) -> str:
    """The sample sizes and the confidence interval of a change, for its tooltip."""
    if delta is None:
        return ""
    samples = f"{formatting.count(delta.n)} now, {formatting.count(delta.n_before)} before"
    if delta.interval is None:
        return samples
    unit = " percentage points" if delta.text.endswith("pp") else " %"
    low, high = (f"{bound:+.1f}".replace("-", "−") for bound in delta.interval)
    return f"{samples}; 95% confidence interval {low} to {high}{unit}"


def _previous_period(comparison: Comparison, period: str) -> str:
    """The previous period in words, such as `30d, 5 weeks earlier`."""
    weeks = comparison.window.weeks_before
    return f"{period}, {weeks} {'week' if weeks == 1 else 'weeks'} earlier"


def _card(
    comparison: Comparison,
    metrics: Sequence[Metrics],
    period: str,
    now: datetime,
    figure: Figure,
    draw: Callable[[Sequence[float | None], str], str],
    link: str | None,
    note: str = "",
) -> str:
    change = comparison.change(figure.name)
    tone = _TONES[change.is_improvement if change else None]
    weeks = comparison.window.weeks_before
    earlier = f"{weeks} {'week' if weeks == 1 else 'weeks'} earlier"
    against = f"vs {_previous_period(comparison, period)}" if comparison.comparable else f"no complete data {earlier}"
    if figure.name == STANDARDIZED_FIGURE and change and change.has_enough_runs:
        against += ", same workflows"
    value = html(figure.format(figure.value(comparison.current)))
    if link:
        value = f'<a href="{html(link)}" target="_self">{value}</a>'
    return (
        f'<div class="ph-tile" data-figure="{figure.name}"><span class="ph-label" title="{html(figure.description)}">'
        f"{html(figure.label)}</span><b>{value}</b>"
        f"{_note(figure, comparison.current, comparison, now, note)}"
        f"{_remaining_rate(figure, comparison)}"
        f'<span class="ph-change"><span class="ph-chip ph-{tone}" title="{html(change_title(change))}">'
        f"{html(change.text if change else formatting.NO_DATA)}</span> {html(against)}</span>"
        f'<img src="{draw([figure.value(point) for point in metrics], tone)}" '
        f'alt="Trend of {html(figure.label.lower())}"></div>'
    )


def _remaining_rate(all_runs: Figure, comparison: Comparison) -> str:
    """The rate without infrastructure failures; empty if there are none, and for other figures."""
    figures, figure = comparison.current, FIGURES.get(f"{all_runs.name}_without_infrastructure")
    if figure is None or not figures.infrastructure_failures:
        return ""
    change = comparison.change(figure.name)
    title = f"{figure.description} {_infrastructure_text(figures)}."
    if change is not None:
        title += f" Change: {change.text} ({change_title(change)})."
    value = figure.format(figure.value(figures))
    return (
        f'<span class="ph-remaining" title="{html(title)}"><strong>{html(value)}</strong> without infrastructure '
        "failures</span>"
    )


def _infrastructure_text(figures: Metrics) -> str:
    """How many of the failed runs are infrastructure failures, and how many have no cause."""
    failed = pluralize(figures.runs.failure, "failed run")
    text = f"Of {failed}, {formatting.count(figures.infrastructure_failures or 0)} failed by infrastructure"
    unknown = figures.failures_without_cause
    return text if unknown is None else f"{text} and {formatting.count(unknown)} have no cause"


def _failure_note(figures: Metrics) -> str:
    """How many failures are excluded from the rate without infrastructure failures, and how many may be; empty without
    infrastructure failures."""
    if not figures.infrastructure_failures:
        return ""
    note, unknown = (
        f"{formatting.count(figures.infrastructure_failures)} infrastructure",
        figures.failures_without_cause,
    )
    return f"{note} · {formatting.count(unknown)} without a cause" if unknown else note


def _note(figure: Figure, figures: Metrics, comparison: Comparison, now: datetime, note: str = "") -> str:
    """Notes on figures that are provisional, incomplete or from few runs; `note` comes first."""
    words = [note] if note else []
    if figure.distribution and figure.value(figures) is not None and is_small_sample(figure.sample(figures)):
        n = figure.sample(figures)
        words.append(f"of {formatting.count(n)} {'run' if n == 1 else 'runs'}")
    if is_provisional(figure.name, comparison.window, now):
        words.append(PROVISIONAL_LABEL)
    if figure.name == "cost_usd" and figures.cost_unknown_minutes:
        words.append(f"excludes {formatting.count(figures.cost_unknown_minutes)} min without a known price")
    if figure.name == "runs" and figures.runs.in_progress:
        words.append(f"{formatting.count(figures.runs.in_progress)} still running")
    return f' <small class="ph-dim">{html(" · ".join(words))}</small>' if words else ""
