"""Two to five runs side by side."""

import streamlit as st

from app import session
from app.components import compare
from app.data.runs import comparison
from app.data.status import load_status
from app.widgets.panel import panel
from app.widgets.text import markdown
from health.metrics.workflows import ComparisonError

status = load_status()
wanted = compare.requested_run_ids()
try:
    found = comparison(wanted, status.version)
except ComparisonError as error:
    compare.nothing_to_compare(markdown(f"{error}."))
    st.stop()

st.html('<h2 class="ph-title">Runs side by side</h2>')
compare.run_heads(found.runs, session.zone())
told = "most changed first · change: last against first"
with panel("Jobs", told, csv=("compared-jobs", lambda: compare.jobs_csv(found))):
    compare.job_table(found, "compared")
