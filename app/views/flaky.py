"""What fails and then passes on the same code."""

import streamlit as st

from app.components import failures
from app.data import figures, findings
from app.data.status import load_status, window_end
from app.filters import selection
from app.widgets import states
from app.widgets.panel import panel
from app.widgets.states import completeness
from health.insights.flaky import RERUN_DELAY

status = load_status()
if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
scope, window = selection.scope(), selection.window(now)
found = findings.flaky(scope, window, status.version)
completeness(figures.completeness(scope, window, status.version), window.since, scope.repos)
told = f"failed, then passed without a change, in {selection.describe()} · the surest first"
with panel("Flaky", told, csv=("flaky", lambda: failures.flaky_csv(found, now))):
    if found:
        failures.flaky_table(found, now, selection.time_query())
        if selection.window(now).until > now - RERUN_DELAY:
            st.caption("Runs of the last 24 hours may still be re-run: their number of flaky ones is not final.")
    else:
        st.caption("Nothing failed and then passed on the same code in this time.")
