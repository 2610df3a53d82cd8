"""Workflows as a table: broken ones first, each a link to its page."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from app.components import cells
from app.components.cells import Cell
from app.components.table import Column, Row, csv_button, long_table, table
from app.components.text import html
from app.data import Workflows
from app.marks import standing_colour, standing_word
from db.analytics import WorkflowHealth
from db.metrics import units
from db.metrics.catalogue import FIGURES
from db.metrics.change import change

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
        every = cells.anchor(f"All {units.count(len(found.listed))} workflows", "workflow", time)
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
