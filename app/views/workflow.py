"""Workflows page: all workflows; with `?id=`, the runs, branches, jobs and steps of one workflow."""

import streamlit as st

from app import frames, session
from app.charts import workflow as charts
from app.components import cause_filter, chart_links, failure_causes, page_states, slowdown, workflow_jobs, workflows
from app.components import workflow as workflow_head
from app.components.attention import attention
from app.components.freshness import completeness
from app.components.runs import export_note, order_text, run_order, run_table, runs_export
from app.data import figures, findings
from app.data import runs as runs_data
from app.data.connection import utc_now
from app.data.runs import all_runs, branch_series, changes_since_success, run_page, run_scatter
from app.data.status import load_status, repository_url, window_end
from app.filters import selection
from app.widgets.exports import SearchResult
from app.widgets.metric_cards import metric_cards, secondary_metrics
from app.widgets.panel import figure, panel
from db.enums import Interval
from db.runs.run_queries import NEWEST_FIRST

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
window, workflow_id = selection.window(now), workflow_head.requested_workflow_id()
if workflow_id is None:
    chosen = selection.scope()
    completeness(figures.completeness(chosen, window, status.version), window.since, chosen.repos)
    listed = figures.workflows(chosen, window, status.version)
    rows = "workflows", lambda: workflows.workflows_export(listed, now)
    text = workflows.search_text()
    number = len(workflows.matching(listed, text))
    result = SearchResult(number, lambda: workflows.workflows_export(listed, now, text)) if text else None
    with panel("Workflows", selection.describe(), export=rows, search=result):
        workflows.searchable_table(listed, now, selection.time_query())
    st.stop()

workflow = figures.workflow_names(status.version).get(workflow_id)
if workflow is None:
    workflow_head.unknown_workflow(workflow_id)
    st.stop()

scope = selection.workflow_scope(workflow)
attention_items = findings.attention(selection.workflow_scope(workflow, branches=()), now, status.version)
branch_status = figures.default_branch_status(workflow.repo, workflow.id, status.version)
workflow_head.header(
    workflow, branch_status, figures.schedule_problem(workflow, status.version), repository_url(workflow.repo, status)
)
if attention_items:
    attention(attention_items, now)
trends = figures.trends(scope, window, selection.interval(), status.version)
if workflow_head.no_runs(trends, selection.describe()):
    st.stop()

clock = frames.bucket_zone(selection.interval(), session.zone())
series = frames.series(trends.points, trends.previous, clock, window=window, now=now)
metric_cards(trends.comparison, trends.points, selection.period_length(), now, links=chart_links.of_figures(workflow))
secondary_metrics(trends.comparison, now)
completeness(trends.comparison.current.data, window.since, scope.repos)

slower = next(
    (
        regression
        for regression in findings.regressions(scope, now)
        if regression.kind == "duration" and regression.workflow_id == workflow.id
    ),
    None,
)
runs = run_scatter(scope, window, status.version)
since, until = frames.axis(window, session.zone())
more = workflow_head.drawn_note(len(runs.points), runs.total)
with panel("Runs", f"start time vs. duration · click a dot to open the run · {session.zone()}{more}"):
    marks = frames.markers([slower] if slower else [], "duration", window, session.zone())
    dots = frames.run_points(runs.points, session.zone())
    figure(
        charts.runs(dots, since, until, zone=str(session.zone()), markers=marks),
        "dots",
        "Runs by start and duration",
        chart_links.of_points(window, selection.interval(), now, session.zone(), [slower] if slower else []),
    )
if slower and not window.since < slower.since < window.until:
    slower = None
arguments = workflow.repo, workflow.id
breakdown = (
    runs_data.slowdown_breakdown(*arguments, slower.branch, window, slower.since, status.version)
    if slower
    else runs_data.job_breakdown(*arguments, selection.single_branch(), window, status.version)
)
sample = workflow_head.sample_text(breakdown, slower, selection.describe(), session.zone())
if slower and breakdown.slowdown:
    slow_jobs = breakdown.slowdown
    export = "slowdown", lambda: slowdown.slowdown_export(slow_jobs)
    with panel("Slower jobs and steps", sample, key=chart_links.SLOWDOWN_SECTION, export=export):
        previous = changes_since_success(slower.first_run.id, status.version, jobs=False)
        slowdown.compare_link(slower, previous.last_success if previous else None)
        slowdown.slowdown_table(slow_jobs, window)

branches = frames.by_branch(
    branch_series(selection.workflow_scope(workflow, branches=()), window, status.version), window, now
)
since, until = frames.axis(window, interval=Interval.DAY)
by_day = frames.bucket_text(Interval.DAY, branches, "dashed")
links = chart_links.over_time(window, Interval.DAY, now, workflow=workflow, by_branch=True)
with st.grid(2, min_column_width=320, gap="small"):
    with panel("Success rate by branch", f"busiest branches, {by_day}", stretch=True):
        figure(
            charts.rates(branches, since, until, dark=session.is_dark()),
            "branch-rates",
            "Success rate by branch",
            links,
        )
    with panel("Duration by branch", f"median, busiest branches, {by_day}", stretch=True):
        figure(
            charts.durations(branches, since, until, dark=session.is_dark()),
            "branch-durations",
            "Median duration by branch",
            links,
        )

with panel("Jobs", f"{sample} · longest first", export=("jobs", lambda: workflow_jobs.jobs_export(breakdown))):
    workflow_jobs.job_table(breakdown)
with panel("Steps", f"{sample} · longest first", export=("steps", lambda: workflow_jobs.steps_export(breakdown))):
    workflow_jobs.step_table(breakdown)

causes = findings.causes(scope, window, now, status.version)
if causes.items:
    new_since = cause_filter.new_since(trends.comparison.current.data, window, status.version)
    rows = "causes", lambda: failure_causes.causes_export(causes.items, now, new_since)
    with panel("Failure causes", "most frequent first", export=rows):
        failure_causes.cause_table(causes.items, now, selection.time_query(), new_since)

order = run_order("latest-runs", lambda: run_page(scope, window, "", None, status.version)[1])
page, total = run_page(scope, window, "", None, status.version, order)
with panel(
    "Runs" if order != NEWEST_FIRST else "Latest runs",
    order_text(order),
    export=("runs", lambda: runs_export(all_runs(scope, window, "", order))),
    export_note=export_note(total, order),
):
    shown = page.items[:15]
    time = selection.time_query()
    run_table("latest-runs", shown, utc_now(), session.zone(), of_workflow=True, time=time, total=total)
