"""Flaky page: workflows whose runs fail and then pass on the same code."""

import streamlit as st

from app import data, filters
from app.components import flaky_workflows, page_states
from app.components.freshness import completeness
from app.widgets.panel import panel
from health.insights.flaky import RERUN_DELAY

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = data.now(status.version)
scope, window = filters.scope(), filters.window(now)
workflows = data.flaky(scope, window, status.version)
completeness(data.completeness(scope, window, status.version), window.since, scope.repos)
subtitle = f"failed, then passed on re-run with no code change, in {filters.describe()} · most certain first"
with panel("Flaky workflows", subtitle, csv=("flaky", lambda: flaky_workflows.flaky_csv(workflows, now))):
    if workflows:
        flaky_workflows.flaky_table(workflows, now, filters.time_query())
        if filters.window(now).until > now - RERUN_DELAY:
            st.caption("Runs of the last 24 hours may still be re-run, so their number of flaky runs is provisional.")
    else:
        st.caption("No run failed and then passed on the same code in this period.")
