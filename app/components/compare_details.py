"""The steps of compared runs job by job, and the differences of the logs of one job in two runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app.components.compare import UNKNOWN_STATE, change_cell, run_columns, signed_duration, state_sign
from app.components.logs import missing_log
from app.data.outages import Unavailable
from app.data.runs import job_log_row, job_steps
from app.filters import view_state
from app.logs.diff import DiffLine, DiffRow, Fold, LogDiff, changed_span
from app.logs.stored import LogUnavailable, load_diff
from app.status_style import outcome_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.panel import section_html
from app.widgets.table import Column, Row, sorted_html
from app.widgets.text import html, markdown, truncate, url_key
from core import formatting
from core.formatting import pluralize
from db.definitions.attempts import FAILED_CONCLUSIONS
from db.enums import Conclusion, LogState
from db.logs.log_queries import JobLogRow
from db.runs.run_queries import RunRow
from health.metrics.definitions.step_comparison import ComparedStep, StepState, compare_steps
from health.metrics.workflows import ComparedJob, RunComparison

# Jobs whose steps the page lists, and steps of a job.
MAX_JOBS, _MAX_STEPS = 25, 100
# The tables of all jobs have the same columns.
_COLUMN_CHOICE = "compared-steps"
# The part of a line that is marked as different is worth showing if this share of the line is equal.
_MIN_COMMON = 0.3


@dataclass(frozen=True)
class JobSteps:
    """The compared steps of a job."""

    job: ComparedJob
    steps: list[ComparedStep]


def compared_steps(comparison: RunComparison, version: int) -> list[JobSteps]:
    """The steps of the jobs that changed most, without jobs that have no steps."""
    jobs = comparison.jobs[:MAX_JOBS]
    by_run = []
    for index, compared in enumerate(comparison.runs):
        ids = tuple(state.job_id for job in jobs if (state := job.states[index]))
        by_run.append(job_steps(compared.run.id, ids, version) if ids else {})
    listed = []
    for job in jobs:
        steps = [
            stored.get(state.job_id, []) if state else [] for stored, state in zip(by_run, job.states, strict=True)
        ]
        listed.append(JobSteps(job, compare_steps(steps)))
    return [item for item in listed if item.steps]


def step_tables(comparison: RunComparison, listed: Sequence[JobSteps]) -> None:
    """A table a job; that of the job of the URL is open, or else the first one. Steps that the runner adds are
    folded."""
    columns, requested = _columns(comparison), st.query_params.get("job", "")
    keys = [url_key(item.job.name) for item in listed]
    first_open = keys.index(requested) if requested in keys else 0
    sections = "".join(_section(item, columns, index, index == first_open) for index, item in enumerate(listed))
    st.html(f'<div class="ph-sections">{sections}</div>')
    if len(comparison.jobs) > MAX_JOBS:
        st.caption(
            f"Steps of {MAX_JOBS} of {formatting.count(len(comparison.jobs))} jobs: those that changed most. "
            "All jobs are in the table above."
        )


def steps_export(comparison: RunComparison, listed: Sequence[JobSteps]) -> tuple[Sequence[Column], list[Row]]:
    rows: list[Row] = [(cells.text(item.job.name), *row) for item in listed for row in _rows(item.steps)]
    return [Column("Job"), *_columns(comparison)], rows


def _columns(comparison: RunComparison) -> list[Column]:
    return [Column("Step", fluid=True), *run_columns(comparison)]


def _section(item: JobSteps, columns: Sequence[Column], index: int, by_default: bool) -> str:
    """`by_default`: whether the section is open unless the URL differs."""
    own = [step for step in item.steps if not step.housekeeping]
    listed = _most_changed(own)
    added = [step for step in item.steps if step.housekeeping]
    caption = f"Steps of {item.job.name}, compared"
    body = sorted_html(f"steps-{index}", columns, _rows(listed), caption, _COLUMN_CHOICE) if listed else ""
    if len(listed) < len(own):
        body += f'<div class="ph-dim">{len(listed)} of {pluralize(len(own), "step")}: those that changed most</div>'
    if added:
        rows = _rows(_most_changed(added))
        table = sorted_html(f"runner-steps-{index}", columns, rows, f"Housekeeping {caption.lower()}", _COLUMN_CHOICE)
        name = f"housekeeping-{index}"
        summary = pluralize(len(added), "housekeeping step")
        body += section_html(name, summary, table, is_open=view_state.is_open(name))
    last = item.job.states[-1]
    change = signed_duration(last.delta_seconds if last else None, coloured=_succeeded(item.job))
    name, summary = f"steps-{index}", f"<b>{html(truncate(item.job.name))}</b>{change}"
    return section_html(name, summary, body, is_open=view_state.is_open(name, default=by_default))


def _most_changed(steps: Sequence[ComparedStep]) -> Sequence[ComparedStep]:
    """The steps with the largest change, in their order."""
    if len(steps) <= _MAX_STEPS:
        return steps
    ranked = sorted(range(len(steps)), key=lambda index: -_change_size(steps[index]))
    return [steps[index] for index in sorted(ranked[:_MAX_STEPS])]


def _change_size(step: ComparedStep) -> float:
    last = step.states[-1]
    return abs(last.delta_seconds or 0.0) if last else 0.0


def _succeeded(job: ComparedJob) -> bool:
    return all(
        state is not None and state.conclusion == Conclusion.SUCCESS for state in (job.states[0], job.states[-1])
    )


def _rows(steps: Sequence[ComparedStep]) -> list[Row]:
    return [(_step_name(step), *(_state(state) for state in step.states), change_cell(step.states)) for step in steps]


def _step_name(step: ComparedStep) -> Cell:
    return Cell(f'<span class="ph-clip" title="{html(step.name)}">{html(truncate(step.name))}</span>', step.name)


def _state(state: StepState | None) -> Cell:
    if state is None:
        return UNKNOWN_STATE
    sign = state_sign(state.conclusion or "in_progress")
    return Cell(f"{sign} {formatting.duration(state.seconds)}", state.seconds)


def selected_job(comparison: RunComparison) -> ComparedJob | None:
    """The job of `?job=`, whose logs are compared; without it, the first job that failed in the first or the last run,
    or else the first one that both have. Null if the URL names a job that both do not have."""
    both = [job for job in comparison.jobs if job.states[0] and job.states[-1]]
    requested = st.query_params.get("job", "")
    if requested:
        return next((job for job in both if url_key(job.name) == requested), None)
    return next((job for job in both if _failed(job)), both[0] if both else None)


def _failed(job: ComparedJob) -> bool:
    return any(state and state.conclusion in FAILED_CONCLUSIONS for state in (job.states[0], job.states[-1]))


def log_differences(comparison: RunComparison, job: ComparedJob, version: int) -> None:
    """The logs of the job in the first and the last run beside each other."""
    sides = [(compared.run, state) for compared, state in zip(comparison.runs, job.states, strict=True) if state]
    (first, state_a), (last, state_b) = sides[0], sides[-1]
    rows = [job_log_row(run.id, state.job_id, version) for run, state in ((first, state_a), (last, state_b))]
    if not all(row and row.state == LogState.STORED for row in rows):
        _missing_logs([(first, rows[0]), (last, rows[1])])
        return
    try:
        diff = load_diff((first.id, state_a.job_id), (last.id, state_b.job_id))
    except (Unavailable, LogUnavailable) as error:
        st.caption(markdown(error))
        return
    logs = [(first.id, state_a.job_id), (last.id, state_b.job_id)]
    st.html(
        _diff_html(
            diff, logs, [f"#{run.run_number} {outcome_label(run.conclusion or run.status)}" for run in (first, last)]
        )
    )
    if note := _note(diff):
        st.caption(note)


def _missing_logs(sides: Sequence[tuple[RunRow, JobLogRow | None]]) -> None:
    """Which of the two logs are missing, with the button that requests them."""
    st.caption("Both logs are needed to compare them.")
    for run, row in sides:
        if row is None:
            st.caption(f"**#{run.run_number}** No log of this job is stored.")
        elif row.state == LogState.STORED:
            st.caption(f"**#{run.run_number}** The log is stored.")
        else:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(f"**#{run.run_number}**", width="content")
                missing_log(row, run.id)


def _note(diff: LogDiff) -> str:
    notes = []
    if diff.omitted:
        notes.append(f"{pluralize(diff.omitted, 'more differing line')} not listed; the logs contain all of them.")
    if diff.truncated:
        notes.append("The logs are too long to compare in full.")
    return " ".join(notes)


def diff_subtitle(comparison: RunComparison, job: ComparedJob) -> str:
    names = f"#{comparison.runs[0].run.run_number} and #{comparison.runs[-1].run.run_number}"
    return f"{truncate(job.name, 80)} in {names} · without times, durations and hashes"


Log = tuple[int, int]


def _diff_html(diff: LogDiff, logs: Sequence[Log], titles: Sequence[str]) -> str:
    if not diff.changed:
        extent = "in the part that was compared" if diff.truncated else "apart from times, durations and hashes"
        return f'<div class="ph-dim">No differences {extent}.</div>'
    head = "".join(f'<span class="ph-diff-title">{html(title)}</span>' for title in titles)
    rows = "".join(_diff_row(row, logs) if isinstance(row, DiffRow) else _fold(row, logs) for row in diff.rows)
    label = f"{pluralize(diff.changed, 'differing line')}"
    return (
        f'<div class="ph-diff" role="region" tabindex="0" aria-label="Differences of the logs: {label}">'
        f'<div class="ph-diff-head">{head}</div>{rows}</div>'
    )


def _diff_row(row: DiffRow, logs: Sequence[Log]) -> str:
    texts = [html(line.text) if line else "" for line in (row.a, row.b)] if row.equal else _marked(row.a, row.b)
    css = "ph-diff-row" if row.equal else "ph-diff-row ph-differs"
    sides = zip((row.a, row.b), texts, logs, ("ph-before", "ph-after"), strict=True)
    return f'<div class="{css}">{"".join(_side(line, text, log, name) for line, text, log, name in sides)}</div>'


def _side(line: DiffLine | None, text: str, log: Log, name: str) -> str:
    if line is None:
        return f'<span class="ph-diff-number {name} ph-none"></span><code class="{name} ph-none"></code>'
    number = cells.anchor(line.number, "log", _line_query(log, line.number))
    return f'<span class="ph-diff-number {name}">{number}</span><code class="{name}">{text}</code>'


def _line_query(log: Log, first: int, last: int | None = None) -> list[tuple[str, object]]:
    return [("run_id", log[0]), ("job_id", log[1]), ("line", f"{first}-{last}" if last else first)]


def _marked(a: DiffLine | None, b: DiffLine | None) -> list[str]:
    """Both lines as HTML; in lines that are mostly equal, the different part is marked."""
    if a is None or b is None:
        return [html(line.text) if line else "" for line in (a, b)]
    start, end_a, end_b = changed_span(a.text, b.text)
    common = start + len(a.text) - end_a
    if common < _MIN_COMMON * max(len(a.text), len(b.text), 1):
        return [html(a.text), html(b.text)]
    return [
        f"{html(text[:start])}<mark>{html(text[start:end])}</mark>{html(text[end:])}"
        for text, end in ((a.text, end_a), (b.text, end_b))
    ]


def _fold(fold: Fold, logs: Sequence[Log]) -> str:
    first = fold.first_b
    link = cells.anchor(pluralize(fold.count, "equal line"), "log", _line_query(logs[1], first, first + fold.count - 1))
    return f'<div class="ph-diff-fold">⋯ {link}</div>'
