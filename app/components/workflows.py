"""The head of the page of one workflow.

Workflows as a table: broken ones first, each a link to its page.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from app.data.figures import Trends, WorkflowList
from app.status_style import standing_colour, standing_label, standing_reason
from app.widgets import cells
from app.widgets.cells import Cell, anchor
from app.widgets.table import Column, Row, csv_button, long_table, table
from app.widgets.text import html, markdown
from core import formatting
from core.formatting import pluralize
from db.repositories.repository_queries import WorkflowRow
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.change import change
from health.metrics.definitions.episodes import BranchStatus, WorkflowStatus
from health.metrics.service import WorkflowHealth

_MAX_ID = 2**63 - 1


def requested_workflow_id() -> int | None:
    given = st.query_params.get("id", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 and int(given) <= _MAX_ID else None


def unknown_workflow(workflow_id: int) -> None:
    with st.container(border=True, key="state-unknown-workflow"):
        st.markdown(f"### :material/search_off: Workflow {workflow_id} is not known")
        st.markdown("It may have been deleted, or belong to a repository that is not monitored.")
        st.page_link("views/workflow.py", label="All workflows", icon=":material/account_tree:")


def header(
    workflow: WorkflowRow, workflow_standing: BranchStatus | None, schedule_problem: str | None, github_url: str | None
) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="workflow-head"
    ):
        st.html(_head(workflow, workflow_standing), width="stretch")
        if github_url and github_url.startswith("https://"):
            url = f"{github_url}/actions/workflows/{workflow.path.rpartition('/')[2]}"
            st.link_button("View on GitHub", url, icon=":material/open_in_new:")
    if schedule_problem:
        st.caption(f":orange[●] Its schedule is not judged in full: {markdown(schedule_problem)}")


def _head(workflow: WorkflowRow, workflow_standing: BranchStatus | None) -> str:
    standing, branch = (
        (workflow_standing.status, workflow_standing.branch) if workflow_standing else (WorkflowStatus.CATCHING_UP, "")
    )
    state, word = f"ph-{standing_colour(standing)}", standing_reason(standing, branch, workflow.state)
    word += " on the default branch" if standing in (WorkflowStatus.PASSING, WorkflowStatus.FAILING) else ""
    runs = anchor("all its runs", "runs", [("repo", workflow.repo), ("workflow", workflow.name)])
    repo = anchor(workflow.repo, "", [("repo", workflow.repo)])
    return (
        f'<div class="ph-crumb">{anchor("Workflows", "workflow")} / {repo}</div>'
        f'<h2 class="ph-title">{html(workflow.name)}</h2>'
        f'<div class="ph-meta"><span class="ph-pill {state}">{html(word)}</span><code>{html(workflow.path)}</code>'
        f"<span>{runs}</span></div>"
    )


def drawn_note(drawn: int, total: int) -> str:
    """Says what is not drawn."""
    return "" if drawn >= total else f" · the newest {formatting.count(drawn)} of {formatting.count(total)}"


def sample_note(runs: int, total: int) -> str:
    """Of how many runs jobs and steps are."""
    known = (
        f"the newest {formatting.count(runs)} of {pluralize(total, 'run')}" if runs < total else pluralize(runs, "run")
    )
    return f"{known} · most time first"


def no_runs(trends: Trends, period: str) -> bool:
    if trends.comparison.current.runs.total:
        return False
    st.info(f"No run in {period}.", icon=":material/info:")
    return True


_COLUMNS = (
    Column("Workflow", fluid=True),
    Column("Default branch", help="Broken: the last run there that succeeded or failed was a failure; of 90 days"),
    Column("Success rate", width="120px"),
    Column(
        "Change",
        "right",
        "Success rate against the previous period; coloured where it is more than chance",
        "wide_only",
    ),
    Column("Last 20 runs", help="Oldest left; full bars failed", show="wide_only"),
    Column("Trend", help="Success rate over the period", show="desk_only"),
    Column("Runs", "right", show="wide_only"),
    Column("Failed", "right", show="wide_only"),
    Column("Median", "right", "Median duration of successful runs", "wide_only"),
    Column(
        "Change",
        "right",
        "Median duration against the previous period; coloured where it is more than chance",
        "wide_only",
    ),
    Column("p95", "right", "95th percentile of the duration of successful runs", "desk_only"),
    Column("p95 queue", "right", show="desk_only"),
    Column("Last run", "right", show="wide_only"),
)
Query = Sequence[tuple[str, object]]
_PAGE_SIZE = 50
SORT_ORDERS: dict[str, Callable[[WorkflowHealth], Any]] = {
    "Worst first": lambda each: 0,
    "Most runs": lambda each: -each.metrics.runs.total,
    "Most failures": lambda each: -each.metrics.runs.failure,
    "Slowest": lambda each: -(each.metrics.success_duration_seconds.p50 or 0),
    "Most expensive": lambda each: -each.metrics.cost_usd,
    "Name": lambda each: (each.repo, each.workflow),
}


def top_failing(workflows: WorkflowList, now: datetime, time: Query, limit: int) -> None:
    """The first ones, and where to find the rest."""
    table("workflows", _COLUMNS, _rows(workflows.items[:limit], workflows, now, time), caption="Workflows, worst first")
    if len(workflows.items) > limit:
        every = cells.anchor(f"All {formatting.count(len(workflows.items))} workflows", "workflow", time)
        st.html(f'<div class="ph-more">{every}</div>')


def searchable_table(workflows: WorkflowList, now: datetime, time: Query) -> None:
    """All of them, searched, ordered and paged."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="workflow-filters"):
        wanted = st.text_input("Search workflows", key="workflow-q", placeholder="Repository or workflow",
                               icon=":material/search:", label_visibility="collapsed", width=330)  # fmt: skip
        order = st.selectbox("Order", list(SORT_ORDERS), key="workflow-order", label_visibility="collapsed", width=190)
    listed = [each for each in workflows.items if wanted.lower() in f"{each.repo} / {each.workflow}".lower()]
    listed.sort(key=SORT_ORDERS[order])
    if not listed:
        st.caption("No workflow of that name ran in this period.")
        return
    long_table("all-workflows", _COLUMNS, listed, lambda shown: _rows(shown, workflows, now, time), caption="Workflows",
               noun="workflows", reset_key=(order, wanted, time), size=_PAGE_SIZE)  # fmt: skip
    csv_button("workflows", lambda: export_rows(workflows, now))


def export_rows(workflows: WorkflowList, now: datetime) -> tuple[Sequence[Column], Sequence[Row]]:
    """All of them, whatever a page shows."""
    return _COLUMNS, _rows(workflows.items, workflows, now, ())


def workflow_link(repo: str, workflow: str, workflow_id: int, time: Query) -> Cell:
    query = [("id", workflow_id), *time]
    name, place = cells.anchor(workflow, "workflow", query, hover=workflow), html(repo)
    shown = f'<span class="ph-two ph-name">{name}<small title="{place}">{place}</small></span>'
    return Cell(shown, f"{repo} / {workflow}")


def _rows(items: Sequence[WorkflowHealth], workflows: WorkflowList, now: datetime, time: Query) -> list[Row]:
    return [_row(each, workflows, now, time) for each in items]


def _row(item: WorkflowHealth, workflows: WorkflowList, now: datetime, time: Query) -> Row:
    figures, past = item.metrics, workflows.previous.get((item.repo, item.workflow_id))
    stands = workflows.standing(item.repo, item.workflow_id)
    word = html(standing_label(stands.status, stands.branch))
    durations = figures.success_duration_seconds
    return (
        workflow_link(item.repo, item.workflow, item.workflow_id, time),
        Cell(f'<span class="ph-{standing_colour(stands.status)}">{word}</span>', stands.status),
        cells.rate(figures.success_rate),
        cells.change_cell(change(FIGURES["success_rate"], figures, past) if past else None),
        cells.outcomes([outcome for _, outcome in item.recent_outcomes]),
        cells.trend(item.trend, f"Success rate of {item.workflow} over the period"),
        cells.count(figures.runs.total),
        cells.count(figures.runs.failure),
        cells.median(durations),
        cells.change_cell(change(FIGURES["success_duration_p50"], figures, past) if past else None),
        cells.p95(durations),
        cells.p95(figures.queue_seconds),
        cells.ago(item.last_run_at, now),
    )
