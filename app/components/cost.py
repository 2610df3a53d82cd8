"""Where minutes and money go, what of them served nothing, and how long jobs wait for which runner. The values of a
column have one unit, that of the column: sorting and the file use them."""

from collections.abc import Sequence
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.workflows import Query, workflow_link
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html
from app.widgets.tiles import Card
from core import formatting
from core.formatting import counted
from health.metrics.capacity import RunnerQueue
from health.metrics.cost import Spend, SpendBy, Spending, Waste, Wasted
from health.metrics.definitions.distribution import ratio

_SPEND = (
    Column("Where", fluid=True),
    Column("Cost", "right", "Price a minute × minutes rounded up per job; jobs without a known price are left out",
           unit="USD"),
    Column("Price unknown", "right", "Billed minutes of runners whose price is not known: they are not in the cost",
           "wide_only", unit="min"),
    Column("Share", width="118px", help="Of the cost of all; of the billed minutes where nothing costs",
           show="wide_only", unit="%"),
    Column("Change", "right", "Of the cost, against the period before; of the billed minutes where nothing costs",
           "wide_only", unit="%"),
    Column("Billed minutes", "right", "Each job rounded up to a whole minute, as GitHub bills", unit="min"),
    Column("Compute", "right", "Time of all jobs over all attempts, not rounded", "desk_only", unit="min"),
    Column("Waste", "right", "Job time of attempts that were flaky, cancelled or superseded by a re-run", "wide_only",
           unit="min"),
    Column("Jobs", "right", show="desk_only"),
    Column("Runs", "right", show="desk_only"),
)  # fmt: skip
_WASTED = (
    Column("Workflow", fluid=True),
    Column("Waste", "right", "Flaky + cancelled + superseded", unit="min"),
    Column("Waste cost", "right", "Estimate: the cost by runner in proportion to its wasted time", unit="USD"),
    Column("Waste share", width="118px", help="Of its compute time", show="wide_only", unit="%"),
    Column("Flaky", "right", "Failed attempts of runs that passed when they were re-run", "wide_only", unit="min"),
    Column("Cancelled", "right", "Cancelled attempts", "wide_only", unit="min"),
    Column("Superseded", "right", "Attempts that were re-run although they had not failed", "wide_only", unit="min"),
    Column("Found a defect", "right", "Attempts that failed without a later success of their run: not waste",
           "wide_only", unit="min"),
    Column("Never started", "right", "Jobs that no runner took: no compute, no cost", "desk_only", unit="jobs"),
)  # fmt: skip
_QUEUES = (
    Column("Runner", fluid=True),
    Column("Jobs", "right"),
    Column("Median wait", "right", "Jobs that never started waited until they ended", unit="s"),
    Column("p95 wait", "right", "19 of 20 jobs did not wait longer", unit="s"),
    Column("Busiest hour", "right", "In which most jobs were queued", "wide_only"),
    Column("Jobs in it", "right", show="wide_only"),
    Column("At once", "right", "Most jobs that ran at the same time in it", "wide_only"),
)
# Labels that a note names.
_NAMED = 5
BY = {"Repository": SpendBy.REPO, "Workflow": SpendBy.WORKFLOW, "Runner": SpendBy.RUNNER}


def spend_table(found: Spending, time: Query) -> None:
    long_table("spend", _SPEND, found.items, lambda items: spend_rows(items, time),
               caption="Cost, the most expensive first", what="rows", of=time)  # fmt: skip


def spend_file(found: Spending) -> tuple[Sequence[Column], list[Row]]:
    return _SPEND, spend_rows(found.items, ())


def spend_rows(items: Sequence[Spend], time: Query) -> list[Row]:
    return [
        (
            _where(each, time),
            _cost(each),
            _whole_minutes(each.unpriced_minutes) if each.unpriced_minutes else Cell(formatting.NO_DATA, 0),
            _percent(each.share, tone="blue"),
            cells.amount_change(each.change),
            _whole_minutes(each.minutes),
            _minutes(each.compute_seconds),
            _minutes(each.wasted_seconds),
            cells.count(each.jobs),
            cells.count(each.runs) if each.runs is not None else Cell(formatting.NO_DATA, None),
        )
        for each in items
    ]


def wasted_table(found: Wasted, time: Query) -> None:
    long_table("wasted", _WASTED, found.items, lambda items: wasted_rows(items, time),
               caption="Waste and defects, most waste first", what="workflows", of=time)  # fmt: skip


def wasted_rows(items: Sequence[Waste], time: Query) -> list[Row]:
    return [
        (
            workflow_link(each.repo, each.workflow, each.workflow_id, time),
            _minutes(each.wasted_seconds),
            _estimate(each.wasted_usd),
            _percent(each.share, tone="red"),
            _minutes(each.flaky_seconds),
            _minutes(each.cancelled_seconds),
            _minutes(each.superseded_seconds),
            _minutes(each.defect_seconds),
            cells.count(each.never_started),
        )
        for each in items
    ]


def waste_card(found: Wasted, trend: Sequence[float | None]) -> Card:
    """`trend` in minutes."""
    share = ratio(found.wasted_seconds, found.compute_seconds)
    parts = (("flaky", found.flaky_seconds), ("cancelled", found.cancelled_seconds),
             ("superseded", found.superseded_seconds))  # fmt: skip
    note = " · ".join(f"{name} {formatting.minutes(seconds)}" for name, seconds in parts)
    price = f" · ≈ {formatting.money(found.wasted_usd)}" if found.wasted_usd else ""
    return Card(
        "waste", "Waste", formatting.minutes(found.wasted_seconds), f"{formatting.percent(share)} of compute{price} · {note}",
        "Job time of attempts that were flaky, cancelled or superseded by a re-run, and its share of compute. "
        "The money is an estimate: the cost by runner in proportion to its wasted time.", trend,
    )  # fmt: skip


def defect_card(found: Wasted, trend: Sequence[float | None]) -> Card:
    """`trend` in minutes."""
    never = f"never started: {counted(found.never_started, 'job')}" if found.never_started else "not waste"
    return Card(
        "defects", "Found a defect", formatting.minutes(found.defect_seconds), never,
        "Job time of attempts that failed without a later success of their run: they did what they are for. Jobs that "
        "no runner took have no job time and no cost.", trend,
    )  # fmt: skip


def unpriced(found: Wasted) -> None:
    """Says which minutes are not in the cost."""
    if not found.unpriced:
        return
    shown = ", ".join(
        f"{formatting.count(minutes)} min on {html(label or 'runners without a label')}"
        for label, minutes in found.unpriced[:_NAMED]
    )
    more = f" and {len(found.unpriced) - _NAMED} more" if len(found.unpriced) > _NAMED else ""
    st.html(f'<div class="ph-rest" data-note="unpriced"><span>Price unknown: <b>{shown}{more}</b></span>'
            "<span>not in the cost; PRICES_FILE can give the price</span></div>")  # fmt: skip


def wasted_file(found: Wasted) -> tuple[Sequence[Column], list[Row]]:
    return _WASTED, wasted_rows(found.items, ())


def queue_table(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> None:
    long_table("queues", _QUEUES, runners, lambda items: queue_rows(items, zone), caption="Waiting for runners",
               what="runners")  # fmt: skip


def queue_rows(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> list[Row]:
    return [
        (
            cells.text(each.label or "no label"),
            cells.count(each.jobs),
            _seconds(each.p50),
            _seconds(each.p95),
            cells.when(each.busiest_hour, zone),
            cells.count(each.busiest_jobs),
            Cell(formatting.NO_DATA, None) if each.peak is None else cells.count(each.peak),
        )
        for each in runners
    ]


def queue_file(runners: Sequence[RunnerQueue], zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _QUEUES, queue_rows(runners, zone)


def limited(found: Spending) -> None:
    """Says where not everything could be read."""
    if found.since:
        since = formatting.timestamp(found.since)
        st.caption(f"Minutes and waste are of runs since {since} only: the others are deleted, or too many to read.")


def _where(each: Spend, time: Query) -> Cell:
    if each.workflow_id is not None:
        return workflow_link(each.repo or "", each.key or "", each.workflow_id, time)
    if each.repo is None and each.runs is not None and each.key:
        return cells.link(each.key, "", [("repo", each.key), *time])
    shown = html(each.key or "no label")
    return Cell(f'<span class="ph-clip" title="{shown}">{shown}</span>', each.key)


def _cost(each: Spend) -> Cell:
    """Unknown where the price of no billed minute is known."""
    if 0 < each.minutes <= each.unpriced_minutes:
        return Cell(formatting.NO_DATA, None)
    return Cell(formatting.money(each.cost_usd), round(each.cost_usd, 4))


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
