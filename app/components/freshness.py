"""The age of the data, and whether all runs behind the figures of a page are stored."""

from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from app import session
from app.data.connection import utc_now
from app.data.outages import Unavailable
from app.data.status import load_status
from app.widgets.text import markdown
from core import formatting
from core.formatting import pluralize
from db.repositories.repository_queries import RepositoryRow
from health.completeness.gaps import Completeness

_REFRESH_SECONDS = 5
_MAX_LISTED = 30
# Kinds of gaps that the collector closes, and the kind of a name that matches no repository.
_PENDING_KINDS, _UNREADABLE_KIND = ("history", "jobs"), "unreadable"


@st.fragment(run_every=_REFRESH_SECONDS)
def freshness(seen_version: int, prepare: Callable[[int], object] | None) -> None:
    """The age of the data, refreshed every few seconds. If the stored data has changed, the page reruns: after
    `prepare` has computed and cached the new figures, so that the page does not fade meanwhile. While a dialog is open,
    the page does not rerun: the dialog would close, and the text that was typed into it would be lost."""
    try:
        status = load_status()
        is_outdated = status.version != seen_version and not session.has_dialog()
        if is_outdated and prepare:
            prepare(status.version)
    except Unavailable:
        st.rerun()
    if is_outdated:
        st.rerun()
    if status.syncing and status.progress:
        done, total = status.progress
        st.caption(f":material/sync: {markdown(status.syncing)} · {done:,} of {total:,}")
    elif status.synced_at:
        ago = formatting.relative((utc_now() - status.synced_at).total_seconds())
        summary = f"{markdown(status.summary)} · " if status.summary else ""
        st.caption(f":{status.tone}[●] {summary}synced {ago}", help=formatting.timestamp(status.synced_at))
    else:
        st.caption(":material/hourglass_empty: Not synced yet")


def completeness(coverage: Completeness, since: datetime | None, repos: Sequence[str] = ()) -> None:
    """Shows whether all runs behind the figures are stored, for `repos` or for all monitored repositories, with the
    known gaps in a popover. `since`: the start of the figures."""
    listed = [row for row in load_status().repositories if not repos or row.repo in repos]
    text, icon = completeness_text(coverage, since, listed)
    if not text:
        return
    if not coverage.gaps:
        st.caption(f"{icon} {text}", width="content")
        return
    word = "1 gap" if len(coverage.gaps) == 1 else f"{len(coverage.gaps)} gaps"
    with st.popover(f"{text} · {word}", icon=":material/report:", type="tertiary"):
        for gap in coverage.gaps[:_MAX_LISTED]:
            st.markdown(f"**{markdown(gap.repo)}** {markdown(gap.detail)}")
        if len(coverage.gaps) > _MAX_LISTED:
            st.caption(f"and {len(coverage.gaps) - _MAX_LISTED} more")
        st.page_link("views/collector.py", label="Details", icon=":material/cloud_sync:")


def completeness_note(coverage: Completeness, since: datetime | None, repos: Sequence[str] = ()) -> str:
    """The completeness of the figures in one line of text, without the list of gaps."""
    listed = [row for row in load_status().repositories if not repos or row.repo in repos]
    text, _ = completeness_text(coverage, since, listed)
    return f"{text} · {pluralize(len(coverage.gaps), 'gap')}" if coverage.gaps else text


def completeness_text(
    coverage: Completeness, since: datetime | None, repositories: Sequence[RepositoryRow]
) -> tuple[str, str]:
    """The line and its icon; two empty strings if no repository is monitored."""
    unreadable = {gap.repo for gap in coverage.gaps if gap.kind == _UNREADABLE_KIND}
    total = len(repositories) + len(unreadable)
    if not total:
        return "", ""
    pending = {gap.repo for gap in coverage.gaps if gap.kind in _PENDING_KINDS} - unreadable
    behind = pending | {row.repo for row in repositories if row.complete_since is None or row.synced_at is None}
    if behind:
        subject = "the repository is" if total == 1 else f"{len(behind):,} of {total:,} repositories"
        text = f"Provisional: {subject} still catching up"
        if coverage.complete_since is None:
            text = f"Backfill in progress. {text}"
        return text, ":material/hourglass_top:"
    if coverage.complete_since is None:
        return f"{len(unreadable):,} of {total:,} repositories cannot be synced", ":material/report:"
    day = f"{coverage.complete_since:%d %b %Y} (UTC)"
    if since is not None and not coverage.covers(since):
        return f"Data complete only since {day}", ":material/history_toggle_off:"
    return f"Data complete since {day}", ":material/verified:"
