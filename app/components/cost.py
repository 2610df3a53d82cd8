"""Where minutes and money go, what of them served nothing, and how long jobs wait for which runner. The values of a
column have one unit, that of the column: sorting and the file use them."""

from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.workflows import Query, workflow_link
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.metric_cards import MetricCard
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.metrics.capacity import RunnerQueue
from health.metrics.cost import CostBreakdown, CostGroup, CostGroupBy, WastedMinutes, WorkflowWaste
from health.metrics.definitions.distribution import ratio

_SPEND_COLUMNS = (
    Column("Where", fluid=True),
    Column(
        "Cost",
        "right",
        "Price a minute × minutes rounded up per job; jobs without a known price are left out",
        unit="USD",
    ),
    Column(
        "Price unknown",
        "right",
        "Billed minutes of runners whose price is not known: they are not in the cost",
        "wide_only",
        unit="min",
    ),
    Column(
        "Share",
        width="118px",
        help="Of the cost of all; of the billed minutes where nothing costs",
        show="wide_only",
        unit="%",
    ),
    Column(
        "Change",
        "right",
        "Of the cost, against the period before; of the billed minutes where nothing costs",
        "wide_only",
        unit="%",
    ),
    Column("Billed minutes", "right", "Each job rounded up to a whole minute, as GitHub bills", unit="min"),
    Column("Compute", "right", "Time of all jobs over all attempts, not rounded", "desk_only", unit="min"),
    Column(
        "Waste",
        "right",
        "Job time of attempts that were flaky, cancelled or superseded by a re-run",
        "wide_only",
        unit="min",
    ),
    Column("Jobs", "right", show="desk_only"),
    Column("Runs", "right", show="desk_only"),
)
_WASTED_COLUMNS = (
    Column("Workflow", fluid=True),
    Column("Waste", "right", "Flaky + cancelled + superseded", unit="min"),
    Column("Waste cost", "right", "Estimate: the cost by runner in proportion to its wasted time", unit="USD"),
    Column("Waste share", width="118px", help="Of its compute time", show="wide_only", unit="%"),
    Column("Flaky", "right", "Failed attempts of runs that passed when they were re-run", "wide_only", unit="min"),
    Column("Cancelled", "right", "Cancelled attempts", "wide_only", unit="min"),
    Column("Superseded", "right", "Attempts that were re-run although they had not failed", "wide_only", unit="min"),
    Column(
        "Found a defect",
        "right",
        "Attempts that failed without a later success of their run: not waste",
        "wide_only",
        unit="min",
    ),
    Column("Never started", "right", "Jobs that no runner took: no compute, no cost", "desk_only", unit="jobs"),
)
_QUEUE_COLUMNS = (
    Column("Runner", fluid=True),
    Column("Jobs", "right"),
    Column("Median wait", "right", "Jobs that never started waited until they ended", unit="s"),
    Column("p95 wait", "right", "19 of 20 jobs did not wait longer", unit="s"),
    Column("Busiest hour", "right", "In which most jobs were queued", "wide_only"),
    Column("Jobs in it", "right", show="wide_only"),
    Column("At once", "right", "Most jobs that ran at the same time in it", "wide_only"),
)
# Labels that a note names.
_MAX_NAMES = 5
SPEND_GROUPS = {"Repository": CostGroupBy.REPO, "Workflow": CostGroupBy.WORKFLOW, "Runner": CostGroupBy.RUNNER}


def spend_table(spending: CostBreakdown, time: Query) -> None:
    long_table(
        "spend",
        _SPEND_COLUMNS,
        spending.items,
        lambda items: spend_rows(items, time),
        caption="Cost, the most expensive first",
        noun="rows",
        reset_key=time,
    )


def spend_csv(spending: CostBreakdown) -> tuple[Sequence[Column], list[Row]]:
    return _SPEND_COLUMNS, spend_rows(spending.items, ())


def spend_rows(items: Sequence[CostGroup], time: Query) -> list[Row]:
    return [
        (
            _where(group, time),
            _cost(group),
            _whole_minutes(group.unpriced_minutes) if group.unpriced_minutes else Cell(formatting.NO_DATA, 0),
            _percent(group.share, tone="blue"),
            cells.amount_change(group.change),
            _whole_minutes(group.minutes),
            _minutes(group.compute_seconds),
            _minutes(group.wasted_seconds),
            cells.count(group.jobs),
            cells.count(group.runs) if group.runs is not None else Cell(formatting.NO_DATA, None),
        )
        for group in items
    ]


def wasted_table(wasted: WastedMinutes, time: Query) -> None:
    long_table(
        "wasted",
        _WASTED_COLUMNS,
        wasted.items,
        lambda items: wasted_rows(items, time),
        caption="Waste and defects, most waste first",
        noun="workflows",
        reset_key=time,
    )


def wasted_rows(items: Sequence[WorkflowWaste], time: Query) -> list[Row]:
    return [
        (
            workflow_link(workflow.repo, workflow.workflow, workflow.workflow_id, time),
            _minutes(workflow.wasted_seconds),
            _estimate(workflow.wasted_usd),
            _percent(workflow.share, tone="red"),
            _minutes(workflow.flaky_seconds),
            _minutes(workflow.cancelled_seconds),
            _minutes(workflow.superseded_seconds),
            _minutes(workflow.defect_seconds),
            cells.count(workflow.never_started),
        )
        for workflow in items
    ]


def waste_card(wasted: WastedMinutes, trend: Sequence[float | None]) -> MetricCard:
    """`trend` in minutes."""
    share = ratio(wasted.wasted_seconds, wasted.compute_seconds)
    parts = (
        ("flaky", wasted.flaky_seconds),
        ("cancelled", wasted.cancelled_seconds),
        ("superseded", wasted.superseded_seconds),
    )
    note = " · ".join(f"{name} {formatting.minutes(seconds)}" for name, seconds in parts)
    price = f" · ≈ {formatting.money(wasted.wasted_usd)}" if wasted.wasted_usd else ""
    return MetricCard(
        "waste",
        "Waste",
        formatting.minutes(wasted.wasted_seconds),
        f"{formatting.percent(share)} of compute{price} · {note}",
        "Job time of attempts that were flaky, cancelled or superseded by a re-run, and its share of compute. "
        "The money is an estimate: the cost by runner in proportion to its wasted time.",
        trend,
    )


def defect_card(wasted: WastedMinutes, trend: Sequence[float | None]) -> MetricCard:
    """`trend` in minutes."""
    never = f"never started: {pluralize(wasted.never_started, 'job')}" if wasted.never_started else "not waste"
    return MetricCard(
        "defects",
        "Found a defect",
        formatting.minutes(wasted.defect_seconds),
        never,
        "Job time of attempts that failed without a later success of their run: they did what they are for. Jobs that "
        "no runner took have no job time and no cost.",
        trend,
    )


def unpriced_note(wasted: WastedMinutes) -> None:
    """Says which minutes are not in the cost."""
    if not wasted.unpriced:
        return
    names = ", ".join(
        f"{formatting.count(minutes)} min on {html(label or 'runners without a label')}"
        for label, minutes in wasted.unpriced[:_MAX_NAMES]
    )
    more = f" and {len(wasted.unpriced) - _MAX_NAMES} more" if len(wasted.unpriced) > _MAX_NAMES else ""
    st.html(
        f'<div class="ph-rest" data-note="unpriced"><span>Price unknown: <b>{names}{more}</b></span>'
        "<span>not in the cost; PRICES_FILE can give the price</span></div>"
    )


def wasted_csv(wasted: WastedMinutes) -> tuple[Sequence[Column], list[Row]]:
    return _WASTED_COLUMNS, wasted_rows(wasted.items, ())


def queue_table(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> None:
    long_table(
        "queues",
        _QUEUE_COLUMNS,
        runners,
        lambda items: queue_rows(items, zone),
        caption="Waiting for runners",
        noun="runners",
    )


def queue_rows(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> list[Row]:
    return [
        (
            cells.text(runner.label or "no label"),
            cells.count(runner.jobs),
            _seconds(runner.p50),
            _seconds(runner.p95),
            cells.timestamp(runner.busiest_hour, zone),
            cells.count(runner.busiest_jobs),
            Cell(formatting.NO_DATA, None) if runner.peak is None else cells.count(runner.peak),
        )
        for runner in runners
    ]


def queue_csv(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _QUEUE_COLUMNS, queue_rows(runners, zone)


def truncation_note(spending: CostBreakdown) -> None:
    """Says where not everything could be read."""
    if spending.since:
        since = formatting.timestamp(spending.since)
        st.caption(f"Minutes and waste are of runs since {since} only: the others are deleted, or too many to read.")


def _where(item: CostGroup, time: Query) -> Cell:
    if item.workflow_id is not None:
        return workflow_link(item.repo or "", item.key or "", item.workflow_id, time)
    if item.repo is None and item.runs is not None and item.key:
        return cells.link(item.key, "", [("repo", item.key), *time])
    shown = html(item.key or "no label")
    return Cell(f'<span class="ph-clip" title="{shown}">{shown}</span>', item.key)


def _cost(item: CostGroup) -> Cell:
    """Unknown where the price of no billed minute is known."""
    if 0 < item.minutes <= item.unpriced_minutes:
        return Cell(formatting.NO_DATA, None)
    return Cell(formatting.money(item.cost_usd), round(item.cost_usd, 4))


def _estimate(usd: float | None) -> Cell:
    if usd is None:
        return Cell(formatting.NO_DATA, None)
    return Cell(f"≈ {formatting.money(usd)}" if usd else formatting.money(0), round(usd, 4))


def _minutes(seconds: float) -> Cell:
    return Cell(formatting.minutes(seconds), round(seconds / 60, 2))


def _whole_minutes(minutes: int) -> Cell:
    return Cell(f"{formatting.count(minutes)} min", minutes)


def _seconds(seconds: float | None) -> Cell:
    return Cell(formatting.duration(seconds), None if seconds is None else round(seconds, 1))


def _percent(share: float | None, *, tone: Literal["red", "blue"]) -> Cell:
    return Cell(cells.rate(share, tone=tone).html, None if share is None else round(share * 100, 2))
