"""Two to five runs side by side."""

import streamlit as st

from app import data, viewer
from app.components import compare_parts
from app.components.panel import panel
from app.components.text import markdown

status = data.status()
wanted = compare_parts.wanted_runs()
try:
    found = data.comparison(wanted, status.version)
except data.CannotCompare as error:
    compare_parts.nothing_to_compare(markdown(f"{error}."))
    st.stop()

st.html('<h2 class="ph-title">Runs side by side</h2>')
compare_parts.run_heads(found.runs, viewer.zone())
told = "most changed first · change: last against first"
with panel("Jobs", told, csv=("compared-jobs", lambda: compare_parts.jobs_file(found))):
    compare_parts.job_table(found, "compared")
