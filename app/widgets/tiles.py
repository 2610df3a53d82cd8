"""Key figures with their trend and the change against the previous period.

A screen that nobody touches: what is broken in large letters, the figures, and a field for each workflow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app.data import Workflows
from app.status_style import standing_colour, standing_word, wide_bars, wide_line
from app.widgets.text import html
from core import formatting
from health.metrics.definitions.catalogue import FIGURES, Figure, display
from health.metrics.definitions.change import Change
from health.metrics.definitions.distribution import is_small_sample
from health.metrics.definitions.episodes import Standing
from health.metrics.definitions.formulas import SO_FAR, Metrics, is_provisional
from health.metrics.service import STANDARDISED, Comparison, Point, WorkflowHealth

# A figure, and how its trend is drawn.
Tile = tuple[str, Callable[[Sequence[float | None], str], str]]
HEALTH: tuple[Tile, ...] = (
    ("success_rate", wide_line),
    ("runs", wide_bars),
    ("failures", wide_bars),
    ("success_duration_p50", wide_line),
    ("queue_p95", wide_line),
)
SPENT: tuple[Tile, ...] = (("cost_usd", wide_bars), ("compute_seconds", wide_bars))
_REST = ("success_duration_p95", "failure_duration_p50", "queue_p50", "recovery_p50", "rerun_rate_without_approvals",
         "flaky_runs", "flaky_rate_per_rerun", "compute_seconds", "wasted_seconds", "cost_usd")  # fmt: skip
_TONES = {True: "good", False: "bad", None: "even"}


@dataclass(frozen=True)
class Card:
    """A tile without a change: its value and a note as they are written, and the trend."""

    name: str
    label: str
    written: str
    note: str
    meaning: str
    trend: Sequence[float | None]


def health(rate: str) -> tuple[Tile, ...]:
    """The tiles of health with that success rate: by run, by first attempt or by commit."""
    return ((rate, wide_line), *HEALTH[1:])


def tiles(
    comparison: Comparison, points: Sequence[Point], period: str, now: datetime, which: Sequence[Tile] = HEALTH,
    more: Sequence[Card] = (),
) -> None:  # fmt: skip
    """Drawn as one piece of HTML: five of Streamlit's own metrics would load a charting library for their lines.
    Buckets that the window cuts short are left out of the trends, or each would end in a drop."""
    shown = [point.metrics for point in points if not point.partial] or [point.metrics for point in points]
    cards = [_card(comparison, shown, period, now, FIGURES[name], draw) for name, draw in which]
    cards += [
        f'<div class="ph-tile" data-figure="{each.name}"><span class="ph-label" title="{html(each.meaning)}">'
        f'{html(each.label)}</span><b>{html(each.written)}</b><span class="ph-change">{html(each.note)}</span>'
        f'<img src="{wide_bars(each.trend, "even")}" alt="Trend of {html(each.label.lower())}"></div>'
        for each in more
    ]
    st.html(f'<div class="ph-tiles">{"".join(cards)}</div>')


def rest(comparison: Comparison, now: datetime) -> None:
    """What has no tile of its own, in one line."""
    figures, written = comparison.now, display(comparison.now)
    items = "".join(
        f'<span title="{html(FIGURES[name].meaning)}">{html(FIGURES[name].label)}<b>{html(written[name])}</b>'
        f"{_note(FIGURES[name], figures, comparison, now)}</span>"
        for name in _REST
    )
    st.html(f'<div class="ph-rest">{items}</div>')


def change_title(found: Change | None) -> str:
    """The samples and the interval of a change, for its hover."""
    if found is None:
        return ""
    samples = f"{formatting.count(found.n)} now, {formatting.count(found.n_before)} before"
    if found.interval is None:
        return samples
    unit = " percentage points" if found.text.endswith("pp") else " %"
    low, high = (f"{bound:+.1f}".replace("-", "−") for bound in found.interval)
    return f"{samples}; 95 % interval {low} to {high}{unit}"


def period_before(comparison: Comparison, period: str) -> str:
    """The previous period in words."""
    weeks = comparison.window.weeks_before
    return f"{period}, {weeks} {'week' if weeks == 1 else 'weeks'} earlier"


def _card(
    comparison: Comparison, shown: Sequence[Metrics], period: str, now: datetime, figure: Figure,
    draw: Callable[[Sequence[float | None], str], str],
) -> str:  # fmt: skip
    found = comparison.change(figure.name)
    tone = _TONES[found.good if found else None]
    weeks = comparison.window.weeks_before
    earlier = f"{weeks} {'week' if weeks == 1 else 'weeks'} earlier"
    against = f"vs {period_before(comparison, period)}" if comparison.comparable else f"no complete data {earlier}"
    if figure.name == STANDARDISED and found and found.enough:
        against += ", same workflows"
    return (
        f'<div class="ph-tile" data-figure="{figure.name}"><span class="ph-label" title="{html(figure.meaning)}">'
        f"{html(figure.label)}</span><b>{html(figure.write(figure.value(comparison.now)))}</b>"
        f"{_note(figure, comparison.now, comparison, now)}"
        f'<span class="ph-change"><span class="ph-chip ph-{tone}" title="{html(change_title(found))}">'
        f"{html(found.text if found else formatting.NO_DATA)}</span> {html(against)}</span>"
        f'<img src="{draw([figure.value(each) for each in shown], tone)}" '
        f'alt="Trend of {html(figure.label.lower())}"></div>'
    )


def _note(figure: Figure, figures: Metrics, comparison: Comparison, now: datetime) -> str:
    """Words for what is not final, or of few runs."""
    words = []
    if figure.spread and figure.value(figures) is not None and is_small_sample(figure.sample(figures)):
        n = figure.sample(figures)
        words.append(f"of {formatting.count(n)} {'run' if n == 1 else 'runs'}")
    if is_provisional(figure.name, comparison.window, now):
        words.append(SO_FAR)
    if figure.name == "cost_usd" and figures.cost_unknown_minutes:
        words.append(f"without {formatting.count(figures.cost_unknown_minutes)} min of unknown price")
    if figure.name == "runs" and figures.runs.in_progress:
        words.append(f"{formatting.count(figures.runs.in_progress)} still running")
    return f' <small class="ph-dim">{html(" · ".join(words))}</small>' if words else ""


_FIGURES = ("success_rate", "runs", "failures", "success_duration_p50", "queue_p95")
_FIELDS = 120


def wall_style() -> None:
    """Without sidebar, head and controls; the cursor hides."""
    st.html(
        "<style>section[data-testid=stSidebar], header[data-testid=stHeader], [data-testid=stExpandSidebarButton] "
        "{ display: none !important; } .stMainBlockContainer { max-width: none; padding: 1.2rem 1.6rem; } "
        ".stApp { cursor: none; }</style>"
    )


def figures(comparison: Comparison, period: str) -> None:
    written = display(comparison.now)
    cards = "".join(
        f"<div><small>{html(FIGURES[name].label)}</small><b>{html(written[name])}</b>{_change(comparison, name)}</div>"
        for name in _FIGURES
    )
    st.html(f'<div class="ph-wall-figures" aria-label="The last {html(period)}">{cards}</div>')


def fields(found: Workflows) -> None:
    """One for each workflow that can run, worst first; as many as a screen holds."""
    active = [each for each in found.listed if not found.standing(each.repo, each.workflow_id).standing.inactive]
    st.html(f'<div class="ph-wall-fields">{"".join(_field(each, found) for each in active[:_FIELDS])}</div>')
    if len(active) > _FIELDS:
        st.caption(f"{formatting.count(_FIELDS)} of {formatting.count(len(active))} workflows, worst first")


def _field(each: WorkflowHealth, found: Workflows) -> str:
    stands = found.standing(each.repo, each.workflow_id)
    sign, _, word = standing_word(stands.standing, stands.branch).partition(" ")
    told = "" if stands.standing in (Standing.PASSING, Standing.FAILING) else f" · {html(word)}"
    return (
        f'<div class="ph-field ph-{standing_colour(stands.standing)}" title="{html(word)}"><b>{sign} '
        f"{html(each.workflow)}</b><span>{html(each.repo)}{told}</span>"
        f"<em>{formatting.percent(each.metrics.success_rate)}</em></div>"
    )


def _change(comparison: Comparison, name: str) -> str:
    found = comparison.change(name)
    if found is None:
        return "<span></span>"
    tone = "ph-gray" if found.good is None else "ph-green" if found.good else "ph-red"
    return f'<span class="{tone}">{html(found.text)}</span>'
