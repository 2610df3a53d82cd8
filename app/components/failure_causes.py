"""Failure causes: their log lines, number of runs, repositories and dates; and the runs of one cause."""

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app import session
from app.components import chart_links, run_links
from app.components.page_head import Crumb, breadcrumb, set_title
from app.components.workflows import Query, workflow_link
from app.filters import view_state
from app.status_style import outcome_label
from app.widgets import cells
from app.widgets.cells import Cell, Value
from app.widgets.metric_cards import MetricCard, metric_cards
from app.widgets.sparklines import column_sparkline, wide_bar_sparkline, wide_line_sparkline
from app.widgets.table import Column, Row, long_table, table
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from core.terminal import rendered_line
from db.definitions.scope import Window
from db.runs.run_queries import RunRow
from health.insights.causes.queries import Cause, CauseRuns, Causes, summarize
from health.metrics.definitions.percentiles import ratio
from health.metrics.service import Trends

_COLUMNS = (
    Column("Cause", fluid=True),
    Column("Runs", "right"),
    Column("Change", "right", "Change from the previous period; new: no occurrence then", "wide_only", unit="share"),
    Column("Trend", help="Runs per day", show="wide_only", in_files=False),
    Column("Repository", show="wide_only"),
    Column("First seen", "right", show="desk_only", unit="UTC"),
    Column("Last seen", "right", unit="UTC"),
)
_RUNS = (
    Column("Status", width="104px"),
    Column("Run", fluid=True),
    Column("Workflow", show="desk_only"),
    Column("Job", show="wide_only"),
    Column("Branch", show="wide_only"),
    Column(
        "Matched log line", show="wide_only", help="If the line differs from that of the cause, the part that differs"
    ),
    Column("Created", "right", unit="UTC"),
)
_VALUES: dict[str, Callable[[Cause], Value]] = {
    "cause": lambda cause: cause.line,
    "runs": lambda cause: cause.runs,
    "repository": lambda cause: ", ".join(cause.repos),
    "first-seen": lambda cause: cause.first_at.isoformat(),
    "last-seen": lambda cause: cause.last_at.isoformat(),
}
# Names of repositories in a cell, and in its tooltip: a cause may occur in thousands of repositories.
_MAX_NAMES, _MAX_HOVER_NAMES, _SEARCH_KEY = 3, 20, "causes-q"
# Of a line that is searched for in all logs.
_MAX_SEARCH = 200


def key_figures(causes: Causes, window: Window, trends: Trends, period: str, now: datetime) -> None:
    """Cards: failed runs, causes, causes that are new in the period, and failed runs without a known cause."""
    total, failed = summarize(causes, window), trends.comparison.current.runs.failure
    cards = (
        MetricCard(
            "causes",
            "Causes",
            formatting.count(total.total),
            f"{formatting.count(total.open)} failing now",
            "Groups of failed jobs with the same error line; failing now: with it, the last completed run of a default "
            "branch failed",
            total.by_day,
        ),
        MetricCard(
            "new_causes",
            "New causes",
            formatting.count(total.new),
            "first seen in this period",
            "Causes with no earlier run on record",
            (),
        ),
        MetricCard(
            "unknown_causes",
            "Without a known cause",
            formatting.percent(ratio(causes.unnamed, failed)),
            f"{formatting.count(causes.unnamed)} of {pluralize(failed, 'failed run')}",
            "Failed runs with no error extracted from the logs of their jobs",
            (),
        ),
    )
    selection = (("failures", wide_bar_sparkline), ("failure_rate", wide_line_sparkline))
    metric_cards(trends.comparison, trends.points, period, now, selection, cards, chart_links.of_figures())


def search_text() -> str:
    """The text that error lines must contain, from the URL (`line`)."""
    view_state.sync_widget("line", _SEARCH_KEY, "", str)
    return str(st.session_state[_SEARCH_KEY]).strip()


def search_box() -> None:
    st.text_input(
        "Search error lines",
        key=_SEARCH_KEY,
        placeholder="Error line, repository or workflow",
        icon=":material/search:",
        label_visibility="collapsed",
        max_chars=200,
        width=330,
    )


def log_search_link(text: str, time: Query) -> None:
    """Leads from the search over error lines to the search over all lines."""
    link = cells.anchor("Search the whole text of all logs", "search", [("text", text), *time])
    st.html(f'<span class="ph-meta">{link}</span>')


def matching(items: Sequence[Cause], search: str) -> list[Cause]:
    """The causes whose line, repositories or workflows contain the text, in any case."""
    low = search.lower()
    return [
        cause
        for cause in items
        if low in "\n".join((cause.line, *(f"{repo} / {name}" for repo, name, _ in cause.workflows))).lower()
    ]


def cause_table(items: Sequence[Cause], now: datetime, time: Query, search: str = "") -> None:
    long_table(
        "causes",
        _COLUMNS,
        items,
        lambda items: cause_rows(items, now, time),
        caption="Failure causes, most frequent first",
        noun="causes",
        reset_key=(time, search),
        values=_VALUES,
    )


def causes_export(items: Sequence[Cause], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, cause_rows(items, now, ())


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
    set_title(cause.line, "Failures")
    open_now = '<span class="ph-pill ph-red">✕ Failing now</span>' if cause.open else ""
    st.html(
        f"{breadcrumb((Crumb('Failures', 'failures', time), Crumb(cause.line)))}"
        f'<h1 class="ph-line">{html(cause.line)}</h1><div class="ph-meta">{open_now}'
        f"<span>{pluralize(cause.runs, 'run')}, {pluralize(cause.jobs, 'job')}</span>"
        f"<span>{html(', '.join(cause.repos[:_MAX_NAMES]))}{_more_names(cause.repos)}</span>"
        f"<span>first seen {cells.stamp(cause.first_at, session.zone())}</span>"
        f"<span>{_search_link(cause.line, time)}</span>"
        f'<span><img class="ph-image" src="{column_sparkline(cause.by_day)}" alt="Runs per day in this period"></span>'
        "</div>"
    )


def _search_link(line: str, time: Query) -> str:
    text = line.strip()[:_MAX_SEARCH]
    return cells.anchor("Search all logs", "search", [("text", text), *time], hover="Logs with this line")


def run_list(cause_runs: CauseRuns, zone: ZoneInfo) -> None:
    table("cause-runs", _RUNS, runs_rows(cause_runs, zone), caption="Runs with this cause, newest first")
    if cause_runs.cause.runs > len(cause_runs.runs):
        st.caption(
            f"Latest {formatting.count(len(cause_runs.runs))} of {formatting.count(cause_runs.cause.runs)} runs."
        )


def runs_export(cause_runs: CauseRuns, zone: ZoneInfo) -> tuple[Sequence[Column], list[Row]]:
    return _RUNS, runs_rows(cause_runs, zone)


def unknown_cause(period: str) -> None:
    set_title("No runs with this cause", "Failures")
    with st.container(border=True, key="state-no-cause"):
        st.markdown("# :material/search_off: No runs with this cause")
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
                    f'<span class="ph-two"><span class="ph-clip">{title}</span><small>#{run.run_number}{later}</small>'
                    "</span>",
                    run.headline,
                ),
                workflow_link(run.repo, run.workflow, run.workflow_id, ()),
                _job(cause_runs.job_names.get(job.job_id, ""), log),
                _branch(run),
                _line(job.line, cause_runs.cause.line, log),
                cells.timestamp(run.created_at, zone),
            )
        )
    return rows


def _job(name: str, log: Query) -> Cell:
    link = cells.anchor(truncate(name), "log", log, hover=name) if name else formatting.NO_DATA
    return Cell(f'<span class="ph-clip ph-name">{link}</span>', name or None)


def _branch(run: RunRow) -> Cell:
    return Cell(f'<span class="ph-clip ph-short">{run_links.branch_link(run, None)}</span>', run.branch)


def _line(line: str, reference: str, log: Query) -> Cell:
    """The part of the line that differs from the line of the cause, which the page shows once."""
    part = differing_part(rendered_line(line), reference)
    link = cells.anchor(part or "same line", "log", log, hover=line)
    shown = f"<code>{link}</code>" if part else link
    return Cell(f'<span class="ph-clip">{shown}</span>', line)


def differing_part(line: str, reference: str) -> str:
    """The words of the line between its common start and its common end with another line; empty if both are equal."""
    words, others = line.split(), reference.split()
    limit = min(len(words), len(others))
    start = next((at for at in range(limit) if words[at] != others[at]), limit)
    rest = limit - start
    tail = next((at for at in range(rest) if words[-1 - at] != others[-1 - at]), rest)
    if len(words) == len(others) == start:
        return ""
    part = " ".join(words[max(start - 1, 0) : len(words) - tail])
    return f"{'… ' if start > 1 else ''}{part}{' …' if tail else ''}"


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
    if not rest:
        return ""
    omitted = len(rest) - _MAX_HOVER_NAMES
    hover = ", ".join(rest[:_MAX_HOVER_NAMES]) + (f" and {formatting.count(omitted)} more" if omitted > 0 else "")
    return f' <span class="ph-dim" title="{html(hover)}">+ {len(rest)}</span>'
