"""How complete and how fresh the figures are, beside them."""

from datetime import UTC, datetime

import streamlit as st

from app import data
from app.components.text import markdown
from db.metrics import units
from db.metrics.formulas import Completeness

_REFRESH_SECONDS = 5


@st.fragment(run_every=_REFRESH_SECONDS)
def freshness(seen_version: int) -> None:
    """A live line; when the stored data changed, the page is drawn again."""
    try:
        status = data.status()
    except data.Unavailable:
        st.rerun()
    if status.version != seen_version:
        st.rerun()
    if status.syncing and status.progress:
        done, total = status.progress
        st.caption(f":material/sync: {markdown(status.syncing)} · {done:,} of {total:,}")
    elif status.synced_at:
        ago = units.relative((datetime.now(UTC) - status.synced_at).total_seconds())
        st.caption(f":green[●] live · synced {ago}", help=units.timestamp(status.synced_at))
    else:
        st.caption(":material/hourglass_empty: not synced yet")


def completeness(found: Completeness) -> None:
    """Since when nothing is missing; what is known to be missing, one click away."""
    since = f"complete since {found.complete_since:%d %b %Y}" if found.complete_since else "history still being read"
    if not found.gaps:
        st.caption(f":material/verified: Every run counted, {since} (UTC)")
        return
    word = "1 gap" if len(found.gaps) == 1 else f"{len(found.gaps)} gaps"
    with st.popover(f"{word} · {since}", icon=":material/report:", type="tertiary"):
        for gap in found.gaps[:30]:
            st.markdown(f"**{markdown(gap.repo)}** {markdown(gap.detail)}")
