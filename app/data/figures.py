"""Figures by filter and data version, kept for all sessions together. What is kept is never changed, so it is handed
out as it is, not copied."""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from app.data.connection import session
from db import analytics
from db.metrics.formulas import Completeness, Metrics
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries import repositories
from db.vocabulary import GroupBy, Interval


@dataclass(frozen=True)
class Trends:
    """`before` are the points of the previous period, one for each of `points`; empty where it was not collected."""

    comparison: analytics.Comparison
    points: list[analytics.Point]
    before: list[analytics.Point]


@dataclass(frozen=True)
class Workflows:
    """`before`: the figures of the previous period, by repository and workflow id; empty where it was not collected."""

    listed: list[analytics.WorkflowHealth]
    before: dict[tuple[str, int], Metrics]


@dataclass(frozen=True)
class Options:
    repos: list[str]
    workflows: list[str]
    branches: list[str]
    events: list[str]
    actors: list[str]


@st.cache_resource(ttl=120, max_entries=64, show_spinner=False)
def options(scope: Scope, since: datetime, version: int) -> Options:
    """Values to filter by; branches and workflows of the chosen repositories only."""
    with session() as found:
        return Options(
            repos=[row.repo for row in repositories.list_repositories(found)],
            workflows=sorted({row.name for row in repositories.list_workflows(found, scope)}, key=str.lower),
            branches=repositories.list_branches(found, scope, since),
            events=repositories.distinct_values(found, "event", since),
            actors=repositories.distinct_values(found, "actor", since),
        )


@st.cache_resource(ttl=600, max_entries=128, show_spinner=False)
def trends(scope: Scope, window: Window, interval: Interval, version: int, *, commits: bool = False) -> Trends:
    """`commits`: with the success rate by commit, which is read from the runs."""
    with session() as found:
        comparison = analytics.compare(found, scope, window, commits=commits)
        before = analytics.series(found, scope, window.before(), interval) if comparison.comparable else []
        return Trends(comparison, analytics.series(found, scope, window, interval), before)


@st.cache_resource(ttl=600, max_entries=128, show_spinner=False)
def hours(scope: Scope, window: Window, version: int) -> list[analytics.HourCell]:
    with session() as found:
        return analytics.weekday_hours(found, scope, window)


@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def workflows(scope: Scope, window: Window, version: int) -> Workflows:
    with session() as found:
        listed = analytics.workflows(found, scope, window, window.until)
        known = analytics.was_collected(found, scope, window)
        past = analytics.groups(found, scope, window.before(), GroupBy.WORKFLOW) if known else []
        return Workflows(listed, {(each.repo or "", each.workflow_id or 0): each.metrics for each in past})


@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def workflow_names(version: int) -> dict[int, repositories.WorkflowRow]:
    with session() as found:
        return {row.id: row for row in repositories.list_workflows(found, Scope())}


@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def broken(scope: Scope, now: datetime, version: int) -> list[analytics.Streak]:
    with session() as found:
        return analytics.failing_streaks(found, scope, now)


@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def completeness(scope: Scope, version: int) -> Completeness:
    with session() as found:
        return repositories.completeness(found, scope)
