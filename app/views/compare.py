"""Two to five runs side by side."""

import streamlit as st

from app import data, session
from app.components import compare
from app.widgets.panel import panel
from app.widgets.text import markdown

status = data.status()
wanted = compare.requested_run_ids()
try:
    found = data.comparison(wanted, status.version)
except data.ComparisonError as error:
    compare.nothing_to_compare(markdown(f"{error}."))
    st.stop()

st.html('<h2 class="ph-title">Runs side by side</h2>')
compare.run_heads(found.runs, session.zone())
told = "most changed first · change: last against first"
with panel("Jobs", told, csv=("compared-jobs", lambda: compare.jobs_csv(found))):
    compare.job_table(found, "compared")
