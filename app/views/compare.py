"""Compare page: two to five runs side by side."""

import streamlit as st

from app import session
from app.components import compare
from app.data.runs import comparison
from app.data.status import load_status
from app.widgets.panel import panel
from app.widgets.text import markdown
from health.metrics.workflows import ComparisonError

status = load_status()
run_ids = compare.requested_run_ids()
try:
    compared = comparison(run_ids, status.version)
except ComparisonError as error:
    compare.nothing_to_compare(markdown(f"{error}."))
    st.stop()

st.html('<h2 class="ph-title">Compare runs</h2>')
compare.run_heads(compared.runs, session.zone())
subtitle = "largest change first · change: last vs. first run"
with panel("Jobs", subtitle, csv=("compared-jobs", lambda: compare.jobs_csv(compared))):
    compare.job_table(compared, "compared")
