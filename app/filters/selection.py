"""The selected filters as scopes, windows and texts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import streamlit as st

from app import session
from app.data import figures, team_scopes
from app.data.connection import utc_now
from app.data.status import load_status, window_end
from app.filters import view_state
from app.filters.days import BadDates, Dates, parse_dates
from app.filters.hours import BadHours, Hours, parse_hours
from app.filters.url_state import (
    CLASS_KEY,
    DEFAULT_PERIOD,
    DEFAULTS,
    PERIODS,
    RATES,
    SHARED_KEYS,
    STATUSES,
    TEAM_KEY,
    TIME_KEYS,
    SuccessRate,
    query_values,
    selected,
)
from db.definitions.scope import Scope, Window
from db.enums import Conclusion, Interval, Outcome
from db.repositories.repository_queries import WorkflowRow
from health.insights.causes.model import CauseClass
from health.metrics.service import Trends
from health.teams.definition import team_key

_CONCLUSIONS, _OUTCOMES = frozenset(Conclusion), frozenset(Outcome)
_CLASSES = frozenset(CauseClass)
_MAX_HOURLY, _MAX_DAILY = timedelta(days=3), timedelta(days=120)


def scope() -> Scope:
    """The scope of the filters that pages share, limited to what the selected teams own."""
    return team_scopes.narrowed(scope_of_all_teams(), selected(TEAM_KEY), load_status().version)


def scope_of_all_teams() -> Scope:
    """The scope without the filter by team."""
    return Scope(
        repos=stored_names(load_status().version, selected("repo")),
        branches=selected("branch"),
        workflows=selected("workflow"),
    )


def team_keys() -> tuple[str, ...]:
    """The keys of the selected teams."""
    return tuple(team_key(name) for name in selected(TEAM_KEY))


def workflow_scope(workflow: WorkflowRow, branches: tuple[str, ...] | None = None) -> Scope:
    """One workflow, on the selected branches unless `branches` are given."""
    branches = selected("branch") if branches is None else branches
    return Scope(repos=(workflow.repo,), workflows=(str(workflow.id),), branches=branches)


def run_scope() -> Scope:
    """The scope with the filters of the Runs page."""
    shared = scope()
    return Scope(
        repos=shared.repos,
        branches=shared.branches,
        workflows=shared.workflows,
        events=selected("event"),
        actors=selected("actor"),
        # Other values are reported (`controls.render_for_runs`) and ignored.
        conclusions=tuple(Conclusion(name) for name in selected("conclusion") if name in _CONCLUSIONS),
        statuses=tuple(status for name in selected("status") for status in STATUSES.get(name, ())),
        outcomes=tuple(Outcome(name) for name in selected("outcome") if name in _OUTCOMES),
        runners=selected("runner"),
        classes=cause_classes(),
    )


def stored_names(version: int, repos: Sequence[str]) -> tuple[str, ...]:
    """Repositories as they are stored: GitHub accepts their names in any case."""
    if not repos:
        return ()
    known = figures.known_names(Scope(), version).repos
    return tuple(known.get(repo.lower(), repo) for repo in repos)


def cause_classes() -> tuple[str, ...]:
    """The selected classes of failure causes. Other values are reported (`controls.class_control`) and ignored."""
    return tuple(name for name in selected(CLASS_KEY) if name in _CLASSES)


def single_branch() -> str | None:
    """The selected branch if exactly one is selected."""
    branches = selected("branch")
    return branches[0] if len(branches) == 1 else None


def search_text() -> str:
    return str(st.session_state.get("q") or "")


def selected_hours() -> Hours | None:
    """The hours of the week of the Runs page. Null if none are selected, or the URL's are invalid."""
    try:
        text = str(st.session_state.get("hours") or "")
        return parse_hours(text) if text else None
    except BadHours:
        return None


def filter_query() -> list[tuple[str, object]]:
    """Query parameters that keep all shared filters but the dates in a link. A filter that a link omits would be added
    to the URL by a second entry of the browser's history."""
    return [(key, value) for key in SHARED_KEYS if key != "dates" for value in query_values(key)]


def spend_group(groups: Mapping[str, object]) -> str:
    """The selected grouping of the Cost page, a key of `groups`; the first without a selection."""
    in_url = st.query_params.get("by", "")
    if in_url and in_url not in groups:
        view_state.report(f"by={in_url[:60]} is unknown (expected one of {', '.join(groups)}).")
    group = st.session_state.get("by") or in_url
    return group if group in groups else next(iter(groups))


def success_rate() -> SuccessRate:
    return RATES[rate()]


def rate() -> str:
    """The selected definition of the success rate, a key of RATES."""
    value = st.session_state.get("rate")
    return value if value in RATES else DEFAULTS["rate"]


def trends(version: int) -> Trends:
    """The figures of the selection, with the success rate by commit only if it is selected: it is expensive."""
    arguments = scope(), window(window_end(version)), interval(), version
    return figures.trends(*arguments, commits=True) if rate() == "commit" else figures.trends(*arguments)


def window(until: datetime) -> Window:
    """The period that ends at `until`, or the selected dates up to `until`; empty for dates in the future."""
    dates = selected_dates()
    return window_of(dates, DEFAULT_PERIOD if dates else period(), until)


def window_of(dates: Dates | None, length: str, until: datetime) -> Window:
    """`length`: the period without dates, a key of PERIODS."""
    return Window(until - PERIODS[length], until) if dates is None else dates.window(until)


def interval() -> Interval:
    """The interval of the points of a time series."""
    dates = selected_dates()
    return interval_of(dates, DEFAULT_PERIOD if dates else period())


def interval_of(dates: Dates | None, length_name: str) -> Interval:
    """`length_name`: the period without dates, a key of PERIODS."""
    if dates is None:
        length = PERIODS[length_name]
    else:
        started = dates.started(today()) or dates
        length = started.until - started.since
    return Interval.HOUR if length <= _MAX_HOURLY else Interval.DAY if length <= _MAX_DAILY else Interval.WEEK


def period() -> str:
    """The period as text: `30d`, or the selected dates."""
    dates = selected_dates()
    if dates:
        text = dates.text(session.zone())
        return f"{text}, so far" if dates.includes(utc_now()) else text
    value = st.session_state.get("period")
    return value if value in PERIODS else DEFAULT_PERIOD


def period_length() -> str:
    """The length of the previous period as text, for `vs previous …`: `30d`, or `9 days`."""
    dates = selected_dates()
    if not dates:
        return period()
    return "the same time" if dates.includes(utc_now()) else dates.length_text


def describe() -> str:
    """The period within a sentence: `the last 30d`, or `1 Nov – 9 Nov`."""
    return period() if selected_dates() else f"the last {period()}"


def time_query() -> list[tuple[str, object]]:
    """Query parameters that keep the period in a link."""
    return [(key, value) for key in TIME_KEYS for value in query_values(key)]


def today() -> date:
    return utc_now().astimezone(UTC).date()


def selected_dates() -> Dates | None:
    """Null if none are selected, or the URL's are invalid."""
    try:
        return parse_selected_dates()
    except BadDates:
        return None


def parse_selected_dates() -> Dates | None:
    """Raises BadDates."""
    text = str(st.session_state.get("dates") or "")
    return parse_dates(text) if text else None
