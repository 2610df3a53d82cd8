"""The table of workflows, failing ones first, and its export."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import streamlit as st

from app.data.figures import WorkflowList
from app.filters import view_state
from app.status_style import workflow_status_colour, workflow_status_label
from app.widgets import cells
from app.widgets.cells import Cell, Value
from app.widgets.table import Column, Row, long_table, order_choice, sort_order, table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.change import MIN_SAMPLE, change
from health.metrics.workflow_health import NO_HISTORY, WorkflowHealth, WorkflowHistory

_COLUMNS = (
    Column("Workflow", fluid=True),
    Column(
        "Default branch",
        help="Failing: the last completed run on the default branch failed; runs from the last 90 days",
    ),
    Column("Success rate", width="120px", help="Not ranked if there are fewer than ten runs", unit="share"),
    Column(
        "Change",
        "right",
        "Success rate vs. the previous period; coloured if the change is statistically significant",
        "wide_only",
        unit="share",
        name="success-change",
        file_label="Success rate change",
    ),
    Column(
        "Without infrastructure",
        "right",
        "Success rate without runs that failed by infrastructure alone; muted without such runs",
        "large_only",
        unit="share",
        file_label="Success rate without infrastructure failures",
    ),
    Column(
        "Last 20 runs",
        help="Oldest on the left; full-height bars are failures; sorts by the number of failures",
        show="wide_only",
        unit="failed",
    ),
    Column("Trend", help="Success rate over the period", show="desk_only", in_files=False),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right", show="wide_only"),
    Column("Median", "right", "Median duration of successful runs", "wide_only", unit="s"),
    Column(
        "Change",
        "right",
        "Median duration vs. the previous period; coloured if the change is statistically significant",
        "wide_only",
        unit="share",
        name="median-change",
        file_label="Median change",
    ),
    Column("p95", "right", "95th percentile of the duration of successful runs", "desk_only", unit="s"),
    Column("p95 queue", "right", show="desk_only", unit="s"),
    Column("Cost", "right", "Cost of the runs in the period", "off", unit="USD"),
    Column("Last run", "right", show="wide_only", unit="UTC"),
)
Query = Sequence[tuple[str, object]]
# The number of workflows on the Overview.
TOP_COUNT = 15
_PAGE_SIZE = 50
_TABLE, _SEARCH_PARAMETER, _SEARCH_KEY = "all-workflows", "find", "workflow-q"
# Labels by order of the table in URLs; the first is the order without a parameter.
SORT_ORDERS = {
    "": "Worst first",
    "-runs": "Most runs",
    "-failed": "Most failures",
    "-median": "Slowest",
    "-cost": "Most expensive",
    "workflow": "Name",
}
# Values of columns, so that the order of a long list needs no HTML of all its rows.
_VALUES: dict[str, Callable[[WorkflowHealth], Value]] = {
    "workflow": lambda workflow: f"{workflow.repo} / {workflow.workflow}",
    "success-rate": lambda workflow: (
        cells.rate(workflow.metrics.success_rate, of=workflow.metrics.runs.decided).sort_value
    ),
    "without-infrastructure": lambda workflow: _remaining_rate(workflow).sort_value,
    "runs": lambda workflow: workflow.metrics.runs.total,
    "failed": lambda workflow: workflow.metrics.runs.failure,
    "median": lambda workflow: workflow.metrics.success_duration_seconds.p50,
    "p95": lambda workflow: workflow.metrics.success_duration_seconds.p95,
    "p95-queue": lambda workflow: workflow.metrics.queue_seconds.p95,
    "cost": lambda workflow: workflow.metrics.cost_usd,
}


def top_failing(workflows: WorkflowList, now: datetime, time: Query, limit: int = TOP_COUNT) -> None:
    """The first `limit` workflows, with a link to all of them."""
    table("workflows", _COLUMNS, _rows(workflows.items[:limit], workflows, now, time), caption="Workflows, worst first")
    if len(workflows.items) > limit:
        all_workflows = cells.anchor(f"View all {formatting.count(len(workflows.items))} workflows", "workflow", time)
        st.html(f'<div class="ph-more">{all_workflows}</div>')


def search_text() -> str:
    """The text in the URL that the table of all workflows is searched for."""
    view_state.sync_widget(_SEARCH_PARAMETER, _SEARCH_KEY, "", str)
    return str(st.session_state[_SEARCH_KEY])


def matching(workflows: WorkflowList, search: str) -> list[WorkflowHealth]:
    """The workflows whose repository and name contain the text, in any case."""
    low = search.lower()
    return [item for item in workflows.items if low in f"{item.repo} / {item.workflow}".lower()]


def searchable_table(workflows: WorkflowList, now: datetime, time: Query) -> None:
    """All workflows, with search, order and pages."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="workflow-filters"):
        search = st.text_input(
            "Search workflows",
            key=_SEARCH_KEY,
            placeholder="Repository or workflow",
            icon=":material/search:",
            label_visibility="collapsed",
            max_chars=200,
            width=330,
        )
        st.html(order_choice(_TABLE, SORT_ORDERS, sort_order(_TABLE, _COLUMNS)))
    listed = matching(workflows, search)
    if not listed:
        st.caption("No workflow with runs in this period matches the search.")
        return
    long_table(
        _TABLE,
        _COLUMNS,
        listed,
        lambda page_items: _rows(page_items, workflows, now, time),
        caption="Workflows",
        noun="workflows",
        reset_key=(search, time),
        size=_PAGE_SIZE,
        values=_VALUES,
    )


def workflows_export(
    workflows: WorkflowList, now: datetime, search: str = ""
) -> tuple[Sequence[Column], Sequence[Row]]:
    """The columns and rows of the files of all workflows, or of those that a search matches."""
    return _COLUMNS, _rows(matching(workflows, search), workflows, now, ())


def workflow_link(repo: str, workflow: str, workflow_id: int, time: Query) -> Cell:
    query = [("id", workflow_id), *time]
    name, repo_name = cells.anchor(workflow, "workflow", query, hover=workflow), html(repo)
    shown = f'<span class="ph-two ph-name">{name}<small title="{repo_name}">{repo_name}</small></span>'
    return Cell(shown, f"{repo} / {workflow}")


def _rows(items: Sequence[WorkflowHealth], workflows: WorkflowList, now: datetime, time: Query) -> list[Row]:
    histories = workflows.histories(items)
    return [_row(item, histories.get(item.path, NO_HISTORY), workflows, now, time) for item in items]


def _recent(item: WorkflowHealth, history: WorkflowHistory, time: Query) -> Cell:
    """The outcomes of the last runs, linked to the runs of the workflow."""
    strip = cells.outcomes([outcome for _, outcome in history.recent_outcomes])
    url = cells.address("runs", [("repo", item.repo), ("workflow", item.workflow), *time])
    return replace(strip, html=f'<a href="{html(url)}" target="_self">{strip.html}</a>')


def _remaining_rate(item: WorkflowHealth) -> Cell:
    """The success rate without infrastructure failures; as the success rate, few runs sort last."""
    figures = item.metrics
    rate, number = figures.success_rate_without_infrastructure, figures.infrastructure_failures
    few = figures.runs.decided - (number or 0) < MIN_SAMPLE
    failed = pluralize(figures.runs.failure, "failed run")
    title = (
        f"{formatting.count(number)} of {failed} by infrastructure"
        if number is not None
        else "unknown: no failed run has a cause, or runs are deleted"
    )
    tone = "" if number and not few else "ph-dim"
    shown = f'<span class="{tone}" title="{html(title)}">{formatting.percent(rate)}</span>'
    return Cell(shown, rate, None if few else rate)


def _row(item: WorkflowHealth, history: WorkflowHistory, workflows: WorkflowList, now: datetime, time: Query) -> Row:
    figures, past = item.metrics, history.previous
    branch_status = workflows.default_branch_status(item.repo, item.workflow_id)
    word = html(workflow_status_label(branch_status.status, branch_status.branch))
    durations = figures.success_duration_seconds
    return (
        workflow_link(item.repo, item.workflow, item.workflow_id, time),
        Cell(f'<span class="ph-{workflow_status_colour(branch_status.status)}">{word}</span>', branch_status.status),
        cells.rate(figures.success_rate, of=figures.runs.decided),
        cells.change_cell(change(FIGURES["success_rate"], figures, past) if past else None),
        _remaining_rate(item),
        _recent(item, history, time),
        cells.trend(history.trend, f"Success rate of {item.workflow} over the period"),
        cells.count(figures.runs.total),
        cells.count(figures.runs.failure),
        cells.median(durations),
        cells.change_cell(change(FIGURES["success_duration_p50"], figures, past) if past else None),
        cells.p95(durations),
        cells.p95(figures.queue_seconds),
        cells.money(figures.cost_usd),
        cells.ago(history.last_run_at, now),
    )
