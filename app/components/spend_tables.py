"""Where minutes and money go, what was wasted, and how long jobs wait for which runner."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import cells
from app.components.cells import Cell
from app.components.table import Column, Row, table
from app.components.text import html
from app.components.workflow_table import Query, workflow_link
from db.capacity import RunnerQueue, Spend, SpendBy, Spending, Wasted
from db.metrics import units

_SPEND = (
    Column("Where", fluid=True),
    Column("Cost", "right", "Price a minute × minutes rounded up per job"),
    Column("Share", width="118px", show="wide_only"),
    Column("Change", "right", "Against the period before", "wide_only"),
    Column("Minutes", "right", "Rounded up per job, as GitHub bills"),
    Column("Wasted", "right", "Job time of attempts that failed, were cancelled or were run again", "wide_only"),
    Column("Jobs", "right", show="desk_only"),
    Column("Runs", "right", show="desk_only"),
)
_WASTED = (
    Column("Workflow", fluid=True),
    Column("Wasted", "right"),
    Column("Share", width="118px", help="Of its compute time"),
    Column("Failed", "right", "In attempts that failed", "wide_only"),
    Column("Cancelled", "right", show="wide_only"),
    Column("Run again", "right", "In attempts that a re-run superseded", "wide_only"),
)
_QUEUES = (
    Column("Runner", fluid=True),
    Column("Jobs", "right"),
    Column("Median wait", "right"),
    Column("p95 wait", "right"),
    Column("Busiest hour", "right", "In which most jobs were queued", "wide_only"),
    Column("Jobs in it", "right", show="wide_only"),
    Column("At once", "right", "Most jobs that ran at the same time in it", "wide_only"),
)
_MOST = 100
BY = {"Repository": SpendBy.REPO, "Workflow": SpendBy.WORKFLOW, "Runner": SpendBy.RUNNER}


def spend_table(found: Spending, time: Query) -> None:
    table("spend", _SPEND, spend_rows(found.items[:_MOST], time), caption="Cost, the most expensive first")


def spend_file(found: Spending) -> tuple[Sequence[Column], list[Row]]:
    return _SPEND, spend_rows(found.items, ())


def spend_rows(items: Sequence[Spend], time: Query) -> list[Row]:
    return [
        (
            _where(each, time),
            cells.money(each.cost_usd),
            cells.rate(each.share, tone="blue"),
            cells.change(each.change),
            Cell(f"{units.count(each.minutes)} min", each.minutes),
            cells.minutes(each.wasted_seconds),
            cells.count(each.jobs),
            cells.count(each.runs) if each.runs is not None else Cell(units.NO_DATA, None),
        )
        for each in items
    ]


def wasted_table(found: Wasted, time: Query) -> None:
    table("wasted", _WASTED, wasted_rows(found, time)[:_MOST], caption="Wasted time, most first")


def wasted_rows(found: Wasted, time: Query) -> list[Row]:
    return [
        (
            workflow_link(each.repo, each.workflow, each.workflow_id, time),
            cells.minutes(each.wasted_seconds),
            cells.rate(each.share, tone="red"),
            cells.minutes(each.failed_seconds),
            cells.minutes(each.cancelled_seconds),
            cells.minutes(each.superseded_seconds),
        )
        for each in found.items
    ]


def wasted_file(found: Wasted) -> tuple[Sequence[Column], list[Row]]:
    return _WASTED, wasted_rows(found, ())


def queue_table(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> None:
    table("queues", _QUEUES, queue_rows(runners[:_MOST], zone), caption="Waiting for runners")


def queue_rows(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> list[Row]:
    return [
        (
            cells.text(each.label or "no label"),
            cells.count(each.jobs),
            cells.duration(each.p50),
            cells.duration(each.p95),
            cells.when(each.busiest_hour, zone),
            cells.count(each.busiest_jobs),
            Cell(units.NO_DATA, None) if each.peak is None else cells.count(each.peak),
        )
        for each in runners
    ]


def queue_file(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _QUEUES, queue_rows(runners, zone)


def limited(found: Spending) -> None:
    """Says where not everything could be read."""
    if found.since:
        since = units.timestamp(found.since)
        st.caption(f"Minutes are of runs since {since} only: the others are deleted, or too many to read.")


def _where(each: Spend, time: Query) -> Cell:
    if each.workflow_id is not None:
        return workflow_link(each.repo or "", each.key or "", each.workflow_id, time)
    if each.repo is None and each.runs is not None and each.key:
        return cells.link(each.key, "", [("repo", each.key), *time])
    shown = html(each.key or "no label")
    return Cell(f'<span class="ph-clip" title="{shown}">{shown}</span>', each.key)
