"""What needs a person now: ranked, since when, and one click from the evidence."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app.components import cells
from app.components.text import html
from db.analytics import Streak
from db.metrics import units

_SHOWN = 4


def attention(streaks: Sequence[Streak], now: datetime, *, large: bool = False) -> None:
    kind = "ph-attention ph-on-wall" if large else "ph-attention"
    if not streaks:
        st.html(f'<div class="{kind}"><div class="ph-calm"><b>✓ Nothing needs attention</b>'
                "<span>No default branch is broken.</span></div></div>")  # fmt: skip
        return
    rows = [_row(streak, now) for streak in streaks]
    rest = "".join(rows[_SHOWN:])
    more = f"<details><summary>{len(rows) - _SHOWN} more</summary>{rest}</details>" if rest else ""
    st.html(f'<div class="{kind}" role="alert">{"".join(rows[:_SHOWN])}{more}</div>')


def _row(streak: Streak, now: datetime) -> str:
    first = streak.first_bad
    runs = "1 failed run" if streak.length == 1 else f"{streak.length} failed runs in a row"
    by = f" by <b>{html(first.actor)}</b>" if first.actor else ""
    headline = f"{streak.workflow} is broken on {streak.branch} of {streak.repo}"
    return (
        '<div class="ph-need ph-red"><b class="ph-sign" aria-hidden="true">✕</b><div>'
        f"{cells.anchor(headline, 'run', [('run_id', streak.runs[-1].id)])}"
        f'<div class="ph-why">{runs} · first bad commit <code>{html(first.head_sha[:7])}</code>{by}: '
        f"{html(first.title[:110])}</div></div>"
        f'<time title="{units.timestamp(streak.since)}">{units.relative((now - streak.since).total_seconds())}</time>'
        "</div>"
    )
