"""How complete and how fresh the figures are, beside them."""

from collections.abc import Callable
from datetime import datetime, timedelta

import streamlit as st

from app import data
from app.components.text import markdown
from db.metrics import units
from db.metrics.formulas import Completeness

_REFRESH_SECONDS = 5
_LISTED = 30
# The history begins a little later than the start of the window that was asked for.
_SLACK = timedelta(hours=1)


@st.fragment(run_every=_REFRESH_SECONDS)
def freshness(seen_version: int, prepare: Callable[[int], object] | None) -> None:
    """A live line; when the stored data changed, the page is drawn again: after `prepare`, so that it has its new
    figures at once and does not fade while they are made."""
    try:
        status = data.status()
        if status.version != seen_version and prepare:
            prepare(status.version)
    except data.Unavailable:
        st.rerun()
    if status.version != seen_version:
        st.rerun()
    if status.syncing and status.progress:
        done, total = status.progress
        st.caption(f":material/sync: {markdown(status.syncing)} · {done:,} of {total:,}")
    elif status.synced_at:
        ago = units.relative((data.clock() - status.synced_at).total_seconds())
        said = f"{markdown(status.standing)} · " if status.standing else ""
        st.caption(f":{status.tone}[●] {said}synced {ago}", help=units.timestamp(status.synced_at))
    else:
        st.caption(":material/hourglass_empty: not synced yet")


def completeness(found: Completeness, since: datetime) -> None:
    """Since when nothing is missing, and whether that covers the figures; what is known to be missing, one click
    away."""
    if found.complete_since is None:
        told, icon = "The history is still being read", ":material/hourglass_top:"
    elif found.complete_since > since + _SLACK:
        told, icon = f"Complete only since {found.complete_since:%d %b %Y} (UTC)", ":material/history_toggle_off:"
    else:
        told, icon = f"Complete since {found.complete_since:%d %b %Y} (UTC)", ":material/verified:"
    if not found.gaps:
        st.caption(f"{icon} {told} · 0 gaps", width="content")
        return
    word = "1 gap" if len(found.gaps) == 1 else f"{len(found.gaps)} gaps"
    with st.popover(f"{told} · {word}", icon=":material/report:", type="tertiary"):
        for gap in found.gaps[:_LISTED]:
            st.markdown(f"**{markdown(gap.repo)}** {markdown(gap.detail)}")
        if len(found.gaps) > _LISTED:
            st.caption(f"and {len(found.gaps) - _LISTED} more")
        st.page_link("views/collector.py", label="All that is known of it", icon=":material/cloud_sync:")
