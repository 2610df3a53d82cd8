"""Every workflow; and, chosen by `?id=`, one of them."""

import streamlit as st

from app import data, filters
from app.components import states, workflow_table
from app.components.panel import panel

status = data.status()
if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

now = data.now(status.version)
window = filters.window(now)
with panel("Workflows", filters.in_words()):
    workflow_table.browser(data.workflows(filters.scope(), window, status.version), now, filters.time_query())
