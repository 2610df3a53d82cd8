"""Causes of failures: what is read in the log, how often, where and since when.

What fails and then passes, ranked by how sure that is.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.components.workflows import Query, workflow_link
from app.status_style import word
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table, table
from app.widgets.text import html
from core import formatting
from core.formatting import counted
from db.runs.run_queries import FLAKY
from health.insights.causes import Cause, CauseRuns, Causes
from health.insights.flaky import FlakyWorkflow

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
        st.caption(f"The newest {formatting.count(len(found.runs))} of {formatting.count(found.cause.runs)} runs.")


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
                 f"{html(run.branch or formatting.NO_DATA)}{later}</small></span>", run.headline),
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
    first = each.repos[0] if each.repos else formatting.NO_DATA
    return Cell(f'<span class="ph-one">{html(first)}{_more(each.repos, 1)}</span>', ", ".join(each.repos))


def _more(names: Sequence[str], shown: int = _NAMED) -> str:
    rest = names[shown:]
    return f' <span class="ph-dim" title="{html(", ".join(rest))}">+ {len(rest)}</span>' if rest else ""


_COLUMNS_FLAKY_TABLE = (
    Column("Workflow", fluid=True),
    Column("Verdict", help="Flaky: surely at least 1 % of the runs of 28 days flake, by two runs or more"),
    Column("Flaky runs", "right", "Failed, and passed when run again"),
    Column("Change", "right", "Against the period before; new: there was none then", "wide_only"),
    Column("Rate", width="118px", help="Of decided runs"),
    Column("Of re-runs", "right", "Failures that somebody re-ran and that passed then, of all that were re-run"),
    Column(
        "Estimate", "right", "Share of runs that flake, re-run or not; 28 days; ranked by its lower bound", "wide_only"
    ),
    Column("Trend", help="Flaky runs a day", show="wide_only"),
    Column("Jobs that failed first", show="wide_only"),
    Column("Same commit", "right", "Commits of the last 14 days where one run failed and another passed", "desk_only"),
    Column("Wasted", "right", "Job time of the attempts that failed", "desk_only"),
    Column("Last", "right"),
)
_NAMED_FLAKY_TABLE = 1


def flaky_table(found: Sequence[FlakyWorkflow], now: datetime, time: Query) -> None:
    long_table("flaky", _COLUMNS_FLAKY_TABLE, found, lambda items: flaky_rows(items, now, time),
               caption="Flaky workflows, the surest first", what="workflows", of=time)  # fmt: skip


def flaky_file(found: Sequence[FlakyWorkflow], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS_FLAKY_TABLE, flaky_rows(found, now, ())


def flaky_rows(found: Sequence[FlakyWorkflow], now: datetime, time: Query) -> list[Row]:
    return [
        (
            workflow_link(each.repo, each.workflow, each.workflow_id, time),
            _verdict(each),
            _runs(each, time),
            cells.occurrences(each.flaky_runs, each.before),
            cells.rate(each.rate, tone="red"),
            _per_rerun(each),
            _estimate(each),
            cells.by_day(each.by_day, f"Flaky runs a day of {each.workflow}"),
            _jobs(each),
            cells.count(each.same_commit),
            cells.minutes(each.wasted_seconds),
            _last(each, now),
        )
        for each in found
    ]


def _runs(each: FlakyWorkflow, time: Query) -> Cell:
    """How many; leads to all of them."""
    query = [("q", FLAKY), ("repo", each.repo), ("workflow", each.workflow), *time]
    hover = f"The flaky runs of {each.workflow}"
    return Cell(cells.anchor(formatting.count(each.flaky_runs), "runs", query, hover=hover), each.flaky_runs)


def _per_rerun(each: FlakyWorkflow) -> Cell:
    shown = f"{formatting.percent(each.rate_per_rerun)} <small>of {formatting.count(each.rerun_failures)}</small>"
    return Cell(shown, each.rate_per_rerun)


def _estimate(each: FlakyWorkflow) -> Cell:
    """Muted where it is not certain that the workflow is flaky: then it may come from a single re-run."""
    tone = "" if each.called else ' class="ph-dim"'
    hover = f"surely at least {formatting.percent(each.estimate_low)}"
    return Cell(f'<span{tone} title="{hover}">{formatting.percent(each.estimate)}</span>', each.estimate)


def _verdict(each: FlakyWorkflow) -> Cell:
    if each.called:
        return Cell('<span class="ph-state ph-orange">↻ Flaky</span>', "flaky")
    return Cell('<span class="ph-dim">· Rare</span>', "rare")


def _jobs(each: FlakyWorkflow) -> Cell:
    shown = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in each.jobs[:_NAMED_FLAKY_TABLE])
    every = ", ".join(f"{job.name} {formatting.count(job.runs)}×" for job in each.jobs)
    return Cell(f'<span class="ph-clip" title="{html(every)}">{html(shown)}</span>', every)


def _last(each: FlakyWorkflow, now: datetime) -> Cell:
    written = formatting.relative((now - each.last_at).total_seconds())
    link = cells.anchor(written, "run", [("run_id", each.last_run_id)], hover=formatting.timestamp(each.last_at))
    return Cell(link, each.last_at.isoformat())
