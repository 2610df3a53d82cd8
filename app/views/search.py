"""Search page: a text or a regular expression in all stored logs."""

import streamlit as st

from app import session
from app.components import log_search, page_states
from app.data.connection import utc_now
from app.data.log_search import coverage, search_logs
from app.data.status import load_status
from app.filters import selection
from app.widgets.paging import CursorPage, current_page, pager, report_bad_page
from app.widgets.panel import panel
from app.widgets.text import markdown
from core.formatting import pluralize
from db.runs.cursors import InvalidCursor
from health.log_search.query import InvalidQuery

_LABELS = ("First page", "Continue")
status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

terms, jobs, classes = log_search.search_form()
if not terms.text:
    log_search.empty_form()
    st.stop()

# To the minute, so that results are cached.
now = utc_now().replace(second=0, microsecond=0)
scope, window = selection.scope(), selection.window(now)
current = current_page("logs", (terms, scope, selection.period(), jobs, classes))
try:
    try:
        page = search_logs(terms, scope, window, jobs, classes, current.cursor)
    except InvalidCursor:
        report_bad_page("logs", str(current))
        current = CursorPage()
        page = search_logs(terms, scope, window, jobs, classes, None)
except InvalidQuery as error:
    st.error(markdown(error), icon=":material/error:")
    st.stop()
with panel("Results", log_search.result_subtitle(page, selection.describe())):
    log_search.rule_link(terms, jobs, classes)
    log_search.hits(page, session.zone())
    if page.next or current.cursor:
        pager("logs", current, None, page.next, pluralize(len(page.items), "log"), _LABELS)
    # Counted after the results are shown.
    log_search.searched(page, coverage(scope, window, jobs, classes, now))
