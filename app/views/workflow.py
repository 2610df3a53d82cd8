"""Workflows page: all workflows; with `?id=`, the runs, branches, jobs and steps of one workflow."""

import streamlit as st

from app import data, filters, frames, session
from app.charts import workflow as charts
from app.components import failure_causes, page_states, slowdown, workflow_jobs, workflows
from app.components import workflow as workflow_head
from app.components.attention import attention
from app.components.freshness import completeness
from app.components.runs import export_rows, run_table
from app.widgets.metric_cards import secondary_metrics, tiles
from app.widgets.panel import figure, panel
from db.enums import Interval

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = data.now(status.version)
window, workflow_id = filters.window(now), workflow_head.requested_workflow_id()
if workflow_id is None:
    chosen = filters.scope()
    completeness(data.completeness(chosen, window, status.version), window.since, chosen.repos)
    with panel("Workflows", filters.describe()):
        workflows.searchable_table(data.workflows(chosen, window, status.version), now, filters.time_query())
    st.stop()

workflow = data.workflow_names(status.version).get(workflow_id)
if workflow is None:
    workflow_head.unknown_workflow(workflow_id)
    st.stop()

scope = filters.workflow_scope(workflow)
attention_items = data.attention(filters.workflow_scope(workflow, branches=()), now, status.version)
standing = data.standing(workflow.repo, workflow.id, status.version)
workflow_head.header(
    workflow, standing, data.schedule_problem(workflow, status.version), data.repository_url(workflow.repo, status)
)
if attention_items:
    attention(attention_items, now)
trends = data.trends(scope, window, filters.interval(), status.version)
if workflow_head.no_runs(trends, filters.describe()):
    st.stop()

clock = frames.bucket_zone(filters.interval(), session.zone())
series = frames.series(trends.points, trends.previous, clock, window=window, now=now)
tiles(trends.comparison, trends.points, filters.period_length(), now)
secondary_metrics(trends.comparison, now)
completeness(trends.comparison.current.data, window.since, scope.repos)

slower = next(
    (
        regression
        for regression in data.regressions(scope, now)
        if regression.kind == "duration" and regression.workflow_id == workflow.id
    ),
    None,
)
runs = data.scatter(scope, window, status.version)
since, until = frames.axis(window, session.zone())
more = workflow_head.drawn_note(len(runs.points), runs.total)
with panel("Runs", f"start time vs. duration · click a dot to open the run · {session.zone()}{more}"):
    marks = frames.markers([slower] if slower else [], "duration", window, session.zone())
    dots = frames.run_points(runs.points, session.zone())
    figure(
        charts.runs(dots, since, until, zone=str(session.zone()), markers=marks),
        "dots",
        "Runs by start and duration",
        opens=True,
    )
if slower and window.since < slower.since < window.until:
    found_slow = data.slowdown(workflow.repo, workflow.id, slower.branch, window, slower.since, status.version)
    csv_slow = "slowdown", lambda: slowdown.export_rows(found_slow)
    with panel("Slower jobs and steps", slowdown.slowdown_text(found_slow, slower, session.zone()), csv=csv_slow):
        slowdown.slowdown_table(found_slow)

branches = frames.by_branch(
    branch_series(selection.workflow_scope(workflow, branches=()), window, status.version), window, now
)
since, until = frames.axis(window, interval=Interval.DAY)
by_day = frames.bucket_text(Interval.DAY, branches, "dashed")
with st.grid(2, min_column_width=320, gap="small"):
    with panel("Success rate by branch", f"busiest branches, {by_day}", stretch=True):
        figure(charts.rates(branches, since, until, dark=session.is_dark()), "branch-rates", "Success rate by branch")
    with panel("Duration by branch", f"median, busiest branches, {by_day}", stretch=True):
        figure(
            charts.durations(branches, since, until, dark=session.is_dark()),
            "branch-durations",
            "Median duration by branch",
        )

anatomy = job_breakdown(workflow.repo, workflow.id, selection.single_branch(), window, status.version)
jobs, steps = anatomy.jobs, anatomy.steps
with panel(
    "Jobs", workflow_head.sample_note(jobs.runs, jobs.total), csv=("jobs", lambda: workflow_jobs.jobs_csv(jobs.items))
):
    workflow_jobs.job_table(jobs.items)
subtitle = workflow_head.sample_note(steps.runs, steps.total)
with panel("Steps", subtitle, csv=("steps", lambda: workflow_jobs.steps_csv(steps.items))):
    workflow_jobs.step_table(steps.items)

causes = findings.causes(scope, window, now, status.version)
if causes.items:
    with panel("Failure causes", "most frequent first", csv=("causes", lambda: failure_causes.causes_csv(causes, now))):
        failure_causes.cause_table(causes, now, filters.time_query())

page, _ = run_page(scope, window, "", None, status.version)
with panel("Latest runs", "", csv=("latest-runs", lambda: export_rows(page.items))):
    run_table("latest-runs", page.items[:15], utc_now(), session.zone())
