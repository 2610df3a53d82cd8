"""Key figures with their trend and the change against the period before."""

from typing import Literal

import pandas as pd
import streamlit as st

from app.components.text import html
from db.analytics import Comparison
from db.metrics.catalogue import FIGURES, Change, change, display
from db.metrics.formulas import Metrics
from db.metrics.units import NO_DATA

_TILES: tuple[tuple[str, str, Literal["line", "bar", "area"]], ...] = (
    ("success_rate", "success_rate", "line"),
    ("runs", "runs", "bar"),
    ("failures", "failure", "bar"),
    ("duration_p50", "p50", "line"),
    ("queue_p95", "queue_p95", "line"),
)
_REST = ("duration_p95", "queue_p50", "recovery_p50", "rerun_rate", "flaky_runs", "compute_seconds", "wasted_seconds",
         "cost_usd")  # fmt: skip


def tiles(comparison: Comparison, frame: pd.DataFrame, period: str) -> None:
    written = display(comparison.now)
    with st.grid(5, min_column_width=170, gap="small", key="tiles"):
        for name, column, kind in _TILES:
            found = change(FIGURES[name], comparison.now, comparison.before) if comparison.comparable else None
            st.metric(
                FIGURES[name].label,
                written[name],
                delta=found.text if found else NO_DATA,
                delta_color=_colour(found),
                delta_arrow="auto" if found and found.direction else "off",
                delta_description=f"vs {period} before" if comparison.comparable else f"{period} before not collected",
                help=FIGURES[name].meaning,
                chart_data=[value for value in frame[column].tolist() if not pd.isna(value)] if len(frame) else None,
                chart_type=kind,
                border=True,
                height="stretch",
            )


def rest(figures: Metrics) -> None:
    """What has no tile of its own, in one line."""
    written = display(figures)
    items = "".join(
        f'<span title="{html(FIGURES[name].meaning)}">{FIGURES[name].label}<b>{html(written[name])}</b></span>'
        for name in _REST
    )
    st.html(f'<div class="ph-rest">{items}</div>')


def _colour(found: Change | None) -> Literal["normal", "inverse", "off"]:
    """Green for better, red for worse, grey where neither way is."""
    if found is None or found.good is None:
        return "off"
    return "normal" if found.good == (found.direction > 0) else "inverse"
