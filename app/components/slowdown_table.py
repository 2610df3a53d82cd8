"""Which jobs and steps changed most at the moment from which a workflow is slower."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import cells
from app.components.cells import Cell
from app.components.table import Column, Row, table
from app.components.text import html
from db.breakdown import Changed, Slowdown
from db.findings.regressions import Regression
from db.metrics import units
from db.metrics.phrases import counted

_COLUMNS = (
    Column("What", fluid=True),
    Column("Before", "right", "Median of successful ones before the change"),
    Column("After", "right", "Median of successful ones since the change"),
    Column("Difference", "right", "Of the medians; none with fewer than 5 on a side"),
    Column("Change", "right", show="wide_only"),
    Column("Runs", "right", "Before and after", "wide_only"),
    Column("Trend", help="Median over the period", show="wide_only"),
)
_MOST = 12
_LIMITS = (
    "Jobs run side by side: their differences do not add up to that of the run. The figures say where the time went, "
    "not why: a slower runner and more work look alike. The commit named is the first slow one that had a run."
)


def words(found: Slowdown, slower: Regression, zone: ZoneInfo) -> str:
    moment = slower.since.astimezone(zone)
    return (
        f"since {moment:%d %b, %H:%M} on {slower.branch}, against the time before in this period · "
        f"{counted(found.runs_before, 'run')} before, {units.count(found.runs_after)} after"
    )


def slowdown_table(found: Slowdown) -> None:
    rows = slowdown_rows(_foremost(found))
    if rows:
        table("slowdown", _COLUMNS, rows, caption="Jobs and steps by how much slower they are")
    else:
        st.caption("No successful job of this period is known on both sides of the change.")
    st.caption(_LIMITS)


def exported(found: Slowdown) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, slowdown_rows([*found.jobs, *found.steps])


def slowdown_rows(listed: Sequence[Changed]) -> list[Row]:
    return [
        (
            _name(each),
            cells.duration(each.before),
            cells.duration(each.after),
            _difference(each.delta),
            cells.change(each.change),
            Cell(f"{units.count(each.runs_before)} · {units.count(each.runs_after)}", each.runs_after),
            cells.trend(each.trend, f"Median of {each.step or each.job} over the period"),
        )
        for each in listed
    ]


def _foremost(found: Slowdown) -> list[Changed]:
    """The jobs that changed most, each followed by those of its steps that did."""
    shown: list[Changed] = []
    for job in found.jobs[:_MOST]:
        shown.append(job)
        shown += [step for step in found.steps if step.job == job.job and step.delta and step.delta >= 1][:3]
    return shown


def _name(each: Changed) -> Cell:
    shown = html(each.step or each.job)
    small = f"<small>step of {html(each.job)}</small>" if each.step else "<small>job</small>"
    label = f'<span class="ph-two"><span class="ph-clip" title="{shown}"><b>{shown}</b></span>{small}</span>'
    return Cell(label, f"{each.job} / {each.step}" if each.step else each.job)


def _difference(seconds: float | None) -> Cell:
    if seconds is None:
        return Cell(f'<span title="Fewer than 5 runs on a side">{units.NO_DATA}</span>', None)
    sign = "+" if seconds > 0 else "−" if seconds < 0 else ""
    return Cell(f"{sign}{units.duration(abs(seconds))}", seconds)
