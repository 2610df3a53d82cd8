"""What is broken now, since when, and who should look."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app.components.text import html
from db.analytics import Streak
from db.metrics import units

_SHOWN = 3


def attention(streaks: Sequence[Streak], now: datetime) -> None:
    """A line for each pipeline that is broken on its default branch, the longest broken first."""
    if not streaks:
        return
    rows = "".join(_row(streak, now) for streak in streaks[:_SHOWN])
    more = (
        f'<div class="ph-more">and {len(streaks) - _SHOWN} more, in the table below</div>'
        if len(streaks) > _SHOWN
        else ""
    )
    st.html(f'<div class="ph-attention" role="alert">{rows}{more}</div>')


def _row(streak: Streak, now: datetime) -> str:
    first = streak.first_bad
    runs = "1 failed run" if streak.length == 1 else f"{streak.length} failed runs in a row"
    by = f" by <b>{html(first.actor)}</b>" if first.actor else ""
    return (
        '<div class="ph-broken"><span class="ph-sign" aria-hidden="true">✕</span><div>'
        f'<a href="run?run_id={streak.runs[-1].id}" target="_self"><b>{html(streak.workflow)}</b> is broken on '
        f"{html(streak.branch)} of {html(streak.repo)}</a>"
        f'<div class="ph-why">{runs}, since {units.relative((now - streak.since).total_seconds())} · first bad commit '
        f"<code>{html(first.head_sha[:7])}</code>{by}: {html(first.title[:110])}</div></div></div>"
    )
