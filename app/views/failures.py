"""Failures page: failure causes; with `?cause=`, the runs of one cause."""

import streamlit as st

from app import data, filters, session
from app.components import failure_causes, page_states
from app.components.freshness import completeness
from app.widgets.panel import panel
from core.formatting import pluralize

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = data.now(status.version)
scope, window, time = filters.scope(), filters.window(now), filters.time_query()
fingerprint = st.query_params.get("cause", "")
completeness(data.completeness(scope, window, status.version), window.since, scope.repos)
if fingerprint:
    cause_runs = data.cause_runs(fingerprint[:64], scope, window, now, status.version)
    if cause_runs is None:
        failure_causes.unknown_cause(filters.describe())
        st.stop()
    failure_causes.cause_head(cause_runs, time)
    rows = ("cause-runs", lambda: failure_causes.runs_csv(cause_runs, session.zone()))
    with panel("Runs", f"newest first · {session.zone()}", csv=rows):
        failure_causes.run_list(cause_runs, session.zone())
    st.stop()

causes = data.causes(scope, window, now, status.version)
subtitle = f"{pluralize(causes.looked_at, 'failed job')} in {filters.describe()}"
subtitle += f" · {pluralize(causes.unnamed, 'failed run')} with no error extracted"
with panel("Failure causes", subtitle, csv=("causes", lambda: failure_causes.causes_csv(causes, now))):
    if causes.items:
        failure_causes.cause_table(causes, now, time)
    else:
        st.caption("No error was extracted from the logs of failed jobs in this period.")
