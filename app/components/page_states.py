"""What a page shows when it has nothing to show, or not everything.

How complete and how fresh the figures are, beside them.
"""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app import filters, session
from app.data import CollectionStatus, Outage, utc_now
from app.selection import UnknownNames
from app.widgets.text import markdown

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
    text = f"Database unavailable since {_clock(outage.since)}"
    if outage.last_success_at:
        text += f"; showing figures of {_clock(outage.last_success_at)}"
    st.error(f"{text}. This page tries again every few seconds.", icon=":material/database_off:")


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
            text = (
                f"{len(read):,} of {len(status.repositories):,} repositories are read; no workflow run was found yet."
            )
            st.progress(len(read) / len(status.repositories), text=text)
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
        st.button("Clear filters", on_click=filters.clear, type="primary", icon=":material/close:")
