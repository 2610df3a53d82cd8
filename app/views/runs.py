"""Runs page: all runs, with filters, search and the selection for a comparison."""

import streamlit as st

from app import session
from app.components import page_states
from app.components.freshness import completeness
from app.components.runs import compare_bar, export_rows, run_table
from app.data import figures
from app.data.connection import utc_now
from app.data.runs import run_page
from app.data.status import load_status, window_end
from app.filters import controls, selection
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
    version = load_status().version
    window = selection.window(window_end(version))
    cursor = current_cursor((scope, selection.period(), selection.search_text()))
    page, total = run_page(scope, window, selection.search_text(), cursor, version)
    if not page.items:
        page_states.no_matches()
        return
    subtitle = f"{formatting.count(total)} in {selection.describe()} · newest first · times in {session.zone()}"
    with panel("Runs", subtitle, csv=("runs", lambda: export_rows(page.items))):
        compare_bar()
        run_table("runs", page.items, utc_now(), session.zone(), selectable=True, time=selection.time_query())
        pager(page.next, len(page.items), total)
    completeness(figures.completeness(selection.scope(), window, version), window.since, scope.repos)


listed()
