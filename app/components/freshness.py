"""How complete and how fresh the figures are, beside them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import streamlit as st

from app import data
from app.components.text import markdown
from db.metrics import units
from db.metrics.completeness import Completeness
from db.queries.repositories import RepositoryRow

_REFRESH_SECONDS = 5
_LISTED = 30
# The history begins a little later than the start of the window that was asked for.
_SLACK = timedelta(hours=1)
# Kinds of gaps that close by themselves, and that of a name that leads to no repository.
_ON_THE_WAY, _UNREADABLE = ("history", "jobs"), "unreadable"


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


def completeness(found: Completeness, since: datetime | None, repos: Sequence[str] = ()) -> None:
    """Beside every figure that depends on it: whether all runs behind it are known, of the chosen repositories or of
    all monitored ones; what is known to be missing, one click away. `since`: where the figures begin."""
    listed = [row for row in data.status().repositories if not repos or row.repo in repos]
    told, icon = complete_words(found, since, listed)
    if not told:
        return
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


def complete_words(found: Completeness, since: datetime | None, listed: Sequence[RepositoryRow]) -> tuple[str, str]:
    """The line and its icon; empty where nothing is monitored."""
    strange = {gap.repo for gap in found.gaps if gap.kind == _UNREADABLE}
    total = len(listed) + len(strange)
    if not total:
        return "", ""
    late = {gap.repo for gap in found.gaps if gap.kind in _ON_THE_WAY} - strange
    behind = late | {row.repo for row in listed if row.complete_since is None or row.synced_at is None}
    if behind:
        who = "the repository is" if total == 1 else f"{len(behind):,} of {total:,} repositories"
        told = f"Provisional: {who} still catching up"
        if found.complete_since is None:
            told = f"The history is still being read. {told}"
        return told, ":material/hourglass_top:"
    if found.complete_since is None:
        return f"{len(strange):,} of {total:,} repositories cannot be read", ":material/report:"
    day = f"{found.complete_since:%d %b %Y} (UTC)"
    if since is not None and found.complete_since > since + _SLACK:
        return f"Complete only since {day}", ":material/history_toggle_off:"
    return f"Complete since {day}", ":material/verified:"
