"""What a page shows when it has nothing to show, or not everything."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app import filters, viewer
from app.components.text import markdown
from app.data import Outage, Status
from app.unknown import Unknown

_NAMED = 3


def demo_banner() -> None:
    st.html(
        '<div class="ph-demo" role="status"><b>Demo data</b> from a bundled simulator. '
        "Set <code>GITHUB_REPOS</code> to see your own.</div>"
    )


def stale(reason: str) -> None:
    st.warning(markdown(reason), icon=":material/history:")


def problems(lines: Sequence[str]) -> None:
    """What of the address cannot be shown as it stands."""
    if lines:
        st.warning("  \n".join(markdown(line) for line in lines), icon=":material/filter_alt_off:")


def away(outage: Outage) -> None:
    """The figures that were read last stay on the page."""
    told = f"Database unavailable since {_clock(outage.since)}"
    if outage.figures_of:
        told += f"; showing figures of {_clock(outage.figures_of)}"
    st.error(f"{told}. This page tries again every few seconds.", icon=":material/database_off:")


def _clock(moment: datetime) -> str:
    """In the viewer's zone, with the date where it is not today's."""
    here, today = moment.astimezone(viewer.zone()), datetime.now(viewer.zone()).date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%d %b %H:%M}"


def unavailable(reason: str) -> None:
    """The page tries again by itself."""
    with st.container(border=True, key="state-error"):
        st.markdown("### :material/database_off: The data cannot be read")
        st.markdown(markdown(reason))
        st.caption("Nothing stored is lost. This page tries again every few seconds.")


def nothing_collected(status: Status) -> None:
    with st.container(border=True, key="state-empty"):
        if status.syncing:
            st.markdown("### :material/cloud_download: Reading your pipelines")
            st.markdown(markdown(status.syncing))
            if status.progress:
                done, total = status.progress
                st.progress(done / total if total else 0.0, text=f"{done:,} of {total:,}")
        elif status.repositories:
            st.markdown("### :material/hourglass_empty: No runs yet")
            st.markdown("The monitored repositories had no workflow run in the time that was read.")
        else:
            st.markdown("### :material/add_link: No repository yet")
            st.markdown("Set `GITHUB_REPOS=owner/name` (and `GITHUB_TOKEN`), then start the collector: `make run`.")


def unknown(found: Unknown) -> None:
    """In the place of the page: none of what the address chose is known, so that an empty page would read as health."""
    names = ", ".join(markdown(name) for name in (found.repos or found.workflows)[:_NAMED])
    with st.container(border=True, key="state-unknown"):
        if found.all_of == "repositories":
            st.markdown(f"### :material/search_off: {names} is not monitored")
            st.markdown("No repository of that name is known here. Check its spelling, or add it to `GITHUB_REPOS`.")
        else:
            st.markdown(f"### :material/search_off: There is no workflow {names}")
            st.markdown("The chosen repositories have no workflow of that name or number.")
        st.button("Clear filters", on_click=filters.clear, type="primary", icon=":material/close:", key="clear-unknown")


def nothing_matches() -> None:
    with st.container(border=True, key="state-no-match"):
        st.markdown("### :material/filter_alt_off: Nothing matches these filters")
        st.markdown("No run of the chosen period fits all of them.")
        st.button("Clear filters", on_click=filters.clear, type="primary", icon=":material/close:")
