"""What a page shows when it has nothing to show, or not everything.

How complete and how fresh the figures are, beside them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import streamlit as st

from app import session
from app.data.connection import utc_now
from app.data.outages import Outage, Unavailable
from app.data.status import CollectionStatus, load_status
from app.filters import url_state
from app.filters.problems import UnknownNames
from app.widgets.text import markdown
from core import formatting
from db.repositories.repository_queries import RepositoryRow
from health.completeness.gaps import Completeness

_MAX_NAMES = 3


def demo_banner() -> None:
    st.html(
        '<div class="ph-demo" role="status"><b>Demo data</b> from a bundled simulator. '
        "Set <code>GITHUB_REPOS</code> to see your own.</div>"
    )


def stale_warning(reason: str) -> None:
    st.warning(markdown(reason), icon=":material/history:")


def query_problems(messages: Sequence[str]) -> None:
    """What of the address cannot be shown as it stands."""
    if messages:
        st.warning("  \n".join(markdown(line) for line in messages), icon=":material/filter_alt_off:")


def outage_banner(outage: Outage) -> None:
    """The figures that were read last stay on the page."""
    told = f"Database unavailable since {_clock(outage.since)}"
    if outage.last_success_at:
        told += f"; showing figures of {_clock(outage.last_success_at)}"
    st.error(f"{told}. This page tries again every few seconds.", icon=":material/database_off:")


def _clock(moment: datetime) -> str:
    """In the viewer's zone, with the date where it is not today's."""
    here, today = moment.astimezone(session.zone()), datetime.now(session.zone()).date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%d %b %H:%M}"


def unavailable(reason: str) -> None:
    """The page tries again by itself."""
    with st.container(border=True, key="state-error"):
        st.markdown("### :material/database_off: The data cannot be read")
        st.markdown(markdown(reason))
        st.caption("Nothing stored is lost. This page tries again every few seconds.")


def nothing_collected(status: CollectionStatus) -> None:
    """Why there are no runs at all; it agrees with the line above the page."""
    with st.container(border=True, key="state-empty"):
        read = [row for row in status.repositories if row.complete_since and row.synced_at]
        if status.stale:
            st.markdown("### :material/sync_problem: Nothing has been collected yet")
            st.markdown(markdown(status.stale))
            st.caption("`python -m collector doctor` checks token, permissions, rate limit and connections one by one.")
        elif status.syncing:
            st.markdown("### :material/cloud_download: Reading your pipelines")
            st.markdown(markdown(status.syncing))
            if status.progress:
                done, total = status.progress
                st.progress(done / total if total else 0.0, text=f"{done:,} of {total:,}")
        elif status.repositories and len(read) < len(status.repositories):
            st.markdown("### :material/hourglass_top: Catching up")
            told = (
                f"{len(read):,} of {len(status.repositories):,} repositories are read; no workflow run was found yet."
            )
            st.progress(len(read) / len(status.repositories), text=told)
        elif status.repositories:
            st.markdown("### :material/hourglass_empty: No runs yet")
            st.markdown(_no_runs(status))
        else:
            st.markdown("### :material/add_link: No repository yet")
            st.markdown("Set `GITHUB_REPOS=owner/name` (and `GITHUB_TOKEN`), then start the collector: `make run`.")


def _no_runs(status: CollectionStatus) -> str:
    """Which repositories were read, and how far back."""
    names = [markdown(row.repo) for row in status.repositories[:_MAX_NAMES]]
    rest = len(status.repositories) - len(names)
    where = ", ".join(names) + (f" and {rest:,} more" if rest else "")
    since = max(row.complete_since for row in status.repositories if row.complete_since)
    days = max(round((utc_now() - since).total_seconds() / 86400), 1)
    span = "day" if days == 1 else f"{days:,} days"
    return (
        f"No workflow runs found in {where} for the last {span}. They appear within a poll of the first run; "
        "`BACKFILL_DAYS` sets how far back a repository is read."
    )


def unknown_names_state(missing: UnknownNames) -> None:
    """In the place of the page: none of what the address chose is known, so that an empty page would read as health."""
    names = ", ".join(markdown(name) for name in (missing.repos or missing.workflows)[:_MAX_NAMES])
    with st.container(border=True, key="state-unknown"):
        if missing.none_known == "repositories":
            st.markdown(f"### :material/search_off: {names} is not monitored")
            st.markdown("No repository of that name is known here. Check its spelling, or add it to `GITHUB_REPOS`.")
        else:
            st.markdown(f"### :material/search_off: There is no workflow {names}")
            st.markdown("The chosen repositories have no workflow of that name or number.")
        st.button(
            "Clear filters", on_click=url_state.clear, type="primary", icon=":material/close:", key="clear-unknown"
        )


def no_matches() -> None:
    with st.container(border=True, key="state-no-match"):
        st.markdown("### :material/filter_alt_off: Nothing matches these filters")
        st.markdown("No run of the chosen period fits all of them.")
        st.button("Clear filters", on_click=url_state.clear, type="primary", icon=":material/close:")


_REFRESH_SECONDS = 5
_MAX_LISTED = 30
# The history begins a little later than the start of the window that was asked for.
_SLACK = timedelta(hours=1)
# Kinds of gaps that close by themselves, and that of a name that leads to no repository.
_PENDING_KINDS, _UNREADABLE_KIND = ("history", "jobs"), "unreadable"


@st.fragment(run_every=_REFRESH_SECONDS)
def freshness(seen_version: int, prepare: Callable[[int], object] | None) -> None:
    """A live line; when the stored data changed, the page is drawn again: after `prepare`, so that it has its new
    figures at once and does not fade while they are made."""
    try:
        status = load_status()
        if status.version != seen_version and prepare:
            prepare(status.version)
    except Unavailable:
        st.rerun()
    if status.version != seen_version:
        st.rerun()
    if status.syncing and status.progress:
        done, total = status.progress
        st.caption(f":material/sync: {markdown(status.syncing)} · {done:,} of {total:,}")
    elif status.synced_at:
        ago = formatting.relative((utc_now() - status.synced_at).total_seconds())
        said = f"{markdown(status.summary)} · " if status.summary else ""
        st.caption(f":{status.tone}[●] {said}synced {ago}", help=formatting.timestamp(status.synced_at))
    else:
        st.caption(":material/hourglass_empty: not synced yet")


def completeness(coverage: Completeness, since: datetime | None, repos: Sequence[str] = ()) -> None:
    """Beside every figure that depends on it: whether all runs behind it are known, of the chosen repositories or of
    all monitored ones; what is known to be missing, one click away. `since`: where the figures begin."""
    listed = [row for row in load_status().repositories if not repos or row.repo in repos]
    told, icon = completeness_text(coverage, since, listed)
    if not told:
        return
    if not coverage.gaps:
        st.caption(f"{icon} {told} · 0 gaps", width="content")
        return
    word = "1 gap" if len(coverage.gaps) == 1 else f"{len(coverage.gaps)} gaps"
    with st.popover(f"{told} · {word}", icon=":material/report:", type="tertiary"):
        for gap in coverage.gaps[:_MAX_LISTED]:
            st.markdown(f"**{markdown(gap.repo)}** {markdown(gap.detail)}")
        if len(coverage.gaps) > _MAX_LISTED:
            st.caption(f"and {len(coverage.gaps) - _MAX_LISTED} more")
        st.page_link("views/collector.py", label="All that is known of it", icon=":material/cloud_sync:")


def completeness_text(
    coverage: Completeness, since: datetime | None, repositories: Sequence[RepositoryRow]
) -> tuple[str, str]:
    """The line and its icon; empty where nothing is monitored."""
    strange = {gap.repo for gap in coverage.gaps if gap.kind == _UNREADABLE_KIND}
    total = len(repositories) + len(strange)
    if not total:
        return "", ""
    late = {gap.repo for gap in coverage.gaps if gap.kind in _PENDING_KINDS} - strange
    behind = late | {row.repo for row in repositories if row.complete_since is None or row.synced_at is None}
    if behind:
        who = "the repository is" if total == 1 else f"{len(behind):,} of {total:,} repositories"
        told = f"Provisional: {who} still catching up"
        if coverage.complete_since is None:
            told = f"The history is still being read. {told}"
        return told, ":material/hourglass_top:"
    if coverage.complete_since is None:
        return f"{len(strange):,} of {total:,} repositories cannot be read", ":material/report:"
    day = f"{coverage.complete_since:%d %b %Y} (UTC)"
    if since is not None and coverage.complete_since > since + _SLACK:
        return f"Complete only since {day}", ":material/history_toggle_off:"
    return f"Complete since {day}", ":material/verified:"
