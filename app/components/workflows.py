"""The head of the page of one workflow.

Workflows as a table: broken ones first, each a link to its page.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from app.data import Trends, Workflows
from app.status_style import standing_colour, standing_reason, standing_word
from app.widgets import cells
from app.widgets.cells import Cell, anchor
from app.widgets.table import Column, Row, csv_button, long_table, table
from app.widgets.text import html, markdown
from core import formatting
from core.formatting import counted
from db.repositories.repository_queries import WorkflowRow
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.change import change
from health.metrics.definitions.episodes import Standing, WorkflowStanding
from health.metrics.service import WorkflowHealth

_BIGGEST = 2**63 - 1


def wanted_workflow() -> int | None:
    given = st.query_params.get("id", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 and int(given) <= _BIGGEST else None


def unknown(workflow_id: int) -> None:
    with st.container(border=True, key="state-unknown-workflow"):
        st.markdown(f"### :material/search_off: Workflow {workflow_id} is not known")
        st.markdown("It may have been deleted, or belong to a repository that is not monitored.")
        st.page_link("views/workflow.py", label="All workflows", icon=":material/account_tree:")


def header(
    workflow: WorkflowRow, stands: WorkflowStanding | None, schedule_trouble: str | None, github_url: str | None
) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="top", key="workflow-head"
    ):
        st.html(_head(workflow, stands), width="stretch")
        if github_url and github_url.startswith("https://"):
            url = f"{github_url}/actions/workflows/{workflow.path.rpartition('/')[2]}"
            st.link_button("View on GitHub", url, icon=":material/open_in_new:")
    if schedule_trouble:
        st.caption(f":orange[●] Its schedule is not judged in full: {markdown(schedule_trouble)}")


def _head(workflow: WorkflowRow, stands: WorkflowStanding | None) -> str:
    standing, branch = (stands.standing, stands.branch) if stands else (Standing.CATCHING_UP, "")
    state, word = f"ph-{standing_colour(standing)}", standing_reason(standing, branch, workflow.state)
    word += " on the default branch" if standing in (Standing.PASSING, Standing.FAILING) else ""
    runs = anchor("all its runs", "runs", [("repo", workflow.repo), ("workflow", workflow.name)])
    repo = anchor(workflow.repo, "", [("repo", workflow.repo)])
    return (
        f'<div class="ph-crumb">{anchor("Workflows", "workflow")} / {repo}</div>'
        f'<h2 class="ph-title">{html(workflow.name)}</h2>'
        f'<div class="ph-meta"><span class="ph-pill {state}">{html(word)}</span><code>{html(workflow.path)}</code>'
        f"<span>{runs}</span></div>"
    )


def shown_of(found_dots: int, total: int) -> str:
    """Says what is not drawn."""
    return "" if found_dots >= total else f" · the newest {formatting.count(found_dots)} of {formatting.count(total)}"


def read_of(runs: int, total: int) -> str:
    """Of how many runs jobs and steps are."""
    known = f"the newest {formatting.count(runs)} of {counted(total, 'run')}" if runs < total else counted(runs, "run")
    return f"{known} · most time first"


def nothing(found: Trends, period: str) -> bool:
    if found.comparison.now.runs.total:
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
_PAGE = 50
ORDERS: dict[str, Callable[[WorkflowHealth], Any]] = {
    "Worst first": lambda each: 0,
    "Most runs": lambda each: -each.metrics.runs.total,
    "Most failures": lambda each: -each.metrics.runs.failure,
    "Slowest": lambda each: -(each.metrics.success_duration_seconds.p50 or 0),
    "Most expensive": lambda each: -each.metrics.cost_usd,
    "Name": lambda each: (each.repo, each.workflow),
}


def worst(found: Workflows, now: datetime, time: Query, shown: int) -> None:
    """The first ones, and where to find the rest."""
    table("workflows", _COLUMNS, _rows(found.listed[:shown], found, now, time), caption="Workflows, worst first")
    if len(found.listed) > shown:
        every = cells.anchor(f"All {formatting.count(len(found.listed))} workflows", "workflow", time)
        st.html(f'<div class="ph-more">{every}</div>')


def browser(found: Workflows, now: datetime, time: Query) -> None:
    """All of them, searched, ordered and paged."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="workflow-filters"):
        wanted = st.text_input("Search workflows", key="workflow-q", placeholder="Repository or workflow",
                               icon=":material/search:", label_visibility="collapsed", width=330)  # fmt: skip
        order = st.selectbox("Order", list(ORDERS), key="workflow-order", label_visibility="collapsed", width=190)
    listed = [each for each in found.listed if wanted.lower() in f"{each.repo} / {each.workflow}".lower()]
    listed.sort(key=ORDERS[order])
    if not listed:
        st.caption("No workflow of that name ran in this period.")
        return
    long_table("all-workflows", _COLUMNS, listed, lambda shown: _rows(shown, found, now, time), caption="Workflows",
               what="workflows", of=(order, wanted, time), size=_PAGE)  # fmt: skip
    csv_button("workflows", lambda: exported(found, now))


def exported(found: Workflows, now: datetime) -> tuple[Sequence[Column], Sequence[Row]]:
    """All of them, whatever a page shows."""
    return _COLUMNS, _rows(found.listed, found, now, ())


def workflow_link(repo: str, workflow: str, workflow_id: int, time: Query) -> Cell:
    query = [("id", workflow_id), *time]
    name, place = cells.anchor(workflow, "workflow", query, hover=workflow), html(repo)
    shown = f'<span class="ph-two ph-name">{name}<small title="{place}">{place}</small></span>'
    return Cell(shown, f"{repo} / {workflow}")


def _rows(listed: Sequence[WorkflowHealth], found: Workflows, now: datetime, time: Query) -> list[Row]:
    return [_row(each, found, now, time) for each in listed]


def _row(each: WorkflowHealth, found: Workflows, now: datetime, time: Query) -> Row:
    figures, past = each.metrics, found.before.get((each.repo, each.workflow_id))
    stands = found.standing(each.repo, each.workflow_id)
    word = html(standing_word(stands.standing, stands.branch))
    durations = figures.success_duration_seconds
    return (
        workflow_link(each.repo, each.workflow, each.workflow_id, time),
        Cell(f'<span class="ph-{standing_colour(stands.standing)}">{word}</span>', stands.standing),
        cells.rate(figures.success_rate),
        cells.changed(change(FIGURES["success_rate"], figures, past) if past else None),
        cells.outcomes([outcome for _, outcome in each.recent]),
        cells.trend(each.trend, f"Success rate of {each.workflow} over the period"),
        cells.count(figures.runs.total),
        cells.count(figures.runs.failure),
        cells.median(durations),
        cells.changed(change(FIGURES["success_duration_p50"], figures, past) if past else None),
        cells.p95(durations),
        cells.p95(figures.queue_seconds),
        cells.ago(each.last_run_at, now),
    )
