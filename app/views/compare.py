"""Compare page: two to five runs side by side."""

import streamlit as st

from app import session
from app.components import compare, compare_details, page_states
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

compare.header(compared.runs)
compare.run_heads(compared.runs, session.zone())
job = compare_details.selected_job(compared)


def logs() -> None:
    if job:
        with panel("Logs", compare_details.diff_subtitle(compared, job), key="log-differences"):
            compare_details.log_differences(compared, job, status.version)


if "job" in st.query_params:
    if job is None:
        page_states.query_problems(["job: the first and the last run do not both have this job."])
    logs()
subtitle = "largest change first · change: last vs. first run"
with panel("Jobs", subtitle, export=("compared-jobs", lambda: compare.jobs_export(compared))):
    compare.job_table(compared, "compared")
if steps := compare_details.compared_steps(compared, status.version):
    rows = "compared-steps", lambda: compare_details.steps_export(compared, steps)
    with panel("Steps", "by job, largest change first · change: last vs. first run", export=rows):
        compare_details.step_tables(compared, steps)
if "job" not in st.query_params:
    logs()
