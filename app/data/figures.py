"""Figures by filter and data version, kept for all sessions together. What is kept is never changed, so it is handed
out as it is, not copied.

Minutes, money and queues.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app.data.connection import utc_now, session
from app.data.outages import serve_stale
from app.data.status import now
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval
from db.repositories import repository_queries
from db.repositories.schedules import schedule_error as trouble_of
from health.completeness import service as completeness_queries
from health.completeness.gaps import Completeness
from health.metrics import capacity, cost, service
from health.metrics.definitions.episodes import WorkflowStatus, BranchStatus
from health.metrics.definitions.formulas import Metrics
from health.metrics.queries import branch_status


@dataclass(frozen=True)
class Trends:
    """`before` are the points of the previous period, one for each of `points`; empty where it was not collected."""

    comparison: service.Comparison
    points: list[service.Point]
    previous: list[service.Point]


@dataclass(frozen=True)
class WorkflowList:
    """`before`: the figures of the previous period, empty where it was not collected; `standings`: how each stands on its
    default branch now; both by repository and workflow id. Broken ones come first, whatever branch the figures are
    of."""

    items: list[service.WorkflowHealth]
    previous: dict[tuple[str, int], Metrics]
    standings: Mapping[tuple[str, int], BranchStatus] = field(default_factory=dict)

    def standing(self, repo: str, workflow_id: int) -> BranchStatus:
        unknown = BranchStatus(repo, workflow_id, "", WorkflowStatus.CATCHING_UP)
        return self.standings.get((repo, workflow_id), unknown)


@dataclass(frozen=True)
class FilterOptions:
    repos: list[str]
    workflows: list[str]
    branches: list[str]
    events: list[str]
    actors: list[str]


@serve_stale
@st.cache_resource(ttl=120, max_entries=64, show_spinner=False)
def filter_options(scope: Scope, since: datetime, version: int) -> FilterOptions:
    """Values to filter by; branches and workflows of the chosen repositories only."""
    with session(version) as found:
        return FilterOptions(
            repos=[row.repo for row in repository_queries.list_repositories(found)],
            workflows=sorted({row.name for row in repository_queries.list_workflows(found, scope)}, key=str.lower),
            branches=repository_queries.list_branches(found, scope, since),
            events=repository_queries.frequent_values(found, "event", since),
            actors=repository_queries.frequent_values(found, "actor", since),
        )


@serve_stale
@st.cache_resource(ttl=600, max_entries=128, show_spinner=False)
def trends(scope: Scope, window: Window, interval: Interval, version: int, *, commits: bool = False) -> Trends:
    """`commits`: with the success rate by commit, which is read from the runs."""
    with session(version) as found:
        now = utc_now()
        comparison = service.compare(found, scope, window, commits=commits, now=now)
        before = service.series(found, scope, window.before(), interval, now=now) if comparison.comparable else []
        return Trends(comparison, service.series(found, scope, window, interval, now=now), before)


@serve_stale
@st.cache_resource(ttl=600, max_entries=128, show_spinner=False)
def failure_hours(
    scope: Scope, window: Window, zone: ZoneInfo, version: int
) -> tuple[list[service.HourCell] | None, list[service.HourCell]]:
    """Of the zone, null where they cannot be told; and, where they cannot, of UTC."""
    with session() as found:
        local = service.local_weekday_hours(found, scope, window, zone)
        return local, [] if local is not None else service.weekday_hours(found, scope, window)


@serve_stale
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def workflows(scope: Scope, window: Window, version: int) -> WorkflowList:
    with session(version) as found:
        listed = service.workflows(found, scope, window, window.until)
        known = service.was_collected(found, scope, window)
        past = service.groups(found, scope, window.before(), GroupBy.WORKFLOW) if known else []
        stand = branch_status.workflow_statuses(found, scope, now(version))
    failing = {key for key, each in stand.items() if each.status is WorkflowStatus.FAILING}
    listed.sort(key=lambda each: (each.repo, each.workflow_id) not in failing)
    return WorkflowList(listed, {(each.repo or "", each.workflow_id or 0): each.metrics for each in past}, stand)


@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def standing(repo: str, workflow_id: int, version: int) -> BranchStatus | None:
    """Of one workflow; null where it is not known."""
    with session() as found:
        scope = Scope(repos=(repo,), workflows=(str(workflow_id),))
        return branch_status.workflow_statuses(found, scope, now(version)).get((repo, workflow_id))


@serve_stale
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def workflow_names(version: int) -> dict[int, repository_queries.WorkflowRow]:
    with session() as found:
        return {row.id: row for row in repository_queries.list_workflows(found, Scope())}


@dataclass(frozen=True)
class KnownNames:
    """`repos`: lower case to the name as it is stored, of all that have stored data or are monitored; `workflows`: names
    and ids in the asked scope."""

    repos: Mapping[str, str]
    workflows: frozenset[str]


@serve_stale
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def known_names(scope: Scope, version: int) -> KnownNames:
    with session() as found:
        repos = repository_queries.known_repositories(found)
        listed = repository_queries.list_workflows(found, scope)
    names = {name for row in listed for name in (row.name, str(row.id))}
    return KnownNames({repo.lower(): repo for repo in repos}, frozenset(names))


@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def broken_workflows(scope: Scope, at: datetime, version: int) -> list[service.Streak]:
    with session() as found:
        return service.failing_streaks(found, scope, at)


@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def schedule_problem(workflow: repository_queries.WorkflowRow, version: int) -> str | None:
    """Why the workflow's schedule, or a part of it, cannot be judged; null where it can."""
    with session() as found:
        return trouble_of(found, workflow.repository_id, workflow.id)


@serve_stale
@st.cache_resource(ttl=60, max_entries=128, show_spinner=False)
def completeness(scope: Scope, window: Window | None, version: int) -> Completeness:
    """Of the runs of a window, for pages whose figures do not carry it."""
    with session(version) as found:
        return completeness_queries.completeness(found, scope, window)


@dataclass(frozen=True)
class RunnerUsage:
    series: list[cost.CostPoint]
    queues: capacity.Queues
    wasted: cost.WastedMinutes


@serve_stale
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def cost_breakdown(scope: Scope, window: Window, by: cost.CostGroupBy, version: int) -> cost.CostBreakdown:
    with session(version) as found:
        return cost.cost_by_group(found, scope, window, by)


@serve_stale
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def runner_usage(scope: Scope, window: Window, interval: Interval, version: int) -> RunnerUsage:
    with session(version) as found:
        return RunnerUsage(
            cost.cost_series(found, scope, window, interval),
            capacity.queues(found, scope, window),
            cost.wasted_minutes(found, scope, window),
        )
