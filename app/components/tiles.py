"""Key figures with their trend and the change against the period before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app.components.text import html
from app.marks import wide_bars, wide_line
from db.analytics import Comparison
from db.metrics.catalogue import FIGURES, Change, change, display
from db.metrics.formulas import Metrics
from db.metrics.units import NO_DATA

# A figure, the column of its trend, and how that is drawn.
Tile = tuple[str, str, Callable[[Sequence[float | None], str], str]]
HEALTH: tuple[Tile, ...] = (
    ("success_rate", "success_rate", wide_line),
    ("runs", "runs", wide_bars),
    ("failures", "failure", wide_bars),
    ("duration_p50", "p50", wide_line),
    ("queue_p95", "queue_p95", wide_line),
)
SPENT: tuple[Tile, ...] = (("cost_usd", "cost", wide_bars), ("compute_seconds", "compute", wide_bars))
_REST = ("duration_p95", "queue_p50", "recovery_p50", "rerun_rate", "flaky_runs", "compute_seconds", "wasted_seconds",
         "cost_usd")  # fmt: skip
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


def tiles(
    comparison: Comparison, frame: pd.DataFrame, period: str, which: Sequence[Tile] = HEALTH, more: Sequence[Card] = ()
) -> None:
    """Drawn as one piece of HTML: five of Streamlit's own metrics would load a charting library for their lines."""
    written = display(comparison.now)
    cards = []
    for name, column, draw in which:
        found = change(FIGURES[name], comparison.now, comparison.before) if comparison.comparable else None
        values = [None if pd.isna(value) else float(value) for value in frame[column].tolist()] if len(frame) else []
        told = f"vs {period} before" if comparison.comparable else f"{period} before not collected"
        tone = _TONES[found.good if found else None]
        cards.append(
            f'<div class="ph-tile" data-figure="{name}"><span class="ph-label" title="{html(FIGURES[name].meaning)}">'
            f"{html(FIGURES[name].label)}</span><b>{html(written[name])}</b>"
            f'<span class="ph-change"><span class="ph-chip ph-{tone}">{_chip(found)}</span> {html(told)}</span>'
            f'<img src="{draw(values, tone)}" alt="Trend of {html(FIGURES[name].label.lower())}"></div>'
        )
    cards += [
        f'<div class="ph-tile" data-figure="{each.name}"><span class="ph-label" title="{html(each.meaning)}">'
        f'{html(each.label)}</span><b>{html(each.written)}</b><span class="ph-change">{html(each.note)}</span>'
        f'<img src="{wide_bars(each.trend, "even")}" alt="Trend of {html(each.label.lower())}"></div>'
        for each in more
    ]
    st.html(f'<div class="ph-tiles">{"".join(cards)}</div>')


def rest(figures: Metrics) -> None:
    """What has no tile of its own, in one line."""
    written = display(figures)
    items = "".join(
        f'<span title="{html(FIGURES[name].meaning)}">{FIGURES[name].label}<b>{html(written[name])}</b></span>'
        for name in _REST
    )
    st.html(f'<div class="ph-rest">{items}</div>')


def _chip(found: Change | None) -> str:
    if found is None:
        return NO_DATA
    sign = {1: "↑ ", -1: "↓ "}.get(found.direction, "")
    return f"{sign}{html(found.text)}"
