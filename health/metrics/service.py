"""Figures of runs: the same for dashboard, API, exporter and alerts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Interval
from db.runs.run_queries import count_rows
from health.completeness.gaps import Completeness
from health.completeness.service import PeriodCompleteness, read_completeness, read_periods
from health.metrics.branch_status import Streak, failing_streaks
from health.metrics.definitions.aggregates import Aggregates, empty_aggregates
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.change import (
    MIN_SAMPLES,
    Change,
    DurationChange,
    DurationPair,
    change,
    duration_change,
    standardized_change,
)
from health.metrics.definitions.failure_counts import NOT_COUNTED
from health.metrics.definitions.formulas import Metrics, metrics
from health.metrics.definitions.losses import with_losses
from health.metrics.definitions.percentiles import UNKNOWN, ratio
from health.metrics.queries import executor
from health.metrics.queries.grouping import REST, Key, MetricsQuery, is_partial
from health.metrics.queries.infrastructure import (
    InfrastructureFailures,
    PeriodFailures,
    counts_by_key,
    failures_without_cause,
    read_failures,
    read_period_failures,
)
from health.metrics.queries.largest import MAX_WINDOW as MAX_WINDOW_OF_RUNS
from health.metrics.queries.largest import count_passed_commits, largest_aggregates
from health.metrics.queries.local_hours import local_hours
from health.metrics.queries.names import Names
from health.metrics.queries.plan import plan

__all__ = [
    "MAX_WINDOW_OF_RUNS",
    "Comparison",
    "Group",
    "HourCell",
    "InfrastructureFailures",
    "LargestGroups",
    "PeriodFailures",
    "Point",
    "Streak",
    "Trends",
    "compare",
    "count_runs",
    "failing_streaks",
    "failures_without_cause",
    "groups",
    "largest_groups",
    "local_weekday_hours",
    "read_failures",
    "read_period_failures",
    "series",
    "snapshot",
    "trends",
    "was_collected",
    "weekday_hours",
    "workflow_groups",
]

# The median of several workflows is a mixture that changes with their shares.
STANDARDIZED_FIGURE = "success_duration_p50"
_TOTAL: Key = (None, None)


@dataclass(frozen=True)
class Point:
    """Figures of the runs created in one bucket. `partial`: the bucket is not entirely in the window."""

    start: datetime
    partial: bool
    metrics: Metrics


@dataclass(frozen=True)
class Group:
    """`key` is null for runs without such a value; `repo` and `workflow_id` are set for workflows."""

    key: str | None
    metrics: Metrics
    repo: str | None = None
    workflow_id: int | None = None


@dataclass(frozen=True)
class LargestGroups:
    """`rest` has the figures of all groups beyond `groups` together, null where there are none; `total` is the number
    of groups with runs; `data` is the completeness of all of them."""

    groups: list[Group]
    rest: Metrics | None
    total: int
    data: Completeness


@dataclass(frozen=True)
class Comparison:
    """A window and its previous period (Window.before). `comparable` is false where the previous period begins before
    the data is complete: a change against a part of the runs would be wrong. `duration_change` is that of the same
    workflows; null where no workflow has enough successes in both, or the periods are not comparable."""

    current: Metrics
    previous: Metrics
    window: Window
    previous_window: Window
    comparable: bool
    duration_change: DurationChange | None = None

    def change(self, name: str) -> Change | None:
        """Returns the change of a figure of the catalogue, null where there is nothing to compare with. The median
        duration of successes is compared workflow by workflow."""
        figure = FIGURES[name]
        if not self.comparable:
            return None
        if name == STANDARDIZED_FIGURE:
            samples = (figure.sample(period) for period in (self.current, self.previous))
            return standardized_change(figure, self.duration_change, *samples)
        return change(figure, self.current, self.previous)


@dataclass(frozen=True)
class Trends:
    """`previous` has the points of the previous period; empty where it is not comparable."""

    comparison: Comparison
    points: list[Point]
    previous: list[Point]


@dataclass(frozen=True)
class HourCell:
    """One hour of the week in UTC or in a time zone. `weekday` 0 is Monday."""

    weekday: int
    hour: int
    decided: int
    failure: int
    failure_rate: float | None


def snapshot(
    session: Session,
    scope: Scope,
    window: Window,
    *,
    commits: bool = True,
    now: datetime | None = None,
    completeness: Completeness | None = None,
    failures: InfrastructureFailures | None = None,
) -> Metrics:
    """Returns the figures of all runs of the scope and window. `commits` false saves the statement that groups runs by
    commit; those figures are null then. Open episodes last until `now`, null: until the end of the window.
    `completeness` is that of the scope and window, read where it is not given; `failures` are theirs as well, and
    figures without infrastructure failures are null without them."""
    data = completeness or read_completeness(session, scope, window)
    aggregates, data = _read(session, MetricsQuery(scope, window, now=now), data)
    passed = count_passed_commits(session, scope, window) if commits else None
    counts = failures.total() if failures else NOT_COUNTED
    return metrics(aggregates.get(_TOTAL, empty_aggregates()), data, passed, counts)


def compare(
    session: Session,
    scope: Scope,
    window: Window,
    *,
    commits: bool = True,
    now: datetime | None = None,
    periods: PeriodCompleteness | None = None,
    failures: PeriodFailures | None = None,
) -> Comparison:
    """Compares the window with its previous period. `commits` and `now` as in snapshot; `periods` is the completeness
    of both, read where it is not given; `failures` as in snapshot, of both."""
    before, periods = window.before(), periods or read_periods(session, scope, window)
    failed, failed_before = (failures.current, failures.previous) if failures else (None, None)
    current = snapshot(session, scope, window, commits=commits, now=now, completeness=periods.current, failures=failed)
    previous = snapshot(
        session, scope, before, commits=commits, now=now, completeness=periods.previous, failures=failed_before
    )
    comparable = previous.data.covers(before.since)
    changed = _duration_change(session, scope, window, before) if comparable else None
    return Comparison(current, previous, window, before, comparable, changed)


def trends(
    session: Session,
    scope: Scope,
    window: Window,
    interval: Interval,
    *,
    commits: bool = True,
    now: datetime | None = None,
    periods: PeriodCompleteness | None = None,
    failures: PeriodFailures | None = None,
) -> Trends:
    """As compare, with the points of both periods; completeness is read once for all of it."""
    periods = periods or read_periods(session, scope, window)
    comparison = compare(session, scope, window, commits=commits, now=now, periods=periods, failures=failures)
    failed = failures.current if failures else None
    points = series(session, scope, window, interval, now=now, completeness=periods.current, failures=failed)
    if not comparison.comparable:
        return Trends(comparison, points, [])
    before = comparison.previous_window
    return Trends(comparison, points, series(session, scope, before, interval, now=now, completeness=periods.previous))


def was_collected(
    session: Session,
    scope: Scope,
    window: Window,
    *,
    rollups_suffice: bool = False,
    periods: PeriodCompleteness | None = None,
) -> bool:
    """True where all runs of the previous period are known. `rollups_suffice`: also where its runs are deleted and only
    their roll-ups are left."""
    before, periods = window.before(), periods or read_periods(session, scope, window)
    # Roll-ups do not have actors, so that this query needs runs.
    query = MetricsQuery(scope, before, None if rollups_suffice else GroupBy.ACTOR)
    return with_losses(periods.previous, plan(session, query).losses).covers(before.since)


def series(
    session: Session,
    scope: Scope,
    window: Window,
    interval: Interval,
    *,
    now: datetime | None = None,
    completeness: Completeness | None = None,
    failures: InfrastructureFailures | None = None,
) -> list[Point]:
    """Returns one point a bucket; a bucket without runs is a point with zero runs and null rates. `now`,
    `completeness` and `failures` as in snapshot."""
    data = completeness or read_completeness(session, scope, window)
    aggregates, data = _read(session, MetricsQuery(scope, window, interval=interval, now=now), data)
    empty, count = empty_aggregates(), counts_by_key(failures, interval=interval)
    points = []
    for start in window.buckets(interval):
        key = None, start
        figures = metrics(aggregates.get(key, empty), data, failures=count(key))
        points.append(Point(start, is_partial(start, interval, window), figures))
    return points


def count_runs(session: Session, scope: Scope, window: Window, *, text: str = "", parts: Sequence[Window] = ()) -> int:
    """Returns how many runs a list of them has. Deleted runs are in no list. `parts`: as in list_runs."""
    if text or parts:
        return count_rows(session, scope, window, text=text, parts=parts)
    planned = plan(session, executor.outcomes_query(MetricsQuery(scope, window)))
    if not planned.rollup_scans or planned.begins_in_deleted_runs:
        return count_rows(session, scope, window)
    outcomes = executor.outcomes_by_key(executor.run(session, planned))
    return sum(sum(counts.values()) for counts in outcomes.values())


def groups(
    session: Session,
    scope: Scope,
    window: Window,
    by: GroupBy,
    *,
    now: datetime | None = None,
    completeness: Completeness | None = None,
    failures: InfrastructureFailures | None = None,
) -> list[Group]:
    """Returns all groups with runs, the largest first. Recovery is not known for actors and runners, which do not have
    all runs of a branch; for an event it is that of episodes that began with a run of that event. `now`,
    `completeness` and `failures` as in snapshot."""
    data = completeness or read_completeness(session, scope, window)
    aggregates, data = _read(session, MetricsQuery(scope, window, by, now=now), data)
    names = Names(session)
    with_runs = [(key, group) for (key, _), group in aggregates.items() if _run_count(group)]
    with_runs.sort(key=lambda item: (-_run_count(item[1]), names.sort_key(by, item[0])))
    count = counts_by_key(failures, by)
    return [_group(names, by, key, metrics(group, data, failures=count((key, None)))) for key, group in with_runs]


def largest_groups(
    session: Session,
    scope: Scope,
    window: Window,
    by: GroupBy,
    *,
    limit: int,
    now: datetime | None = None,
    failures: InfrastructureFailures | None = None,
) -> LargestGroups:
    """As groups, but at most `limit` of them and the rest as one: there may be as many branches as runs."""
    data = read_completeness(session, scope, window)
    names = Names(session)
    query = MetricsQuery(scope, window, by, now=now)
    largest = largest_aggregates(session, query, limit, lambda key: names.sort_key(by, key))
    data = with_losses(data, largest.losses)
    count = counts_by_key(failures, by, selected=largest.aggregates)
    items = [
        _group(names, by, key, metrics(group, data, failures=count((key, None))))
        for key, group in largest.aggregates.items()
    ]
    rest = metrics(largest.rest, data, failures=count((REST, None))) if largest.rest else None
    return LargestGroups(items, rest, largest.total, data)


def weekday_hours(session: Session, scope: Scope, window: Window) -> list[HourCell]:
    """Returns all 168 hours of a week by the run's created_at in UTC, Monday 0 h first."""
    return _hour_cells(executor.hours_of_week(session, scope, window))


def local_weekday_hours(session: Session, scope: Scope, window: Window, zone: ZoneInfo) -> list[HourCell] | None:
    """As weekday_hours in the time of the zone, by the offset at the run's creation. Null where only hours of UTC are
    known (health.metrics.queries.local_hours)."""
    counts = local_hours(session, scope, window, zone)
    return None if counts is None else _hour_cells(counts)


def workflow_groups(
    session: Session,
    scope: Scope,
    window: Window,
    *,
    now: datetime | None = None,
    completeness: Completeness | None = None,
    failures: InfrastructureFailures | None = None,
) -> dict[tuple[int, int], Group]:
    """As groups by workflow, by repository id and workflow id."""
    data = completeness or read_completeness(session, scope, window)
    aggregates, data = _read(session, MetricsQuery(scope, window, GroupBy.WORKFLOW, now=now), data)
    names, by = Names(session), GroupBy.WORKFLOW
    count = counts_by_key(failures, by)
    return {
        key: _group(names, by, key, metrics(group, data, failures=count((key, None))))
        for (key, _), group in aggregates.items()
        if _run_count(group)
    }


def _read(session: Session, query: MetricsQuery, data: Completeness) -> tuple[dict[Key, Aggregates], Completeness]:
    """Plans and executes a query. Returns the aggregates by key, and the completeness with the losses of the plan."""
    planned = plan(session, query)
    aggregates = executor.aggregates_by_key(planned, executor.run(session, planned))
    return aggregates, with_losses(data, planned.losses)


def _duration_change(session: Session, scope: Scope, window: Window, before: Window) -> DurationChange | None:
    current, previous = (
        executor.success_medians(session, scope, period, GroupBy.WORKFLOW, min_size=MIN_SAMPLES)
        for period in (window, before)
    )
    unknown = 0, UNKNOWN
    return duration_change(
        [DurationPair(runs, median, previous.get(key, unknown)[1]) for key, (runs, median) in current.items()]
    )


def _hour_cells(counts: Iterable[tuple[int, int]]) -> list[HourCell]:
    return [
        HourCell(*divmod(hour, 24), decided, failed, ratio(failed, decided))
        for hour, (decided, failed) in enumerate(counts)
    ]


def _run_count(aggregates: Aggregates) -> int:
    return sum(aggregates.outcomes.values())


def _group(names: Names, by: GroupBy, key: Any, figures: Metrics) -> Group:
    name = names.group_name(by, key)
    return Group(name, figures, names.repository(key[0]), key[1]) if by is GroupBy.WORKFLOW else Group(name, figures)
