"""Why runs fail, clustered by cause; and, chosen by `?cause=`, the runs of one."""

import streamlit as st

from app import data, filters, viewer
from app.components import failure_list, states
from app.components.freshness import completeness
from app.components.panel import panel
from db.metrics import units

status = data.status()
if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

now = data.now(status.version)
scope, window, time = filters.scope(), filters.window(now), filters.time_query()
wanted = st.query_params.get("cause", "")
completeness(data.completeness(scope, window, status.version), window.since, scope.repos)
if wanted:
    chosen = data.cause_runs(wanted[:64], scope, window, now, status.version)
    if chosen is None:
        failure_list.unknown(filters.in_words())
        st.stop()
    failure_list.head(chosen, time)
    rows = ("cause-runs", lambda: failure_list.runs_file(chosen, viewer.zone()))
    with panel("Runs", f"newest first · {viewer.zone()}", csv=rows):
        failure_list.run_list(chosen, viewer.zone())
    st.stop()

found = data.causes(scope, window, now, status.version)
told = f"{units.count(found.looked_at)} failed jobs of {filters.in_words()}"
told += f" · {units.count(found.unnamed)} failed runs without a known cause"
with panel("Causes of failures", told, csv=("causes", lambda: failure_list.causes_file(found, now))):
    if found.items:
        failure_list.cause_table(found, now, time)
    else:
        st.caption("No failed job of this time has a log that names a cause.")
