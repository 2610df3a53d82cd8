"""One run: its attempts, its jobs on a common clock, and why it failed."""

import streamlit as st

from app import data, frames, viewer
from app.charts.timeline import timeline
from app.components import compare_parts, job_list, run_parts
from app.components.freshness import completeness
from app.components.log_view import job_log
from app.components.panel import figure, panel
from db.metrics.scope import Scope

status = data.status()
run_id = run_parts.wanted_run()
if run_id is None:
    run_parts.nothing_chosen()
    st.stop()

newest = data.run_detail(run_id, None, status.version)
if newest is None:
    run_parts.unknown(run_id)
    st.stop()

run_parts.header(newest.run)
attempt = run_parts.choose_attempt(newest)
found = data.attempt_detail(newest, attempt, status.version) or newest
logs = data.run_logs(run_id, attempt, status.version, failing=run_parts.many(found.jobs))
run_parts.causes(found, logs, attempt, data.run_cause(run_id, attempt, status.version))
run_parts.facts(newest.run, found, attempt)
repo = Scope(repos=(newest.run.repo,))
completeness(
    data.completeness(repo, run_parts.window_of(newest.run), status.version), newest.run.created_at, repo.repos
)

if run_parts.many(found.jobs):
    with panel("All jobs", "failed ones first · a job leads to its log",
               csv=job_list.jobs_csv(found.jobs, run_id, attempt, viewer.zone())):  # fmt: skip
        job_list.job_list(found.jobs, run_id, attempt, viewer.zone())
jobs = frames.drawable(found.jobs)
frame = frames.timeline(found.jobs, run_parts.started_at(found, attempt), data.clock(), run_parts.MOST_BARS)
with panel("Timeline" if run_parts.many(found.jobs) else "Jobs", run_parts.timeline_words(len(frame), len(jobs))):
    if len(frame):
        figure(timeline(frame), "timeline", "Jobs of the run over time")
    else:
        st.caption("No job of this attempt is known: it never started, or its jobs are still being read.")
    run_parts.left_out(found)
    run_parts.steps(found, attempt, status.version)

failing, others = run_parts.logs_in_view(logs)
urls = {job.id: job.html_url for job in found.jobs}
for row in failing:
    job_log(row, run_id, attempt, urls.get(row.job_id))
if newest.run.conclusion:
    on_demand = len(found.jobs) > compare_parts.MOST_AT_ONCE
    changes = data.since_green(run_id, status.version, jobs=not on_demand)
    if changes:
        told = "what changed: commits and jobs" + (" of the latest attempt" if attempt != newest.run.attempt else "")
        with panel("Since the last success", told, csv=compare_parts.since_green_csv(changes, run_id, status.version)):
            compare_parts.since_green(changes, viewer.zone())
            if on_demand and changes.green:
                compare_parts.jobs_on_demand(run_id, status.version)

if others and not run_parts.many(found.jobs):
    run_parts.other_logs(others, run_id, attempt)
