"""The table of jobs of a run with many jobs: by group (the name that the jobs of a matrix share) or one row per job,
failed jobs first, with search and pages."""

from collections.abc import Callable, Sequence
from statistics import median
from zoneinfo import ZoneInfo

import streamlit as st

from app.filters import view_state
from app.status_style import outcome_label
from app.widgets import cells
from app.widgets.cells import Cell, Value
from app.widgets.exports import ExportBuilder, SearchResult
from app.widgets.panel import panel
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html, truncate, url_key
from core import formatting
from db.definitions.attempts import outcome_of
from db.enums import Outcome
from db.runs.job_queries import JobSummary
from health.metrics.definitions.job_groups import JobGroup, job_groups, sort_by_outcome

_COLUMNS = (
    Column("Status", width="124px"),
    Column("Job", fluid=True),
    Column("Duration", "right", unit="s"),
    Column("Queue", "right", "Time until a runner accepted the job", "wide_only", unit="s"),
    Column("Runner", show="wide_only"),
    Column("Started", "right", show="wide_only", unit="UTC"),
)
_GROUPS = (
    Column("Status", width="124px", help="Status of the worst job"),
    Column("Group", fluid=True),
    Column("Jobs", "right"),
    Column("Failed", "right"),
    Column("Median", "right", "Median duration of the jobs that ran in this attempt", "wide_only", unit="s"),
    Column("Slowest", "right", "Duration of the longest job", unit="s"),
)
_BY_GROUP, _FAILED, _ALL = "Groups", "Failed", "All jobs"
_VIEWS = {"groups": _BY_GROUP, "failed": _FAILED, "all": _ALL}
# Values of columns, so that the order of thousands of jobs needs no HTML of all of them.
_VALUES: dict[str, Callable[[JobSummary], Value]] = {
    "status": lambda job: job.display_state,
    "job": lambda job: job.name,
    "duration": lambda job: job.duration_seconds,
    "queue": lambda job: job.queue_seconds,
    "runner": lambda job: job.runner or ", ".join(job.labels) or None,
    "started": lambda job: job.started_at.isoformat() if job.started_at else None,
}
_MAX_NOUN_LENGTH = 80
_COUNT_LABELS = {
    Outcome.FAILURE: "failed",
    Outcome.IN_PROGRESS: "unfinished",
    Outcome.CANCELLED: "cancelled",
    Outcome.OTHER: "other",
    Outcome.SUCCESS: "passed",
    Outcome.SKIPPED: "skipped",
}


@st.fragment
def job_panel(jobs: Sequence[JobSummary], run_id: int, attempt: int, zone: ZoneInfo) -> None:
    """The table of all jobs, with files."""
    key = f"jobs-q-{run_id}"
    view_state.sync_widget("find", key, "", str)
    search = str(st.session_state[key]).strip()
    listed = matching(jobs, search)
    result = SearchResult(len(listed), lambda: (_COLUMNS, job_rows(listed, run_id, attempt, zone))) if search else None
    subtitle = "failed jobs first · click a job to open its log"
    with panel("All jobs", subtitle, export=_export(jobs, run_id, attempt, zone), search=result):
        _job_list(jobs, run_id, attempt, zone)


def _job_list(jobs: Sequence[JobSummary], run_id: int, attempt: int, zone: ZoneInfo) -> None:
    groups = job_groups(jobs)
    failed = [job for job in jobs if _outcome(job) is Outcome.FAILURE]
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="job-filters"):
        search = st.text_input(
            "Search jobs",
            key=f"jobs-q-{run_id}",
            placeholder="Name, runner or label",
            icon=":material/search:",
            label_visibility="collapsed",
            max_chars=200,
            width=330,
        )
        chosen = st.query_params.get("group", "")
        view = _view(run_id, {_BY_GROUP: len(groups), _FAILED: len(failed), _ALL: len(jobs)}, grouped=bool(chosen))
    if search.strip():
        _jobs(matching(jobs, search), "matching jobs", search, run_id, attempt, zone)
    elif view == _BY_GROUP and chosen:
        _group_jobs(groups, chosen, run_id, attempt, zone)
    elif view == _BY_GROUP:
        long_table(
            "job-groups",
            _GROUPS,
            groups,
            lambda shown: group_rows(shown, run_id, attempt),
            caption="Groups of jobs, failed groups first",
            noun="groups",
            reset_key=(run_id, attempt),
        )
    else:
        listed = sort_by_outcome(failed if view == _FAILED else jobs)
        _jobs(listed, "failed jobs" if view == _FAILED else "jobs", view, run_id, attempt, zone)


def _view(run_id: int, sizes: dict[str, int], *, grouped: bool) -> str:
    """The selected view. The default is groups if the groups have two jobs on average, or if the URL selects one
    (`grouped`). Views that would show all jobs or none are not offered."""
    total = sizes[_ALL]
    offered = [view for view, least in ((_BY_GROUP, 2), (_FAILED, 1)) if least <= sizes[view] < total] + [_ALL]
    default = _BY_GROUP if _BY_GROUP in offered and (grouped or sizes[_BY_GROUP] * 2 <= total) else _ALL
    if len(offered) == 1:
        return offered[0]
    key = f"jobs-view-{run_id}"
    names = {view: name for name, view in _VIEWS.items()}
    view_state.sync_widget(
        "jobs", key, default, lambda name: view if (view := _VIEWS.get(name)) in offered else None, names.__getitem__
    )
    chosen = st.segmented_control(
        "Listed",
        offered,
        required=True,
        key=key,
        label_visibility="collapsed",
        format_func=lambda view: f"{view} · {formatting.count(sizes[view])}",
    )
    return str(chosen)


def _jobs(
    jobs: Sequence[JobSummary],
    noun: str,
    reset_key: str,
    run_id: int,
    attempt: int,
    zone: ZoneInfo,
) -> None:
    if not jobs:
        st.caption("No job of this attempt matches the search by name, runner or label.")
        return
    long_table(
        "run-jobs",
        _COLUMNS,
        jobs,
        lambda shown: job_rows(shown, run_id, attempt, zone),
        caption="Jobs of the run, failed jobs first",
        noun=noun,
        reset_key=(reset_key, run_id, attempt),
        values=_VALUES,
    )


def _group_jobs(groups: Sequence[JobGroup[JobSummary]], chosen: str, run_id: int, attempt: int, zone: ZoneInfo) -> None:
    """The jobs of the group that the URL selects."""
    group = next((candidate for candidate in groups if url_key(candidate.name) == chosen), None)
    all_groups = cells.anchor("All groups", "run", [("run_id", run_id), ("attempt", attempt)])
    named = html(group.name) if group else "no job of this attempt is in this group"
    st.html(f'<div class="ph-crumb">{all_groups} / {named}</div>')
    if group:
        _jobs(group.jobs, f"jobs of {group.name[:_MAX_NOUN_LENGTH]}", chosen, run_id, attempt, zone)


def matching(jobs: Sequence[JobSummary], search: str) -> list[JobSummary]:
    """The jobs whose name, runner or labels contain the text: failed, then unfinished, then others; each by start."""
    low = search.strip().lower()
    matches = [job for job in jobs if not low or low in " ".join((job.name, job.runner or "", *job.labels)).lower()]
    return sort_by_outcome(matches)


def _export(jobs: Sequence[JobSummary], run_id: int, attempt: int, zone: ZoneInfo) -> tuple[str, ExportBuilder]:
    """The name of the files and the rows of all jobs."""
    return "run-jobs", lambda: (_COLUMNS, job_rows(matching(jobs, ""), run_id, attempt, zone))


def group_rows(groups: Sequence[JobGroup[JobSummary]], run_id: int, attempt: int) -> list[Row]:
    return [
        (
            cells.state(group.jobs[0].display_state),
            _group_name(group, run_id, attempt),
            cells.count(len(group.jobs)),
            cells.count(group.failed),
            cells.duration(_median(group)),
            _slowest(group, run_id, attempt),
        )
        for group in groups
    ]


def job_rows(jobs: Sequence[JobSummary], run_id: int, attempt: int, zone: ZoneInfo) -> list[Row]:
    return [
        (
            cells.state(job.display_state),
            _name(job, run_id, attempt),
            cells.duration(job.duration_seconds),
            cells.duration(job.queue_seconds),
            _runner(job),
            cells.timestamp(job.started_at, zone),
        )
        for job in jobs
    ]


def _outcome(job: JobSummary) -> str:
    return outcome_of(job.status, job.conclusion)


def _group_name(group: JobGroup[JobSummary], run_id: int, attempt: int) -> Cell:
    """Leads to its jobs; to the log, where it is a single job."""
    if len(group.jobs) == 1:
        return _name(group.jobs[0], run_id, attempt)
    query = [("run_id", run_id), ("attempt", attempt), ("group", url_key(group.name))]
    link = cells.anchor(truncate(group.name), "run", query, hover=f"{group.name}: its jobs")
    counts = f"<small>{html(_counts(group))}</small>"
    return Cell(f'<span class="ph-two"><span class="ph-clip">{link}</span>{counts}</span>', group.name)


def _counts(group: JobGroup[JobSummary]) -> str:
    """2 failed · 30 passed."""
    outcomes = [_outcome(job) for job in group.jobs]
    counts = {outcome: outcomes.count(outcome) for outcome in _COUNT_LABELS}
    return " · ".join(
        f"{formatting.count(number)} {_COUNT_LABELS[outcome]}" for outcome, number in counts.items() if number
    )


def _median(group: JobGroup[JobSummary]) -> float | None:
    known = [job.duration_seconds for job in group.jobs if job.duration_seconds is not None and not job.copied]
    return median(known) if known else None


def _slowest(group: JobGroup[JobSummary], run_id: int, attempt: int) -> Cell:
    job = group.slowest
    if job is None:
        return cells.duration(None)
    query = [("run_id", run_id), ("attempt", attempt), ("job_id", job.id)]
    link = cells.anchor(formatting.duration(job.duration_seconds), "log", query, hover=job.name)
    return Cell(link, job.duration_seconds)


def _name(job: JobSummary, run_id: int, attempt: int) -> Cell:
    note = " · reused from an earlier attempt" if job.copied else " · check run from a reporter" if job.phantom else ""
    if job.copied or job.phantom or not job.completed_at:
        link = f'<span title="{html(job.name)}">{html(truncate(job.name))}</span>'
    else:
        query = [("run_id", run_id), ("attempt", attempt), ("job_id", job.id)]
        link = cells.anchor(
            truncate(job.name), "log", query, hover=f"{job.name}: {outcome_label(job.display_state)} · open its log"
        )
    return Cell(f'<span class="ph-clip">{link}</span><small class="ph-dim">{note}</small>', job.name)


def _runner(job: JobSummary) -> Cell:
    labels = ", ".join(job.labels)
    known = job.runner or labels or None
    shown = html(known or formatting.NO_DATA)
    return Cell(f'<span class="ph-clip ph-short" title="{html(labels)}">{shown}</span>', known)
