"""Failures page: failure causes; with `?cause=`, the runs of one cause."""

import streamlit as st

from app import session
from app.components import failure_causes, page_states
from app.components.freshness import completeness
from app.data import figures, findings
from app.data.status import load_status, window_end
from app.filters import selection
from app.widgets.exports import SearchResult, listed_note
from app.widgets.panel import panel
from core.formatting import pluralize

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
scope, window, time = selection.scope(), selection.window(now), selection.time_query()
fingerprint = st.query_params.get("cause", "")
data = figures.completeness(scope, window, status.version)
if fingerprint:
    cause_runs = findings.cause_runs(fingerprint[:64], scope, window, now, status.version)
    if cause_runs is None:
        completeness(data, window.since, scope.repos)
        failure_causes.unknown_cause(selection.describe())
        st.stop()
    failure_causes.cause_head(cause_runs, time)
    completeness(data, window.since, scope.repos)
    rows = ("cause-runs", lambda: failure_causes.runs_export(cause_runs, session.zone()))
    note = listed_note(len(cause_runs.runs), cause_runs.cause.runs)
    with panel("Runs", f"newest first · {session.zone()}", export=rows, export_note=note):
        failure_causes.run_list(cause_runs, session.zone())
    st.stop()

causes = findings.causes(scope, window, now, status.version)
trends = selection.trends(status.version)
if trends.comparison.current.runs.failure or causes.items:
    failure_causes.key_figures(causes, window, trends, selection.period_length(), now)
completeness(data, window.since, scope.repos)
subtitle = f"{pluralize(causes.looked_at, 'failed job')} in {selection.describe()}"
subtitle += f" · {pluralize(causes.unnamed, 'failed run')} with no error extracted"
export = "causes", lambda: failure_causes.causes_export(causes.items, now)
search = failure_causes.search_text()
listed = failure_causes.matching(causes.items, search)
result = SearchResult(len(listed), lambda: failure_causes.causes_export(listed, now)) if search else None
with panel("Failure causes", subtitle, export=export, search=result):
    if causes.items:
        failure_causes.search_box()
        if listed:
            failure_causes.cause_table(listed, now, time, search)
        else:
            st.caption("No failure causes in this period match the search.")
        if search:
            failure_causes.log_search_link(search, time)
    else:
        st.caption("No error was extracted from the logs of failed jobs in this period.")
