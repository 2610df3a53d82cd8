"""Failure causes: their log lines, number of runs, repositories and dates; and the runs of one cause."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.workflows import Query, workflow_link
from app.status_style import outcome_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table, table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.insights.causes import Cause, CauseRuns, Causes

_COLUMNS = (
    Column("Cause", fluid=True),
    Column("Runs", "right"),
    Column("Change", "right", "Change from the previous period; new: no occurrence then", "wide_only"),
    Column("Trend", help="Runs per day", show="wide_only"),
    Column("Repository", show="wide_only"),
    Column("First seen", "right", show="desk_only"),
    Column("Last seen", "right"),
)
_RUNS = (
    Column("Status", width="104px"),
    Column("Run", fluid=True),
    Column("Workflow", show="wide_only"),
    Column("Matched log line", show="wide_only"),
    Column("Created", "right"),
)
_MAX_NAMES = 3


def cause_table(causes: Causes, now: datetime, time: Query) -> None:
    long_table(
        "causes",
        _COLUMNS,
        causes.items,
        lambda items: cause_rows(items, now, time),
        caption="Failure causes, most frequent first",
        noun="causes",
        reset_key=time,
    )


def causes_csv(causes: Causes, now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, cause_rows(causes.items, now, ())


def cause_rows(items: Sequence[Cause], now: datetime, time: Query) -> list[Row]:
    return [
        (
            _cause(cause, time),
            cells.count(cause.runs),
            cells.occurrences(cause.runs, cause.runs_before),
            cells.by_day(cause.by_day, f"Runs per day with this cause, {cause.runs} in total"),
            _workflows(cause),
            cells.ago(cause.first_at, now),
            cells.ago(cause.last_at, now),
        )
        for cause in items
    ]


def cause_head(cause_runs: CauseRuns, time: Query) -> None:
    cause = cause_runs.cause
    open_now = '<span class="ph-pill ph-red">✕ Failing now</span>' if cause.open else ""
    st.html(
        f'<div class="ph-crumb">{cells.anchor("Failures", "failures", time)} / {html(cause.fingerprint)}</div>'
        f'<pre class="ph-line">{html(cause.line)}</pre><div class="ph-meta">{open_now}'
        f"<span>{pluralize(cause.runs, 'run')}, {pluralize(cause.jobs, 'job')}</span>"
        f"<span>{html(', '.join(cause.repos[:_MAX_NAMES]))}{_more_names(cause.repos)}</span></div>"
    )


def run_list(cause_runs: CauseRuns, zone: ZoneInfo) -> None:
    table("cause-runs", _RUNS, runs_rows(cause_runs, zone), caption="Runs with this cause, newest first")
    if cause_runs.cause.runs > len(cause_runs.runs):
        st.caption(
            f"Latest {formatting.count(len(cause_runs.runs))} of {formatting.count(cause_runs.cause.runs)} runs."
        )


def runs_csv(cause_runs: CauseRuns, zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _RUNS, runs_rows(cause_runs, zone)


def unknown_cause(period: str) -> None:
    with st.container(border=True, key="state-no-cause"):
        st.markdown("### :material/search_off: No runs with this cause")
        st.markdown(f"No failed job in {period} has this cause and matches the filters.")
        st.page_link("views/failures.py", label="All causes", icon=":material/bug_report:")


def runs_rows(cause_runs: CauseRuns, zone: ZoneInfo) -> list[Row]:
    rows: list[Row] = []
    for run, job in cause_runs.runs:
        attempt = cause_runs.attempts.get(job.job_id, run.attempt)
        page = [("run_id", run.id), *([("attempt", attempt)] if attempt != run.attempt else [])]
        title = cells.anchor(run.headline or "(no title)", "run", page, hover=run.headline)
        log = [*page, ("job_id", job.job_id)]
        later = (
            f" · attempt {attempt}, {html(outcome_label(run.conclusion or run.status))} later" if len(page) > 1 else ""
        )
        rows.append(
            (
                cells.state("failure" if later else run.conclusion or run.status),
                Cell(
                    f'<span class="ph-two"><span class="ph-clip">{title}</span><small>#{run.run_number} · '
                    f"{html(run.branch or formatting.NO_DATA)}{later}</small></span>",
                    run.headline,
                ),
                workflow_link(run.repo, run.workflow, run.workflow_id, ()),
                _line(job.line, log),
                cells.timestamp(run.created_at, zone),
            )
        )
    return rows


def _line(line: str, log: Query) -> Cell:
    return Cell(f'<span class="ph-clip"><code>{cells.anchor(line, "log", log, hover=line)}</code></span>', line)


def _cause(cause: Cause, time: Query) -> Cell:
    link = cells.anchor(cause.line, "failures", [("cause", cause.fingerprint), *time], hover=cause.line)
    mark = ' <span class="ph-red">✕ failing now</span>' if cause.open else ""
    names = ", ".join(dict.fromkeys(name for _, name, _ in cause.workflows[:_MAX_NAMES]))
    return Cell(f'<span class="ph-cause-line"><code>{link}</code><small>{html(names)}{mark}</small></span>', cause.line)


def _workflows(cause: Cause) -> Cell:
    first = cause.repos[0] if cause.repos else formatting.NO_DATA
    return Cell(f'<span class="ph-one">{html(first)}{_more_names(cause.repos, 1)}</span>', ", ".join(cause.repos))


def _more_names(names: Sequence[str], listed: int = _MAX_NAMES) -> str:
    rest = names[listed:]
    return f' <span class="ph-dim" title="{html(", ".join(rest))}">+ {len(rest)}</span>' if rest else ""
