"""Every workflow; and, chosen by `?id=`, one of them."""

import streamlit as st

from app import data, filters
from app.components import states, workflow_table
from app.components.panel import panel

status = data.status()
if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

window = filters.window(data.now(status.version))
with panel("Workflows", f"the last {filters.period()}"):
    workflow_table.browser(data.workflows(filters.scope(), window, status.version), window.until, filters.period())
