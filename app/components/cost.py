"""Cost by repository, workflow or runner; waste; and queue times by runner. All values of a column have its unit, which
sorting and the CSV export use."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.workflows import Query, workflow_link
from app.frames.cost import runner_query
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.metric_cards import MetricCard
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.metrics.capacity import RunnerQueue
from health.metrics.cost import CostBreakdown, CostGroup, CostGroupBy, WastedMinutes, WorkflowWaste
from health.metrics.definitions.percentiles import ratio

_SPEND_COLUMNS = (
    Column(
        "Cost",
        "right",
        "Price per minute × billed minutes (rounded up per job); excludes jobs without a known price",
        unit="USD",
    ),
    Column(
        "Price unknown",
        "right",
        "Billed minutes on runners without a known price; not included in the cost",
        "wide_only",
        unit="min",
    ),
    Column(
        "Share",
        width="118px",
        help="Share of the total cost; of the billed minutes if the total cost is 0",
        show="wide_only",
        unit="share",
    ),
    Column(
        "Change",
        "right",
        "Change in cost vs. the previous period (in billed minutes if the total cost is 0)",
        "wide_only",
        unit="share",
    ),
    Column(
        "Billed minutes",
        "right",
        "Job minutes, each job rounded up to a whole minute as in GitHub's billing",
        unit="min",
    ),
    Column("Compute", "right", "Total duration of the jobs over all attempts, not rounded", "desk_only", unit="min"),
    Column(
        "Waste",
        "right",
        "Compute of flaky, cancelled and superseded attempts",
        "wide_only",
        unit="min",
    ),
    Column("Jobs", "right", show="desk_only"),
    Column("Runs", "right", show="desk_only"),
)
_WASTED_COLUMNS = (
    Column("Workflow", fluid=True),
    Column("Waste", "right", "Flaky + cancelled + superseded", unit="min"),
    Column(
        "Waste cost",
        "right",
        "Estimate: the cost of each runner in proportion to the wasted part of its compute",
        unit="USD",
    ),
    Column("Waste share", width="118px", help="Share of the workflow's compute", show="wide_only", unit="share"),
    Column("Flaky", "right", "Failed attempts of runs that passed on a re-run", "wide_only", unit="min"),
    Column("Cancelled", "right", "Cancelled attempts", "wide_only", unit="min"),
    Column("Superseded", "right", "Attempts that were re-run even though they had not failed", "wide_only", unit="min"),
    Column(
        "Genuine failures",
        "right",
        "Failed attempts without a later success of the run; not counted as waste",
        "wide_only",
        unit="min",
    ),
    Column("Never started", "right", "Jobs that no runner accepted; no compute and no cost", "desk_only", unit="jobs"),
)
_QUEUE_COLUMNS = (
    Column("Runner", fluid=True),
    Column("Jobs", "right"),
    Column("Median queue", "right", "Jobs that never started count with the time until they ended", unit="s"),
    Column("p95 queue", "right", "95% of the jobs were queued no longer than this", unit="s"),
    Column("Busiest hour", "right", "Hour in which the most jobs were queued", "wide_only", unit="UTC"),
    Column("Jobs that hour", "right", show="wide_only"),
    Column("Peak concurrency", "right", "Most jobs that ran at the same time in that hour", "wide_only"),
)
# Labels that the note on unknown prices lists.
_MAX_NAMES = 5
SPEND_GROUPS = {"Repository": CostGroupBy.REPO, "Workflow": CostGroupBy.WORKFLOW, "Runner": CostGroupBy.RUNNER}


def spend_table(spending: CostBreakdown, time: Query, by: str) -> None:
    """`by`: the label of the group, a key of SPEND_GROUPS."""
    long_table(
        "spend",
        _spend_columns(by),
        spending.items,
        lambda items: spend_rows(items, time),
        caption="Cost, most expensive first",
        noun="rows",
        reset_key=time,
    )


def _spend_columns(by: str) -> Sequence[Column]:
    return Column(by, fluid=True), *_SPEND_COLUMNS


def spend_export(spending: CostBreakdown, by: str) -> tuple[Sequence[Column], list[Row]]:
    return _spend_columns(by), spend_rows(spending.items, ())


def spend_rows(items: Sequence[CostGroup], time: Query) -> list[Row]:
    return [
        (
            _where(group, time),
            _cost(group),
            _whole_minutes(group.unpriced_minutes) if group.unpriced_minutes else Cell(formatting.NO_DATA, 0),
            cells.rate(group.share, tone="blue"),
            cells.amount_change(group.change),
            _whole_minutes(group.minutes),
            cells.minutes(group.compute_seconds),
            cells.minutes(group.wasted_seconds),
            cells.count(group.jobs),
            cells.count(group.runs) if group.runs is not None else Cell(formatting.NO_DATA, None),
        )
        for group in items
    ]


def wasted_table(wasted: WastedMinutes, time: Query) -> None:
    if not wasted.items:
        st.caption("No attempts in this period were wasted or revealed a defect.")
        return
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
            cells.minutes(workflow.wasted_seconds),
            _estimate(workflow.wasted_usd),
            cells.rate(workflow.share, tone="red"),
            cells.minutes(workflow.flaky_seconds),
            cells.minutes(workflow.cancelled_seconds),
            cells.minutes(workflow.superseded_seconds),
            cells.minutes(workflow.defect_seconds),
            cells.count(workflow.never_started),
        )
        for workflow in items
    ]


def waste_card(wasted: WastedMinutes, trend: Sequence[float | None]) -> MetricCard:
    """`trend`: minutes per time bucket."""
    share = ratio(wasted.wasted_seconds, wasted.compute_seconds)
    parts = (
        ("flaky", wasted.flaky_seconds),
        ("cancelled", wasted.cancelled_seconds),
        ("superseded", wasted.superseded_seconds),
    )
    price = [f"≈ {formatting.money(wasted.wasted_usd)}"] if wasted.wasted_usd else []
    reasons = [f"{name} {formatting.minutes(seconds)}" for name, seconds in parts if seconds]
    # Breaks between the parts of the note only.
    note = " · ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in (*price, *reasons))
    return MetricCard(
        "waste",
        "Waste",
        formatting.minutes(wasted.wasted_seconds),
        " · ".join(part for part in (f"{formatting.percent(share)} of compute", note) if part),
        "Compute of flaky, cancelled and superseded attempts, and its share of all compute. "
        "The amount is an estimate: the cost of each runner in proportion to the wasted part of its compute.",
        trend,
    )


def defect_card(wasted: WastedMinutes, trend: Sequence[float | None]) -> MetricCard:
    """`trend`: minutes per time bucket."""
    never = (
        f"never started: {pluralize(wasted.never_started, 'job')}" if wasted.never_started else "not counted as waste"
    )
    return MetricCard(
        "defects",
        "Genuine failures",
        formatting.minutes(wasted.defect_seconds),
        never,
        "Compute of failed attempts without a later success of the run. They are not waste: the failures are genuine. "
        "Jobs that no runner accepted have no compute and no cost.",
        trend,
    )


def unpriced_note(wasted: WastedMinutes) -> None:
    """Lists the minutes that are not included in the cost."""
    if not wasted.unpriced:
        return
    names = ", ".join(
        f"{formatting.count(minutes)} min on {html(label or 'runners without a label')}"
        for label, minutes in wasted.unpriced[:_MAX_NAMES]
    )
    more = f" and {len(wasted.unpriced) - _MAX_NAMES} more" if len(wasted.unpriced) > _MAX_NAMES else ""
    st.html(
        f'<div class="ph-rest" data-note="unpriced"><span>Price unknown: <b>{names}{more}</b></span>'
        "<span>not included in the cost; set prices in PRICES_FILE</span></div>"
    )


def wasted_export(wasted: WastedMinutes) -> tuple[Sequence[Column], list[Row]]:
    return _WASTED_COLUMNS, wasted_rows(wasted.items, ())


def queue_table(runners: Sequence[RunnerQueue], zone: ZoneInfo, time: Query) -> None:
    long_table(
        "queues",
        _QUEUE_COLUMNS,
        runners,
        lambda items: queue_rows(items, zone, time),
        caption="Queue times by runner",
        noun="runners",
    )


def queue_rows(runners: Sequence[RunnerQueue], zone: ZoneInfo, time: Query) -> list[Row]:
    return [
        (
            _runner(runner.label, time),
            cells.count(runner.jobs),
            cells.duration(runner.p50),
            cells.duration(runner.p95),
            cells.timestamp(runner.busiest_hour, zone),
            cells.count(runner.busiest_jobs),
            Cell(formatting.NO_DATA, None) if runner.peak is None else cells.count(runner.peak),
        )
        for runner in runners
    ]


def queue_export(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _QUEUE_COLUMNS, queue_rows(runners, zone, ())


def truncation_note(spending: CostBreakdown) -> None:
    """Shows from when on runs are included, if not all runs of the period are."""
    if spending.since:
        since = formatting.timestamp(spending.since)
        st.caption(f"Minutes and waste cover runs since {since} only: older runs are deleted or too many to read.")


def _where(item: CostGroup, time: Query) -> Cell:
    if item.workflow_id is not None:
        return workflow_link(item.repo or "", item.key or "", item.workflow_id, time)
    if item.repo is None and item.runs is not None and item.key:
        return cells.link(item.key, "", [("repo", item.key), *time])
    return _runner(item.key, time)


def _runner(label: str | None, time: Query) -> Cell:
    """Leads to the runs with a job on this runner."""
    name, query = label or "no label", runner_query(label)
    link = cells.anchor(name, "runs", [*query, *time], hover=name) if query else html(name)
    return Cell(f'<span class="ph-clip" title="{html(name)}">{link}</span>', label)


def _cost(item: CostGroup) -> Cell:
    """Empty if no billed minute has a known price."""
    if 0 < item.minutes <= item.unpriced_minutes:
        return Cell(formatting.NO_DATA, None)
    return Cell(formatting.money(item.cost_usd), item.cost_usd)


def _estimate(usd: float | None) -> Cell:
    if usd is None:
        return Cell(formatting.NO_DATA, None)
    return Cell(f"≈ {formatting.money(usd)}" if usd else formatting.money(0), usd)


def _whole_minutes(minutes: int) -> Cell:
    return Cell(f"{formatting.count(minutes)} min", minutes)
