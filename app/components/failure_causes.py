"""Failure causes: key figures, and a table with their lines, classes, number of runs, repositories and dates."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime

import streamlit as st

from app import session
from app.components import chart_links
from app.components.cause_filter import KNOWN, NEW, SEEN, TRIAGE, UNTRIAGED, is_new, list_address, shared_query
from app.components.cause_marks import known_mark
from app.components.workflows import Query
from app.filters import view_state
from app.filters.url_state import CLASS_KEY
from app.widgets import cells
from app.widgets.cells import Cell, Value
from app.widgets.metric_cards import MetricCard, metric_cards
from app.widgets.sparklines import wide_bar_sparkline, wide_line_sparkline
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from health.insights.causes.model import CauseClass
from health.insights.causes.queries import Cause, CauseRuns, Causes, CauseSummary
from health.metrics.definitions.percentiles import ratio
from health.metrics.service import Trends

_COLUMNS = (
    Column("Cause", fluid=True),
    Column("Class"),
    Column("Tool", show="wide_only"),
    Column("Subject", show="off"),
    Column(
        "State",
        show="off",
        help="new: no run of the selection before this period has the cause; known: a user has marked it",
    ),
    Column("Ticket", show="off"),
    Column("Runs", "right"),
    Column("Change", "right", "Change from the previous period; new: no occurrence then", "wide_only", unit="share"),
    Column("Trend", help="Runs per day", show="wide_only", in_files=False),
    Column("Repository", show="wide_only"),
    Column("First seen", "right", show="desk_only", unit="UTC"),
    Column("Last seen", "right", unit="UTC"),
)
_VALUES: dict[str, Callable[[Cause], Value]] = {
    "cause": lambda cause: cause.line,
    "class": lambda cause: cause.kind,
    "tool": lambda cause: cause.tool,
    "subject": lambda cause: cause.subject,
    "ticket": lambda cause: cause.known.ticket if cause.known else None,
    "runs": lambda cause: cause.runs,
    "repository": lambda cause: ", ".join(cause.repos),
    "first-seen": lambda cause: cause.first_at.isoformat(),
    "last-seen": lambda cause: cause.last_at.isoformat(),
}
# Names of repositories in a cell, and in its tooltip: a cause may occur in thousands of repositories.
_MAX_NAMES, _MAX_HOVER_NAMES, _SEARCH_KEY = 3, 20, "causes-q"
_MAX_SUBJECT = 160


def key_figures(
    causes: Causes, total: CauseSummary, trends: Trends, period: str, now: datetime, new_since: datetime | None
) -> None:
    """Cards: failed runs, infrastructure failures, causes that are new in the period, and those that no user has marked
    as known. Each leads to what it counts."""
    current, at_least = trends.comparison.current, "≥ " if causes.truncated else ""
    failed, infrastructure = current.runs.failure, current.infrastructure_failures
    by_point = [point.metrics.infrastructure_failures for point in trends.points]
    cards = (
        MetricCard(
            "infrastructure",
            "Infrastructure",
            formatting.percent(None if infrastructure is None else ratio(infrastructure, failed)),
            _infrastructure_note(infrastructure, failed, causes.unnamed),
            "Share of the failed runs in which the first cause of each failed job is infrastructure; a run with a job "
            "without a cause is not counted. The list also has the failed runs with one such job",
            by_point if any(value is not None for value in by_point) else (),
            cells.address("runs", [*shared_query(), (CLASS_KEY, CauseClass.INFRASTRUCTURE.value)]),
        ),
        MetricCard(
            "new_causes",
            "New causes",
            formatting.NO_DATA if new_since is None else f"{at_least}{formatting.count(total.new)}",
            f"of {at_least}{pluralize(total.total, 'cause')}, first seen in this period"
            if new_since
            else "no complete data of the week before",
            "Causes with no earlier stored run among those that the repositories and filters of the page select",
            (),
            list_address((SEEN, NEW)) if new_since else "",
        ),
        MetricCard(
            "untriaged_causes",
            "Untriaged causes",
            f"{at_least}{formatting.count(total.untriaged)}",
            f"{formatting.count(total.untriaged_open)} of them failing now, "
            f"{at_least}{pluralize(total.total, 'cause')} in all",
            "Causes that no user has marked as known; failing now: with the cause, the last completed run of a default "
            "branch failed",
            total.by_day,
            list_address((TRIAGE, UNTRIAGED)),
        ),
    )
    selection = (("failures", wide_bar_sparkline), ("failure_rate", wide_line_sparkline))
    metric_cards(trends.comparison, trends.points, period, now, selection, cards, chart_links.of_figures())


def limit_note(result: Causes | CauseRuns) -> None:
    """That older failed jobs of the period are not evaluated, and which are; nothing if all are."""
    if result.since is not None:
        since = result.since.astimezone(session.zone())
        st.caption(
            f"Only the newest {formatting.count(result.looked_at)} failed jobs of the period are evaluated, since "
            f"{since:%d %b %Y, %H:%M}: there are at least as many causes, runs and jobs as stated."
        )


def unnamed_text(unnamed: int | None) -> str:
    """How many failed runs have no cause."""
    if unnamed is None:
        return "runs without a cause: unknown until the collector has extracted the causes of earlier logs"
    return f"{pluralize(unnamed, 'failed run')} without a cause"


def _infrastructure_note(infrastructure: int | None, failed: int, unnamed: int | None) -> str:
    if unnamed is None:
        return "unknown until the causes of earlier logs are extracted"
    number = formatting.NO_DATA if infrastructure is None else formatting.count(infrastructure)
    unknown = f", {formatting.count(unnamed)} without a cause" if unnamed else ""
    return f"{number} of {pluralize(failed, 'failed run')}{unknown}"


def class_note(causes: Causes, classes: Sequence[str], trends: Trends) -> str:
    """The number of runs with causes of the selected class; of infrastructure, also the failed runs that the key figure
    counts. Empty unless one class is selected."""
    if len(classes) != 1:
        return ""
    runs = sum(point.runs.get(classes[0], 0) for point in causes.trend)
    text = f"{pluralize(runs, 'run')} with a cause of this class"
    alone = trends.comparison.current.infrastructure_failures
    if classes[0] == CauseClass.INFRASTRUCTURE and alone is not None:
        text += f"; {formatting.count(alone)} failed by infrastructure alone"
    return text


def search_text() -> str:
    """The text that error lines must contain, from the URL (`line`)."""
    view_state.sync_widget("line", _SEARCH_KEY, "", str)
    return str(st.session_state[_SEARCH_KEY]).strip()


def search_box() -> None:
    st.text_input(
        "Search error lines",
        key=_SEARCH_KEY,
        placeholder="Error line, tool, subject, repository or ticket",
        icon=":material/search:",
        label_visibility="collapsed",
        max_chars=200,
        width=330,
    )


def log_search_link(text: str, time: Query) -> None:
    """Leads from the search over error lines to the search over all lines."""
    link = cells.anchor("Search the whole text of all logs", "search", [("text", text), *time])
    st.html(f'<span class="ph-meta">{link}</span>')


def cause_table(
    items: Sequence[Cause], now: datetime, time: Query, new_since: datetime | None, reset_key: Hashable = None
) -> None:
    long_table(
        "causes",
        _COLUMNS,
        items,
        lambda items: cause_rows(items, now, time, new_since),
        caption="Failure causes, most frequent first",
        noun="causes",
        reset_key=(time, reset_key),
        values=_VALUES | {"state": lambda cause: _state(cause, new_since)},
    )


def causes_export(
    items: Sequence[Cause], now: datetime, new_since: datetime | None
) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, cause_rows(items, now, (), new_since)


def cause_rows(items: Sequence[Cause], now: datetime, time: Query, new_since: datetime | None) -> list[Row]:
    return [
        (
            _cause(cause, time, new_since),
            cells.cause_class(cause.kind),
            cells.text(cause.tool) if cause.tool else Cell(formatting.NO_DATA, None),
            Cell(f'<span class="ph-clip">{html(cause.subject or "")}</span>', cause.subject),
            cells.text(_state(cause, new_since)),
            cells.text(cause.known.ticket) if cause.known and cause.known.ticket else Cell("", None),
            cells.count(cause.runs),
            cells.occurrences(cause.runs, cause.runs_before),
            cells.by_day(cause.by_day, f"Runs per day with this cause, {cause.runs} in total"),
            _workflows(cause),
            cells.ago(cause.first_at, now),
            cells.ago(cause.last_at, now),
        )
        for cause in items
    ]


def _state(cause: Cause, new_since: datetime | None) -> str:
    return KNOWN if cause.known else NEW if is_new(cause, new_since) else UNTRIAGED


def _cause(cause: Cause, time: Query, new_since: datetime | None) -> Cell:
    link = cells.anchor(cause.line, "failures", [("cause", cause.fingerprint), *time], hover=cause.line)
    names = ", ".join(dict.fromkeys(name for _, name, _ in cause.workflows[:_MAX_NAMES]))
    parts = [
        f"<code>{html(truncate(cause.subject, _MAX_SUBJECT))}</code>" if cause.subject and adds_subject(cause) else "",
        html(names),
        '<span class="ph-orange">+ new</span>' if is_new(cause, new_since) else "",
        '<span class="ph-red">✕ failing now</span>' if cause.open else "",
        known_mark(cause.known, session.zone()),
    ]
    below = " · ".join(part for part in parts if part)
    return Cell(f'<span class="ph-cause-line"><code>{link}</code><small>{below}</small></span>', cause.line)


def adds_subject(cause: Cause) -> bool:
    """Whether the subject names more than the line does, such as the file of a list of errors."""
    return bool(cause.subject) and any(word not in cause.line for word in (cause.subject or "").split())


def _workflows(cause: Cause) -> Cell:
    first = cause.repos[0] if cause.repos else formatting.NO_DATA
    return Cell(f'<span class="ph-one">{html(first)}{more_names(cause.repos, 1)}</span>', ", ".join(cause.repos))


def more_names(names: Sequence[str], listed: int) -> str:
    """The number of names beyond the listed ones, with some of them in the tooltip; empty without further names."""
    rest = names[listed:]
    if not rest:
        return ""
    omitted = len(rest) - _MAX_HOVER_NAMES
    hover = ", ".join(rest[:_MAX_HOVER_NAMES]) + (f" and {formatting.count(omitted)} more" if omitted > 0 else "")
    return f' <span class="ph-dim" title="{html(hover)}">+ {len(rest)}</span>'
