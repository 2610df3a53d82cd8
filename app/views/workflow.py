"""Every workflow; and, chosen by `?id=`, one of them: its runs, branches, jobs and steps."""

import streamlit as st

from app import frames, session
from app.charts import workflow as lines
from app.charts import workflow as scatter
from app.components import failures, workflows
from app.components import jobs as job_tables
from app.components import jobs as slowdown_table
from app.components.attention import attention
from app.components.runs import export_rows, run_table
from app.data import figures, findings
from app.data.connection import utc_now
from app.data.runs import branch_series, job_breakdown, run_page, run_scatter, slowdown
from app.data.status import load_status, repository_url, window_end
from app.filters import selection
from app.widgets import states
from app.widgets.panel import figure, panel
from app.widgets.states import completeness
from app.widgets.tiles import secondary_metrics, tiles
from db.enums import Interval

status = load_status()
if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
window, wanted = selection.window(now), workflows.requested_workflow_id()
if wanted is None:
    chosen = selection.scope()
    completeness(figures.completeness(chosen, window, status.version), window.since, chosen.repos)
    with panel("Workflows", selection.describe()):
        workflows.searchable_table(figures.workflows(chosen, window, status.version), now, selection.time_query())
    st.stop()

workflow = figures.workflow_names(status.version).get(wanted)
if workflow is None:
    workflows.unknown_workflow(wanted)
    st.stop()

scope = selection.workflow_scope(workflow)
needs = findings.attention(selection.workflow_scope(workflow, branches=()), now, status.version)
stands = figures.standing(workflow.repo, workflow.id, status.version)
workflows.header(
    workflow, stands, figures.schedule_problem(workflow, status.version), repository_url(workflow.repo, status)
)
if needs:
    attention(needs, now)
found = figures.trends(scope, window, selection.interval(), status.version)
if workflows.no_runs(found, selection.describe()):
    st.stop()

clock = frames.bucket_zone(selection.interval(), session.zone())
series = frames.series(found.points, found.previous, clock, window=window, now=now)
tiles(found.comparison, found.points, selection.period_length(), now)
secondary_metrics(found.comparison, now)
completeness(found.comparison.current.data, window.since, scope.repos)

slower = next((each for each in findings.regressions(scope, now)
               if each.kind == "duration" and each.workflow_id == workflow.id), None)  # fmt: skip
runs = run_scatter(scope, window, status.version)
since, until = frames.axis(window, session.zone())
more = workflows.drawn_note(len(runs.points), runs.total)
with panel("Runs", f"each by its start and duration · click one to open it · {session.zone()}{more}"):
    marks = frames.markers([slower] if slower else [], "duration", window, session.zone())
    dots = frames.run_points(runs.points, session.zone())
    figure(scatter.runs(dots, since, until, zone=str(session.zone()), markers=marks), "dots",
           "Runs by start and duration", opens=True)  # fmt: skip
if slower and window.since < slower.since < window.until:
    found_slow = slowdown(workflow.repo, workflow.id, slower.branch, window, slower.since, status.version)
    csv_slow = "slowdown", lambda: slowdown_table.export_rows(found_slow)
    with panel("What got slower", slowdown_table.slowdown_text(found_slow, slower, session.zone()), csv=csv_slow):
        slowdown_table.slowdown_table(found_slow)

branches = frames.by_branch(
    branch_series(selection.workflow_scope(workflow, branches=()), window, status.version), window, now
)
since, until = frames.axis(window, interval=Interval.DAY)
by_day = frames.bucket_text(Interval.DAY, branches, "dashed")
with st.grid(2, min_column_width=320, gap="small"):
    with panel("Success rate by branch", f"the busiest, {by_day}", stretch=True):
        figure(lines.rates(branches, since, until, dark=session.is_dark()), "branch-rates", "Success rate by branch")
    with panel("Duration by branch", f"median of the busiest, {by_day}", stretch=True):
        figure(lines.durations(branches, since, until, dark=session.is_dark()), "branch-durations",
               "Median duration by branch")  # fmt: skip

anatomy = job_breakdown(workflow.repo, workflow.id, selection.single_branch(), window, status.version)
jobs, steps = anatomy.jobs, anatomy.steps
with panel("Jobs", workflows.sample_note(jobs.runs, jobs.total), csv=("jobs", lambda: job_tables.jobs_csv(jobs.items))):
    job_tables.job_table(jobs.items)
told = workflows.sample_note(steps.runs, steps.total)
with panel("Steps", told, csv=("steps", lambda: job_tables.steps_csv(steps.items))):
    job_tables.step_table(steps.items)

causes = findings.causes(scope, window, now, status.version)
if causes.items:
    with panel("Causes of failures", "most frequent first", csv=("causes", lambda: failures.causes_csv(causes, now))):
        failures.cause_table(causes, now, selection.time_query())

page, _ = run_page(scope, window, "", None, status.version)
with panel("Latest runs", "", csv=("latest-runs", lambda: export_rows(page.items))):
    run_table("latest-runs", page.items[:15], utc_now(), session.zone())
