"""Causes of failures: what is read in the log, how often, where and since when."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components import cells
from app.components.cells import Cell
from app.components.table import Column, Row, long_table, table
from app.components.text import html
from app.components.workflow_table import Query, workflow_link
from app.marks import word
from db.findings.causes import Cause, CauseRuns, Causes
from db.metrics import units
from db.metrics.phrases import counted

_COLUMNS = (
    Column("Cause", fluid=True),
    Column("Runs", "right"),
    Column("Change", "right", "Against the period before; new: it was not there then", "wide_only"),
    Column("Trend", help="Runs a day", show="wide_only"),
    Column("Where", show="wide_only"),
    Column("First seen", "right", show="desk_only"),
    Column("Last seen", "right"),
)
_RUNS = (
    Column("Status", width="104px"),
    Column("Run", fluid=True),
    Column("Workflow", show="wide_only"),
    Column("Line in its log", show="wide_only"),
    Column("Created", "right"),
)
_NAMED = 3


def cause_table(found: Causes, now: datetime, time: Query) -> None:
    long_table("causes", _COLUMNS, found.items, lambda items: cause_rows(items, now, time),
               caption="Causes of failures, most frequent first", what="causes", of=time)  # fmt: skip


def causes_file(found: Causes, now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, cause_rows(found.items, now, ())


def cause_rows(items: Sequence[Cause], now: datetime, time: Query) -> list[Row]:
    return [
        (
            _cause(each, time),
            cells.count(each.runs),
            cells.occurrences(each.runs, each.runs_before),
            cells.by_day(each.by_day, f"Runs a day with this cause, {each.runs} in all"),
            _where(each),
            cells.ago(each.first_at, now),
            cells.ago(each.last_at, now),
        )
        for each in items
    ]


def head(found: CauseRuns, time: Query) -> None:
    cause = found.cause
    open_now = '<span class="ph-pill ph-red">✕ Broken now</span>' if cause.open else ""
    st.html(
        f'<div class="ph-crumb">{cells.anchor("Failures", "failures", time)} / {html(cause.fingerprint)}</div>'
        f'<pre class="ph-line">{html(cause.line)}</pre><div class="ph-meta">{open_now}'
        f"<span>{counted(cause.runs, 'run')}, {counted(cause.jobs, 'job')}</span>"
        f"<span>{html(', '.join(cause.repos[:_NAMED]))}{_more(cause.repos)}</span></div>"
    )


def run_list(found: CauseRuns, zone: ZoneInfo) -> None:
    table("cause-runs", _RUNS, runs_rows(found, zone), caption="Runs with this cause, newest first")
    if found.cause.runs > len(found.runs):
        st.caption(f"The newest {units.count(len(found.runs))} of {units.count(found.cause.runs)} runs.")


def runs_file(found: CauseRuns, zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _RUNS, runs_rows(found, zone)


def unknown(when: str) -> None:
    with st.container(border=True, key="state-no-cause"):
        st.markdown("### :material/search_off: No run with this cause")
        st.markdown(f"No failed job of {when} that fits the filters has it.")
        st.page_link("views/failures.py", label="All causes", icon=":material/bug_report:")


def runs_rows(found: CauseRuns, zone: ZoneInfo) -> list[Row]:
    rows: list[Row] = []
    for run, job in found.runs:
        attempt = found.attempts.get(job.job_id, run.attempt)
        page = [("run_id", run.id), *([("attempt", attempt)] if attempt != run.attempt else [])]
        title = cells.anchor(run.headline or "(no title)", "run", page, hover=run.headline)
        log = [*page, ("job_id", job.job_id)]
        later = f" · attempt {attempt}, {html(word(run.conclusion or run.status))} later" if len(page) > 1 else ""
        rows.append((
            cells.state("failure" if later else run.conclusion or run.status),
            Cell(f'<span class="ph-two"><span class="ph-clip">{title}</span><small>#{run.run_number} · '
                 f"{html(run.branch or units.NO_DATA)}{later}</small></span>", run.headline),
            workflow_link(run.repo, run.workflow, run.workflow_id, ()),
            _line(job.line, log),
            cells.when(run.created_at, zone),
        ))  # fmt: skip
    return rows


def _line(line: str, log: Query) -> Cell:
    return Cell(f'<span class="ph-clip"><code>{cells.anchor(line, "log", log, hover=line)}</code></span>', line)


def _cause(each: Cause, time: Query) -> Cell:
    link = cells.anchor(each.line, "failures", [("cause", each.fingerprint), *time], hover=each.line)
    mark = ' <span class="ph-red">✕ broken now</span>' if each.open else ""
    names = ", ".join(dict.fromkeys(name for _, name, _ in each.workflows[:_NAMED]))
    return Cell(f'<span class="ph-cause-line"><code>{link}</code><small>{html(names)}{mark}</small></span>', each.line)


def _where(each: Cause) -> Cell:
    first = each.repos[0] if each.repos else units.NO_DATA
    return Cell(f'<span class="ph-one">{html(first)}{_more(each.repos, 1)}</span>', ", ".join(each.repos))


def _more(names: Sequence[str], shown: int = _NAMED) -> str:
    rest = names[shown:]
    return f' <span class="ph-dim" title="{html(", ".join(rest))}">+ {len(rest)}</span>' if rest else ""
