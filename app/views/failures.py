"""Why runs fail, clustered by cause; and, chosen by `?cause=`, the runs of one."""

import streamlit as st

from app import data, filters, session
from app.components import failure_causes, page_states
from app.components.freshness import completeness
from app.widgets.panel import panel
from core import formatting

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
scope, window, time = selection.scope(), selection.window(now), selection.time_query()
wanted = st.query_params.get("cause", "")
completeness(figures.completeness(scope, window, status.version), window.since, scope.repos)
if wanted:
    chosen = findings.cause_runs(wanted[:64], scope, window, now, status.version)
    if chosen is None:
        failure_causes.unknown_cause(filters.describe())
        st.stop()
    failure_causes.cause_head(chosen, time)
    rows = ("cause-runs", lambda: failure_causes.runs_csv(chosen, session.zone()))
    with panel("Runs", f"newest first · {session.zone()}", csv=rows):
        failure_causes.run_list(chosen, session.zone())
    st.stop()

found = findings.causes(scope, window, now, status.version)
told = f"{formatting.count(found.looked_at)} failed jobs of {selection.describe()}"
told += f" · {formatting.count(found.unnamed)} failed runs without a known cause"
with panel("Causes of failures", told, csv=("causes", lambda: failure_causes.causes_csv(found, now))):
    if found.items:
        failure_causes.cause_table(found, now, time)
    else:
        st.caption("No failed job of this time has a log that names a cause.")
