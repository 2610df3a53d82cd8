"""Failure causes: their log lines, number of runs, repositories and dates."""

from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from app.components import chart_links
from app.components.workflows import Query
from app.filters import view_state
from app.widgets import cells
from app.widgets.cells import Cell, Value
from app.widgets.metric_cards import MetricCard, metric_cards
from app.widgets.sparklines import wide_bar_sparkline, wide_line_sparkline
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from db.definitions.scope import Window
from health.insights.causes.queries import Cause, Causes, summarize
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
_VALUES: dict[str, Callable[[Cause], Value]] = {
    "cause": lambda cause: cause.line,
    "runs": lambda cause: cause.runs,
    "repository": lambda cause: ", ".join(cause.repos),
    "first-seen": lambda cause: cause.first_at.isoformat(),
    "last-seen": lambda cause: cause.last_at.isoformat(),
}
# Names of repositories in a cell, and in its tooltip: a cause may occur in thousands of repositories.
_MAX_NAMES, _MAX_HOVER_NAMES, _SEARCH_KEY = 3, 20, "causes-q"


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


def _cause(cause: Cause, time: Query) -> Cell:
    link = cells.anchor(cause.line, "failures", [("cause", cause.fingerprint), *time], hover=cause.line)
    mark = ' <span class="ph-red">✕ failing now</span>' if cause.open else ""
    names = ", ".join(dict.fromkeys(name for _, name, _ in cause.workflows[:_MAX_NAMES]))
    return Cell(f'<span class="ph-cause-line"><code>{link}</code><small>{html(names)}{mark}</small></span>', cause.line)


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
