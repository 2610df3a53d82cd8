"""The heading of the page of one workflow."""

from zoneinfo import ZoneInfo

import streamlit as st

from app.components.page_head import Crumb, breadcrumb, set_title
from app.data.runs import JobBreakdown
from app.status_style import workflow_status_colour, workflow_status_text
from app.widgets.cells import anchor
from app.widgets.github import github_repository
from app.widgets.text import html, markdown
from core import formatting
from core.formatting import pluralize
from db.repositories.repository_queries import WorkflowRow
from health.insights.regressions import Regression
from health.metrics.definitions.episodes import BranchStatus, WorkflowStatus
from health.metrics.service import Trends

_MAX_ID = 2**63 - 1


def requested_workflow_id() -> int | None:
    value = st.query_params.get("id", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= _MAX_ID else None


def unknown_workflow(workflow_id: int) -> None:
    set_title(f"Workflow {workflow_id} not found")
    with st.container(border=True, key="state-unknown-workflow"):
        st.markdown(f"# :material/search_off: Workflow {workflow_id} not found")
        st.markdown("It may have been deleted, or belong to a repository that is not monitored.")
        st.page_link("views/workflow.py", label="All workflows", icon=":material/account_tree:")


def header(
    workflow: WorkflowRow, branch_status: BranchStatus | None, schedule_problem: str | None, github_url: str | None
) -> None:
    set_title(workflow.repo, workflow.name)
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="workflow-head"
    ):
        st.html(_head(workflow, branch_status), width="stretch")
        if repository := github_repository(github_url):
            st.link_button("View on GitHub", repository.workflow(workflow.path), icon=":material/open_in_new:")
    if schedule_problem:
        st.caption(f":orange[●] Schedule only partly evaluated: {markdown(schedule_problem)}")


def _head(workflow: WorkflowRow, branch_status: BranchStatus | None) -> str:
    workflow_status, branch = (
        (branch_status.status, branch_status.branch) if branch_status else (WorkflowStatus.CATCHING_UP, "")
    )
    state, word = (
        f"ph-{workflow_status_colour(workflow_status)}",
        workflow_status_text(workflow_status, branch, workflow.state),
    )
    word += " on the default branch" if workflow_status in (WorkflowStatus.PASSING, WorkflowStatus.FAILING) else ""
    runs = anchor("View all runs", "runs", [("repo", workflow.repo), ("workflow", workflow.name)])
    crumbs = (
        Crumb("Workflows", "workflow"),
        Crumb(workflow.repo, "workflow", [("repo", workflow.repo)]),
        Crumb(workflow.name),
    )
    return (
        f'{breadcrumb(crumbs)}<h1 class="ph-title">{html(workflow.name)}</h1>'
        f'<div class="ph-meta"><span class="ph-pill {state}">{html(word)}</span><code>{html(workflow.path)}</code>'
        f"<span>{runs}</span></div>"
    )


def drawn_note(drawn: int, total: int) -> str:
    """A note on how many of the runs the chart shows; empty if it shows all."""
    return "" if drawn >= total else f" · latest {formatting.count(drawn)} of {formatting.count(total)} runs"


def sample_text(breakdown: JobBreakdown, regression: Regression | None, period: str, zone: ZoneInfo) -> str:
    """The runs from which the figures of jobs and steps come: the same ones in all tables of the page."""
    runs, total, slowdown = breakdown.jobs.runs, breakdown.jobs.total, breakdown.slowdown
    known = f"latest {formatting.count(runs)} of {pluralize(total, 'run')}" if runs < total else pluralize(runs, "run")
    if slowdown is None or regression is None:
        return f"{known} in {period}"
    since = slowdown.since.astimezone(zone)
    before, after = formatting.count(slowdown.runs_before), formatting.count(slowdown.runs_after)
    sides = f"{before} before the slowdown on {since:%d %b, %H:%M}, {after} after"
    return f"{known} on {regression.branch} in {period}: {sides}"


def no_runs(trends: Trends, period: str) -> bool:
    if trends.comparison.current.runs.total:
        return False
    st.info(f"No runs in {period}.", icon=":material/info:")
    return True
