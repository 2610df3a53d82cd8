"""Run page: attempts, failure causes, timeline and logs of the jobs, and changes since the last success."""

import streamlit as st

from app import frames, session
from app.charts.timeline import timeline
from app.components import compare, run, run_failure, run_jobs
from app.components.freshness import completeness
from app.components.logs import job_log
from app.data import figures, findings
from app.data.connection import utc_now
from app.data.runs import attempt_detail, changes_since_success, run_detail, run_logs, usual_duration
from app.data.status import load_status, window_end
from app.widgets.panel import figure, panel
from db.definitions.scope import Scope

status = load_status()
run_id = run.requested_run_id()
if run_id is None:
    run.no_run_selected()
    st.stop()

newest = run_detail(run_id, None, status.version)
if newest is None:
    run.unknown_run(run_id)
    st.stop()

attempt = run.selected_attempt(newest)
run.header(newest, attempt)
run.attempt_control(newest)
detail = attempt_detail(newest, attempt, status.version) or newest
logs = run_logs(run_id, attempt, status.version, failing=run.has_many_jobs(detail.jobs))
# The jobs of large runs are compared on demand.
on_demand = len(detail.jobs) > compare.MAX_INLINE_JOBS
changes = changes_since_success(run_id, status.version, jobs=not on_demand) if newest.run.conclusion else None
run_failure.why_failed(detail, logs, attempt, window_end(status.version), changes, session.zone(), status.version)
if len(newest.attempts) > 1:
    run_failure.attempts(findings.attempt_evidence(run_id, status.version), newest.run)
run.facts(newest.run, detail, attempt, usual_duration(run_id, status.version))
repo = Scope(repos=(newest.run.repo,))
completeness(figures.completeness(repo, run.window_of(newest.run), status.version), newest.run.created_at, repo.repos)

if run.has_many_jobs(detail.jobs):
    run_jobs.job_panel(detail.jobs, run_id, attempt, session.zone())
jobs = frames.drawable(detail.jobs)
frame = frames.timeline(detail.jobs, run.started_at(detail, attempt), utc_now(), run.bar_limit(jobs), run_id)
with panel("Timeline" if run.has_many_jobs(detail.jobs) else "Jobs", run.timeline_subtitle(len(frame), len(jobs))):
    if len(frame):
        figure(timeline(frame), "timeline", "Timeline of the run's jobs")
    else:
        st.caption("No jobs are stored for this attempt: it never started, or its jobs are not fetched yet.")
    run.omitted_jobs_note(detail)
    run.steps(detail, attempt, status.version)

failing, others = run.logs_in_view(logs)
urls = run.github_urls(newest.run, detail.jobs)
for row in failing:
    job_log(row, run_id, urls.get(row.job_id))
if changes:
    subtitle = "changed commits and jobs" + (" of the latest attempt" if attempt != newest.run.attempt else "")
    with panel("Since the last success", subtitle, export=compare.since_green_export(changes, run_id, status.version)):
        compare.since_green(changes, session.zone())
        if on_demand and changes.last_success:
            compare.deferred_jobs(run_id, status.version)

if others and not run.has_many_jobs(detail.jobs):
    run.other_logs(others, run_id, attempt)
