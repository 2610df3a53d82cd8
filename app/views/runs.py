"""Runs page: all runs, with filters, search and the selection for a comparison."""

import streamlit as st

from app import data, filters, session
from app.components import page_states
from app.components.freshness import completeness
from app.components.runs import compare_bar, export_rows, run_table
from app.widgets.panel import panel
from app.widgets.table import current_cursor, pager
from core import formatting

_LIVE_SECONDS = 5
status = load_status()
controls.render_for_runs(status.version)
scope = selection.run_scope()

if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()


@st.fragment(run_every=_LIVE_SECONDS)
def listed() -> None:
    """The runs of the selected page, refreshed every few seconds with new runs and the durations of unfinished ones."""
    version = data.status().version
    window = filters.window(data.now(version))
    cursor = current_cursor((scope, filters.period(), filters.search_text()))
    page, total = data.run_page(scope, window, filters.search_text(), cursor, version)
    if not page.items:
        page_states.no_matches()
        return
    subtitle = f"{formatting.count(total)} in {filters.describe()} · newest first · times in {session.zone()}"
    with panel("Runs", subtitle, csv=("runs", lambda: export_rows(page.items))):
        compare_bar()
        run_table("runs", page.items, utc_now(), session.zone(), selectable=True)
        pager(page.next, len(page.items), total)
    completeness(figures.completeness(selection.scope(), window, version), window.since, scope.repos)


listed()
