"""What needs a person now: ranked, since when, and one click from the evidence."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app.widgets import cells
from app.widgets.text import html
from core import formatting
from health.alerts.attention import Attention

_SHOWN, _MOST = 5, 100
_SIGNS = {"broken": "✕", "alert": "!", "success": "↘", "duration": "↗", "stuck": "◌", "queue": "…"}


def attention(found: Sequence[Attention], now: datetime, *, doubt: str | None = None, large: bool = False) -> None:
    """`doubt`: why the data may be out of date or incomplete; then an empty list is no all-clear."""
    kind = "ph-attention ph-on-wall" if large else "ph-attention"
    if not found:
        calm = "<b>✓ Nothing needs attention</b><span>Nothing is broken, got worse or stands still.</span>"
        if doubt:
            calm = f"<span>No problem in the stored data, which may not be all. {html(doubt)}</span>"
        st.html(f'<div class="{kind}"><div class="ph-calm">{calm}</div></div>')
        return
    rows = [_row(each, now) for each in found[:_MOST]]
    rest = "".join(rows[_SHOWN:]) + _left_out(len(found) - len(rows))
    more = f"<details><summary>{formatting.count(len(found) - _SHOWN)} more</summary>{rest}</details>" if rest else ""
    st.html(f'<div class="{kind}" role="alert">{"".join(rows[:_SHOWN])}{more}</div>')


def _left_out(number: int) -> str:
    if not number:
        return ""
    told = f"and {formatting.count(number)} more of lower priority; narrow the list with filters"
    return f'<div class="ph-need ph-dim"><b class="ph-sign"></b><div>{told}</div></div>'


def _row(each: Attention, now: datetime) -> str:
    ago = formatting.relative((now - each.since).total_seconds())
    tone = "dim" if each.acknowledged else each.tone
    sign = "✓" if each.acknowledged else _SIGNS.get(each.kind, "·")
    return (
        f'<div class="ph-need ph-{tone}"><b class="ph-sign" aria-hidden="true">{sign}</b>'
        f'<div>{_link(each)}<div class="ph-why">{html(each.why)}{_commit(each)}{_known(each)}</div></div>'
        f'<time title="{formatting.timestamp(each.since)}">{ago}</time></div>'
    )


def _link(each: Attention) -> str:
    if each.kind == "alert":
        return cells.anchor(each.headline, "alerts")
    if each.kind == "duration" and each.workflow_id:
        return cells.anchor(each.headline, "workflow", [("id", each.workflow_id)])
    if each.run_id:
        return cells.anchor(each.headline, "run", [("run_id", each.run_id)])
    return cells.anchor(each.headline, "cost")


def _known(each: Attention) -> str:
    """Who acknowledged it, and what they wrote."""
    if each.acknowledged is None:
        return ""
    by = f" by {html(each.acknowledged.by)}" if each.acknowledged.by else ""
    note = f": {html(each.acknowledged.comment)}" if each.acknowledged.comment else ""
    return f" · acknowledged{by}{note}"


def _commit(each: Attention) -> str:
    if each.first is None or each.kind == "stuck":
        return ""
    words = {"broken": "first bad commit", "duration": "first slow run"}.get(each.kind, "first failure")
    return f" · {words} {cells.commit(each.first)}"
