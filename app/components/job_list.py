"""The jobs of a run as a table, where there are too many to open one by one: searched, paged, failed ones first."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import cells
from app.components.cells import Cell
from app.components.panel import Made
from app.components.table import Column, Row, table
from app.components.text import html
from app.marks import word
from db.metrics import units
from db.metrics.outcome import outcome_of
from db.queries.runs import JobRow
from db.vocabulary import Outcome

_COLUMNS = (
    Column("Status", width="124px"),
    Column("Job", fluid=True),
    Column("Duration", "right"),
    Column("Queue", "right", "Until a runner took it", "wide_only"),
    Column("Runner", show="wide_only"),
    Column("Started", "right", show="wide_only"),
)
_PAGE = 50
_ORDER = {Outcome.FAILURE: 0, Outcome.IN_PROGRESS: 1, Outcome.CANCELLED: 2, Outcome.OTHER: 3, Outcome.SUCCESS: 4}


def job_list(jobs: Sequence[JobRow], run_id: int, attempt: int, zone: ZoneInfo) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="job-filters"):
        wanted = st.text_input("Search jobs", key=f"jobs-q-{run_id}", placeholder="Name, runner or label",
                               icon=":material/search:", label_visibility="collapsed", width=330)  # fmt: skip
    found = matching(jobs, wanted)
    if not found:
        st.caption("No job of this attempt has that in its name, runner or labels.")
        return
    pages = -(-len(found) // _PAGE)
    place = st.pagination(pages, key=f"jobs-page-{run_id}-{attempt}-{wanted}") if pages > 1 else 1
    first = (place - 1) * _PAGE
    shown = found[first : first + _PAGE]
    st.caption(f"{units.count(first + 1)} to {units.count(first + len(shown))} of {units.count(len(found))} jobs"
               + (f" of {units.count(len(jobs))}" if wanted else ""))  # fmt: skip
    table("run-jobs", _COLUMNS, job_rows(shown, run_id, attempt, zone), caption="Jobs of the run, failed ones first")


def matching(jobs: Sequence[JobRow], wanted: str) -> list[JobRow]:
    """Failed ones first, then those that run; each kind in the order they began."""
    low = wanted.strip().lower()
    found = [job for job in jobs if not low or low in " ".join((job.name, job.runner or "", *job.labels)).lower()]
    return sorted(found, key=lambda job: _ORDER.get(outcome_of(job.status, job.conclusion), 5))


def jobs_csv(jobs: Sequence[JobRow], run_id: int, attempt: int, zone: ZoneInfo) -> tuple[str, Made]:
    """All of them, whatever a page shows."""
    return "run-jobs", lambda: (_COLUMNS, job_rows(matching(jobs, ""), run_id, attempt, zone))


def job_rows(jobs: Sequence[JobRow], run_id: int, attempt: int, zone: ZoneInfo) -> list[Row]:
    return [
        (
            cells.state(job.conclusion or job.status),
            _name(job, run_id, attempt),
            cells.duration(job.duration_seconds),
            cells.duration(job.queue_seconds),
            _runner(job),
            _started(job.started_at, zone),
        )
        for job in jobs
    ]


def _name(job: JobRow, run_id: int, attempt: int) -> Cell:
    told = (
        " · carried over from an earlier attempt" if job.copied else " · report without a runner" if job.phantom else ""
    )
    if job.copied or job.phantom or not job.completed_at:
        link = f'<span title="{html(job.name)}">{html(job.name)}</span>'
    else:
        query = [("run_id", run_id), ("attempt", attempt), ("job_id", job.id)]
        link = cells.anchor(job.name, "log", query, hover=f"{word(job.conclusion or job.status)}: its log")
    return Cell(f'<span class="ph-clip">{link}</span><small class="ph-dim">{told}</small>', job.name)


def _runner(job: JobRow) -> Cell:
    shown = job.runner or ", ".join(job.labels) or units.NO_DATA
    return Cell(f'<span class="ph-clip ph-short" title="{html(", ".join(job.labels))}">{html(shown)}</span>', shown)


def _started(moment: datetime | None, zone: ZoneInfo) -> Cell:
    return cells.when(moment, zone)
