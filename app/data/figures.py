"""Figures by filter and data version, cached for all browser sessions.

Cached values are never modified, so that `st.cache_resource`, which does not copy them, is safe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from app.data.caching import cache_resource
from app.data.connection import read_session, repository_overview, utc_now
from app.data.outages import serve_stale
from app.data.status import window_end
from db.definitions.scope import Scope, Window
from db.enums import Interval
from db.repositories import repository_queries
from db.repositories.schedules import schedule_error
from health.completeness.gaps import Completeness
from health.completeness.service import PeriodCompleteness, read_completeness, read_periods
from health.metrics import branch_status, capacity, cost, service, workflow_health
from health.metrics.branch_status import WorkflowPath
from health.metrics.definitions.episodes import BranchStatus, WorkflowStatus
from health.metrics.service import Trends
from health.metrics.workflow_health import WorkflowHealth, WorkflowHistory


@dataclass(frozen=True)
class WorkflowList:
    """The workflows of a scope with runs in the window. Those with a failing default branch come first, whatever the
    branch of the figures. `branch_statuses`: the status of the default branch by workflow."""

    items: list[WorkflowHealth]
    branch_statuses: Mapping[WorkflowPath, BranchStatus]
    scope: Scope
    window: Window
    version: int

    def default_branch_status(self, repo: str, workflow_id: int) -> BranchStatus:
        unknown = BranchStatus(repo, workflow_id, "", WorkflowStatus.CATCHING_UP)
        return self.branch_statuses.get((repo, workflow_id), unknown)

    def histories(self, items: Sequence[WorkflowHealth]) -> Mapping[WorkflowPath, WorkflowHistory]:
        """What a table shows of these workflows in addition to their figures."""
        return _histories(self.scope, self.window, tuple(item.path for item in items), self.version)


# The options of the filters by repository and by workflow.
MAX_NAMES = 2_000


@dataclass(frozen=True)
class FilterOptions:
    """At most MAX_NAMES repositories and workflows, and the values of the latest runs."""

    repos: list[str]
    workflows: list[str]
    branches: list[str]
    events: list[str]
    actors: list[str]
    runners: list[str]


@serve_stale
@cache_resource(ttl=120, max_entries=64)
def filter_options(scope: Scope, since: datetime, version: int) -> FilterOptions:
    """Options of the filters. Branches and workflows are those of the selected repositories."""
    with read_session() as session:
        return FilterOptions(
            repos=[row.repo for row in repository_queries.list_repositories(session)][:MAX_NAMES],
            workflows=sorted(repository_queries.workflow_names(session, scope), key=str.lower)[:MAX_NAMES],
            branches=repository_queries.list_branches(session, scope, since),
            events=repository_queries.frequent_values(session, "event", since),
            actors=repository_queries.frequent_values(session, "actor", since),
            runners=capacity.runner_names(session, since),
        )


@serve_stale
@cache_resource(ttl=600, max_entries=128)
def trends(scope: Scope, window: Window, interval: Interval, version: int, *, commits: bool = False) -> Trends:
    """`commits`: include the success rate by commit, which is computed from the runs instead of roll-ups."""
    periods, current = period_completeness(scope, window, version), infrastructure_failures(scope, window, version)
    with read_session() as session:
        before = service.read_failures(session, scope, window.before(), others=current.others is not None)
        failures = service.PeriodFailures(current, before)
        return service.trends(
            session, scope, window, interval, commits=commits, now=utc_now(), periods=periods, failures=failures
        )


@serve_stale
@cache_resource(ttl=600, max_entries=128)
def infrastructure_failures(scope: Scope, window: Window, version: int) -> service.InfrastructureFailures:
    """Failed runs without a cause are counted in windows up to 35 days: the failed runs of longer ones are too many to
    be read for each page."""
    with read_session() as session:
        is_counted = window.span <= service.MAX_WINDOW_OF_RUNS
        return service.read_failures(session, scope, window, others=is_counted)


@serve_stale
@cache_resource(ttl=600, max_entries=128)
def failure_hours(
    scope: Scope, window: Window, zone: ZoneInfo, version: int
) -> tuple[list[service.HourCell] | None, list[service.HourCell]]:
    """(hours of the time zone, hours in UTC). Roll-ups of whole UTC hours cannot be assigned to the hours of some time
    zones and periods: then the first is null, and the second is filled."""
    with read_session() as session:
        local = service.local_weekday_hours(session, scope, window, zone)
        return local, [] if local is not None else service.weekday_hours(session, scope, window)


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def workflows(scope: Scope, window: Window, version: int) -> WorkflowList:
    periods, overview = period_completeness(scope, window, version), repository_overview(version)
    failures = infrastructure_failures(scope, window, version)
    with read_session() as session:
        statuses = branch_status.workflow_statuses(session, scope, window_end(version), overview)
        failing = {path for path, status in statuses.items() if status.status is WorkflowStatus.FAILING}
        items = workflow_health.list_workflows(
            session, scope, window, window.until, failing=failing, periods=periods, failures=failures
        )
    return WorkflowList(items, statuses, scope, window, version)


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def _histories(
    scope: Scope, window: Window, paths: tuple[WorkflowPath, ...], version: int
) -> Mapping[WorkflowPath, WorkflowHistory]:
    periods, listed = period_completeness(scope, window, version), frozenset(paths)
    items = [item for item in workflows(scope, window, version).items if item.path in listed]
    with read_session() as session:
        return workflow_health.workflow_histories(session, scope, window, items, periods=periods)


@cache_resource(ttl=60, max_entries=64)
def default_branch_status(repo: str, workflow_id: int, version: int) -> BranchStatus | None:
    """The status of a workflow's default branch; null for an unknown workflow."""
    scope, overview = Scope(repos=(repo,), workflows=(str(workflow_id),)), repository_overview(version)
    with read_session() as session:
        return branch_status.workflow_statuses(session, scope, window_end(version), overview).get((repo, workflow_id))


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def workflow_names(version: int) -> dict[int, repository_queries.WorkflowRow]:
    with read_session() as session:
        return {row.id: row for row in repository_queries.list_workflows(session, Scope())}


@dataclass(frozen=True)
class KnownNames:
    """`repos`: stored name by lower-case name of every repository that is monitored or has stored data. `workflows`:
    names and ids of the workflows in the scope."""

    repos: Mapping[str, str]
    workflows: frozenset[str]


@serve_stale
@cache_resource(ttl=60, max_entries=64)
def known_names(scope: Scope, version: int) -> KnownNames:
    with read_session() as session:
        repos = repository_queries.known_repositories(session)
        rows = repository_queries.list_workflows(session, scope)
    names = {name for row in rows for name in (row.name, str(row.id))}
    return KnownNames({repo.lower(): repo for repo in repos}, frozenset(names))


@cache_resource(ttl=60, max_entries=64)
def broken_workflows(scope: Scope, at: datetime, version: int) -> list[service.Streak]:
    with read_session() as session:
        return service.failing_streaks(session, scope, at)


@cache_resource(ttl=60, max_entries=64)
def schedule_problem(workflow: repository_queries.WorkflowRow, version: int) -> str | None:
    """Why the workflow's schedule, or a part of it, cannot be evaluated; null if it can."""
    with read_session() as session:
        return schedule_error(session, workflow.repository_id, workflow.id)


@serve_stale
@cache_resource(ttl=60, max_entries=128)
def completeness(scope: Scope, window: Window | None, version: int) -> Completeness:
    """The completeness of a window's runs, for pages whose figures do not include it."""
    if window is not None:
        return period_completeness(scope, window, version).current
    overview = repository_overview(version)
    with read_session() as session:
        return read_completeness(session, scope, None, overview)


@cache_resource(ttl=30, max_entries=128)
def period_completeness(scope: Scope, window: Window, version: int) -> PeriodCompleteness:
    """The completeness of a window and its previous period, read once for all figures of a page."""
    overview = repository_overview(version)
    with read_session() as session:
        return read_periods(session, scope, window, overview)


@dataclass(frozen=True)
class RunnerUsage:
    series: list[cost.CostPoint]
    queues: capacity.Queues
    wasted: cost.WastedMinutes


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def cost_breakdown(scope: Scope, window: Window, by: cost.CostGroupBy, version: int) -> cost.CostBreakdown:
    periods = period_completeness(scope, window, version)
    with read_session() as session:
        return cost.cost_by_group(session, scope, window, by, periods=periods)


@serve_stale
@cache_resource(ttl=600, max_entries=64)
def runner_usage(scope: Scope, window: Window, interval: Interval, version: int) -> RunnerUsage:
    with read_session() as session:
        return RunnerUsage(
            cost.cost_series(session, scope, window, interval),
            capacity.queues(session, scope, window),
            cost.wasted_minutes(session, scope, window),
        )
