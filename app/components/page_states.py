"""Banners and empty states: demo data, out-of-date data, outages, and pages without runs."""

import re
from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app import routes as at
from app import session
from app.components import setup
from app.data.connection import utc_now
from app.data.outages import Outage
from app.data.status import CollectionStatus
from app.filters import url_state
from app.filters.problems import UnknownNames
from app.widgets import cells
from app.widgets.text import markdown
from core import formatting
from db.enums import Liveness
from db.repositories.repository_queries import RepositoryRow

_MAX_NAMES = 3
# URLs of GitHub, which are untrusted text, as the targets of Markdown links.
_LINK = re.compile(r"https://[A-Za-z0-9._~:/-]{1,500}")


def demo_banner() -> None:
    st.html(
        '<div class="ph-demo" role="status"><b>Demo data</b> from a bundled simulator. '
        f"{cells.anchor('Monitor your own repositories', at.SETUP)}</div>"
    )


def stale_warning(reason: str) -> None:
    st.warning(markdown(reason), icon=":material/history:")


def query_problems(messages: Sequence[str]) -> None:
    """Lists the URL parameters that cannot be used as given."""
    if messages:
        st.warning("  \n".join(markdown(line) for line in messages), icon=":material/filter_alt_off:")


def outage_banner(outage: Outage) -> None:
    """The page keeps the figures that were read before the outage."""
    text = f"Database unavailable since {_clock(outage.since)}"
    if outage.last_success_at:
        text += f"; showing data from {_clock(outage.last_success_at)}"
    st.error(f"{text}. This page retries every few seconds.", icon=":material/database_off:")


def _clock(moment: datetime) -> str:
    """The time of day in the viewer's time zone, with the date unless it is today."""
    here, today = moment.astimezone(session.zone()), datetime.now(session.zone()).date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%d %b %H:%M}"


def unavailable(reason: str) -> None:
    """Replaces the page while the database is unavailable; the caller retries."""
    with st.container(border=True, key="state-error"):
        st.markdown("## :material/database_off: Data unavailable")
        st.markdown(markdown(reason))
        st.caption("Stored data is not affected. This page retries every few seconds.")


def nothing_collected(status: CollectionStatus) -> None:
    """Replaces the page while no runs are stored, with the reason; agrees with the status line of the header."""
    with st.container(border=True, key="state-empty"):
        read = [row for row in status.repositories if row.complete_since and row.synced_at]
        if status.stale:
            st.markdown("## :material/sync_problem: Nothing has been collected yet")
            st.markdown(markdown(status.stale))
            st.caption(
                "`.venv/bin/python -m collector doctor` checks token, permissions, rate limit and connections one by "
                "one."
            )
        elif status.syncing:
            st.markdown("## :material/cloud_download: Fetching your workflow runs")
            st.markdown(markdown(status.syncing))
            if status.progress:
                done, total = status.progress
                st.progress(done / total if total else 0.0, text=f"{done:,} of {total:,}")
        elif status.repositories and len(read) < len(status.repositories):
            st.markdown("## :material/hourglass_top: Catching up")
            text = f"{len(read):,} of {len(status.repositories):,} repositories synced; no workflow runs yet."
            st.progress(len(read) / len(status.repositories), text=text)
        elif status.repositories:
            st.markdown("## :material/hourglass_empty: No runs yet")
            st.markdown(_no_runs(status))
            st.caption(_next_poll(status))
        elif status.liveness is Liveness.LIVE:
            st.markdown("## :material/search_off: No repository matches GITHUB_REPOS")
            st.markdown(
                "The collector runs, but the entries of `GITHUB_REPOS` name no repository that the token can read."
            )
        else:
            st.markdown("## :material/add_link: No repositories configured")
            st.markdown(
                "Set `GITHUB_REPOS=owner/name` and `GITHUB_TOKEN` as described below, then start the collector with "
                "`make run`. If both are set, the collector has not started yet."
            )
    if not status.repositories and not status.stale and not status.syncing and status.liveness is not Liveness.LIVE:
        setup.setup_steps()


def _no_runs(status: CollectionStatus) -> str:
    """The repositories that were read, and how far back, in Markdown."""
    if without := [row for row in status.repositories if not row.is_collectable]:
        names = _names(without)
        if len(without) == len(status.repositories):
            return f"GitHub Actions are not enabled in {names}: there are no workflow runs to fetch."
        return f"{_history(status)} GitHub Actions are not enabled in {names}."
    return _history(status)


def _history(status: CollectionStatus) -> str:
    rows = [row for row in status.repositories if row.is_collectable]
    since = max(row.complete_since for row in rows if row.complete_since)
    days = max(round((utc_now() - since).total_seconds() / 86400), 1)
    span = "day" if days == 1 else f"{days:,} days"
    return f"No workflow runs found in {_names(rows)} for the last {span}."


def _names(rows: Sequence[RepositoryRow]) -> str:
    names = [markdown(row.repo) for row in rows[:_MAX_NAMES]]
    rest = len(rows) - len(names)
    return ", ".join(names) + (f" and {rest:,} more" if rest else "")


def _next_poll(status: CollectionStatus) -> str:
    """When runs appear, and where to start one, in Markdown."""
    every = f" The collector polls every {formatting.duration(status.poll_seconds)}." if status.poll_seconds else ""
    urls = [(row.repo, f"{row.html_url}/actions") for row in status.repositories[:_MAX_NAMES] if row.is_collectable]
    links = [f"[{markdown(repo)}](<{url}>)" for repo, url in urls if _LINK.fullmatch(url)]
    on_github = f" Actions on GitHub: {', '.join(links)}." if links else ""
    return (
        f"The first run appears after the next poll.{every} `BACKFILL_DAYS` sets how far back history is fetched."
        f"{on_github}"
    )


def unknown_names_title(missing: UnknownNames) -> str:
    names = ", ".join((missing.repos or missing.workflows or missing.teams)[:_MAX_NAMES])
    if missing.none_known == "teams":
        return f"Team {names} not found"
    return f"{names} is not monitored" if missing.none_known == "repositories" else f"Workflow {names} not found"


def unknown_names_state(missing: UnknownNames) -> None:
    """Replaces the page if none of the names in the URL exists: an empty page would look healthy."""
    with st.container(border=True, key="state-unknown"):
        st.markdown(f"## :material/search_off: {markdown(unknown_names_title(missing))}")
        if missing.none_known == "repositories":
            st.markdown("No monitored repository has this name. Check the spelling, or add it to `GITHUB_REPOS`.")
        elif missing.none_known == "teams":
            st.markdown("No team has this name. It may have been renamed or deleted.")
        else:
            st.markdown("The selected repositories have no workflow with this name or ID.")
        st.button(
            "Clear filters", on_click=url_state.clear, type="primary", icon=":material/close:", key="clear-unknown"
        )


def no_matches() -> None:
    with st.container(border=True, key="state-no-match"):
        st.markdown("## :material/filter_alt_off: No matching runs")
        st.markdown("No runs match these filters in the selected period.")
        st.button("Clear filters", on_click=url_state.clear, type="primary", icon=":material/close:")
