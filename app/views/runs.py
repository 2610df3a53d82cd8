"""Runs page: all runs, with filters, search and the selection for a comparison."""

import streamlit as st

from app import session
from app.components import page_states
from app.components.freshness import completeness
from app.components.runs import (
    compare_bar,
    export_note,
    order_text,
    run_order,
    run_table,
    runs_export,
)
from app.data import figures
from app.data.connection import utc_now
from app.data.runs import all_runs, previous_page, run_page
from app.data.status import load_status, window_end
from app.filters import controls, selection
from app.filters.hours import MAX_PARTS
from app.widgets.paging import CursorPage, current_page, pager, report_bad_page
from app.widgets.panel import panel
from core import formatting
from core.formatting import pluralize
from db.runs.cursors import InvalidCursor
from db.runs.run_queries import NEWEST_FIRST

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
    text, hours = selection.search_text(), selection.selected_hours()
    every_part = hours.parts(window, session.zone(), MAX_PARTS + 1) if hours else None
    parts = every_part[:MAX_PARTS] if every_part else every_part
    order = run_order("runs", lambda: run_page(scope, window, text, None, version, parts=parts)[1])
    current = current_page("runs", (scope, selection.period(), text, order, hours))
    try:
        page, total = run_page(scope, window, text, current.cursor, version, order, parts)
    except InvalidCursor:
        report_bad_page("runs", str(current))
        current = CursorPage()
        page, total = run_page(scope, window, text, None, version, order, parts)
    if current.cursor and not page.items:
        # The runs after the cursor have left the period.
        current = CursorPage()
        page, total = run_page(scope, window, text, None, version, order, parts)
    if not page.items:
        page_states.no_matches()
        return
    when = selection.describe() + (f", {hours}" if hours else "")
    when += f" (the latest {MAX_PARTS} of them)" if every_part and len(every_part) > MAX_PARTS else ""
    subtitle = f"{formatting.count(total)} in {when} · {order_text(order)} · times in {session.zone()}"
    rows = ("runs", lambda: runs_export(all_runs(scope, window, text, order, parts)))
    with panel("Runs", subtitle, export=rows, export_note=export_note(total, order)):
        compare_bar()
        run_table(
            "runs", page.items, utc_now(), session.zone(), selectable=True, time=selection.time_query(), total=total
        )
        before = previous_page(scope, window, text, page.items[0], version, order, parts) if current.cursor else None
        labels = ("Newer", "Older") if order == NEWEST_FIRST else ("Previous", "Next")
        listed_text = f"{formatting.count(len(page.items))} of {pluralize(total, 'run')}"
        pager("runs", current, before, page.next, listed_text, labels)
    completeness(figures.completeness(selection.scope(), window, version), window.since, scope.repos)


listed()
