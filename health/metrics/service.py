"""The facade of the figures: what UI, API and alerts ask, so that they can never disagree."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from db.definitions.scope import INTERVAL_LENGTHS, Scope, Window
from db.enums import GroupBy, Interval
from db.runs.run_lists import recent_outcomes
from db.runs.run_queries import count_rows
from health.completeness.gaps import Completeness
from health.completeness.service import completeness, overview_cache
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
from health.metrics.definitions.distribution import UNKNOWN, ratio
from health.metrics.definitions.formulas import Metrics, metrics, with_losses
from health.metrics.queries import executor as queries
from health.metrics.queries.branch_status import Streak, failing_streaks
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.largest import count_passed_commits, largest_aggregates
from health.metrics.queries.local_hours import local_hours

__all__ = [
    "Comparison",
    "Group",
    "HourCell",
    "LargestGroups",
    "Point",
    "Streak",
    "WorkflowHealth",
    "compare",
    "count_runs",
    "failing_streaks",
    "groups",
    "is_comparable",
    "largest_groups",
    "local_weekday_hours",
    "series",
    "snapshot",
    "was_collected",
    "weekday_hours",
    "workflows",
]  # fmt: skip


# The median of several workflows is a mixture, which changes with their shares.
STANDARDIZED_FIGURE = "success_duration_p50"
# The history is read from a moment that lies a little later than the start of the window asked for.
_COVERAGE_TOLERANCE = timedelta(hours=1)
# Longer windows show a trend by weeks.
_MAX_DAILY_TREND = timedelta(days=62)


@dataclass(frozen=True)
class Point:
    """Figures of the runs created in one bucket. `partial` marks a bucket that the window cuts short."""

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
    """`rest`: the figures of all groups that are not among `groups` together, null where there are none; `total`: how
    many groups have runs; `data` is that of all of them."""

    groups: list[Group]
    rest: Metrics | None
    total: int
    data: Completeness


@dataclass(frozen=True)
class Comparison:
    """A window and the previous period (Window.before). `comparable` is false where that reaches further back than what
    is known to be complete: a change against a part of the runs would be wrong. `duration_change` is that of the same
    workflows; null where no workflow has enough successes on both sides, or the periods are not comparable."""

    current: Metrics
    previous: Metrics
    window: Window
    previous_window: Window
    comparable: bool
    duration_change: DurationChange | None = None

    def change(self, name: str) -> Change | None:
        """Of the figure of that name in the catalogue; that of the median duration of successes is of the same
        workflows. Null where there is nothing to compare with."""
        figure = FIGURES[name]
        if not self.comparable:
            return None
        if name == STANDARDIZED_FIGURE:
            samples = (figure.sample(each) for each in (self.current, self.previous))
            return standardized_change(figure, self.duration_change, *samples)
        return change(figure, self.current, self.previous)


@dataclass(frozen=True)
class HourCell:
    """One hour of the week, of UTC or of the time zone that was asked for: weekday 0 is Monday."""

    weekday: int
    hour: int
    decided: int
    failure: int
    failure_rate: float | None


@dataclass(frozen=True)
class WorkflowHealth:
    """`trend` is the success rate of each day, in windows above two months of each week, null where nothing was
    decided; `recent` is oldest first."""

    repo: str
    workflow: str
    workflow_id: int
    metrics: Metrics
    trend: list[float | None]
    recent_outcomes: list[tuple[int, str]]
    last_run_at: datetime
    streak: Streak | None


def snapshot(
    session: Session, scope: Scope, window: Window, *, commits: bool = True, now: datetime | None = None
) -> Metrics:
    """The figures of all runs that the scope and the window hold. `commits` false saves the statement that groups the
    runs by commit; those figures are null then. `now`: until when open episodes have lasted; null: until the window's
    end."""
    found = queries.aggregates(session, MetricsQuery(scope, window, now=now))
    passed = count_passed_commits(session, scope, window) if commits else None
    return metrics(found.get((None, None), empty_aggregates()), _completeness(session, scope, window), passed)


def compare(
    session: Session, scope: Scope, window: Window, *, commits: bool = True, now: datetime | None = None
) -> Comparison:
    """The window and the previous period, aligned on weekday and hour. `commits` and `now` as in snapshot."""
    before = window.before()
    with overview_cache(session):
        current, past = (snapshot(session, scope, each, commits=commits, now=now) for each in (window, before))
    comparable = is_comparable(past.data.complete_since, before)
    changed = _duration_change(session, scope, window, before) if comparable else None
    return Comparison(current, past, window, before, comparable, changed)


def _duration_change(session: Session, scope: Scope, window: Window, before: Window) -> DurationChange | None:
    now, then = (
        queries.success_medians(session, scope, each, GroupBy.WORKFLOW, min_size=MIN_SAMPLES)
        for each in (window, before)
    )
    unknown = 0, UNKNOWN
    return duration_change(
        [DurationPair(runs, spread, then.get(key, unknown)[1]) for key, (runs, spread) in now.items()]
    )


def is_comparable(complete_since: datetime | None, before: Window) -> bool:
    """Is every run of the previous period known?"""
    return complete_since is not None and complete_since <= before.since + _COVERAGE_TOLERANCE


def was_collected(session: Session, scope: Scope, window: Window, *, rollups_suffice: bool = False) -> bool:
    """Is every run of the previous period known? `by_sums`: its roll-ups suffice where its runs are deleted."""
    before = window.before()
    # Only rows tell actors apart.
    data = _completeness(session, scope, before, None if rollups_suffice else GroupBy.ACTOR)
    return is_comparable(data.complete_since, before)


def series(
    session: Session, scope: Scope, window: Window, interval: Interval, *, now: datetime | None = None
) -> list[Point]:
    """One point a bucket; a bucket without runs is a point with zero runs and null rates. `now` as in snapshot."""
    data = _completeness(session, scope, window, interval=interval)
    found = queries.aggregates(session, MetricsQuery(scope, window, interval=interval, now=now))
    empty = empty_aggregates()
    return [
        Point(
            start,
            partial=start < window.since or start + INTERVAL_LENGTHS[interval] > window.until,
            metrics=metrics(found.get((None, start), empty), data),
        )
        for start in window.buckets(interval)
    ]


def count_runs(session: Session, scope: Scope, window: Window, *, text: str = "") -> int:
    """How many runs a list of them would hold: deleted ones are in no list."""
    if text or not queries.uses_rollups(session, scope, window) or queries.is_pruned(session, window.since):
        return count_rows(session, scope, window, text=text)
    return sum(sum(ended.values()) for ended in queries.outcomes(session, MetricsQuery(scope, window)).values())


def groups(session: Session, scope: Scope, window: Window, by: GroupBy, *, now: datetime | None = None) -> list[Group]:
    """The largest group first. Recovery is not known for actors and runners: they do not see the sequence of a
    branch's runs. For an event it is that of episodes which a run of that event began. `now` as in snapshot."""
    data = _completeness(session, scope, window, by)
    found = queries.aggregates(session, MetricsQuery(scope, window, by, now=now))
    names = _Names(session)
    ours = [(key, facts) for (key, _), facts in found.items() if _run_count(facts)]
    ours.sort(key=lambda each: (-_run_count(each[1]), names.order(by, each[0])))
    return [names.group(by, key, metrics(facts, data)) for key, facts in ours]


def largest_groups(
    session: Session, scope: Scope, window: Window, by: GroupBy, *, limit: int, now: datetime | None = None
) -> LargestGroups:
    """As groups, for an answer of a bounded size: there may be as many branches as runs."""
    data = _completeness(session, scope, window, by)
    names = _Names(session)
    found = largest_aggregates(
        session, MetricsQuery(scope, window, by, now=now), limit, lambda key: names.order(by, key)
    )
    listed = [names.group(by, key, metrics(facts, data)) for key, facts in found.aggregates.items()]
    return LargestGroups(listed, metrics(found.rest, data) if found.rest else None, found.total, data)


def weekday_hours(session: Session, scope: Scope, window: Window) -> list[HourCell]:
    """All 168 hours of a week, by the run's created_at in UTC."""
    return [
        HourCell(place // 24, place % 24, decided, failed, ratio(failed, decided))
        for place, (decided, failed) in enumerate(queries.hours_of_week(session, scope, window))
    ]


def local_weekday_hours(session: Session, scope: Scope, window: Window, zone: ZoneInfo) -> list[HourCell] | None:
    """All 168 hours of a week on the clock of the zone, each run by the offset that held when it was created. Null
    where only UTC can be told: see health.metrics.queries.local_hours."""
    found = local_hours(session, scope, window, zone)
    if found is None:
        return None
    return [
        HourCell(place // 24, place % 24, decided, failed, ratio(failed, decided))
        for place, (decided, failed) in enumerate(found)
    ]


def workflows(session: Session, scope: Scope, window: Window, now: datetime) -> list[WorkflowHealth]:
    """Workflows with runs in the window: those broken on the default branch first, then the least successful."""
    data = _completeness(session, scope, window, GroupBy.WORKFLOW)
    question = MetricsQuery(scope, window, GroupBy.WORKFLOW, now=now)
    found = queries.aggregates(session, question)
    trends = _trends(session, question)
    recent = recent_outcomes(session, scope, window, [key for key, _ in found])
    failing = {(each.repository_id, each.workflow_id): each for each in failing_streaks(session, scope, now)}
    names = _Names(session)
    listed = [
        WorkflowHealth(
            repo=names.repositories.get(key[0], ""),
            workflow=names.workflow(key),
            workflow_id=key[1],
            metrics=metrics(facts, data),
            trend=trends[key],
            recent_outcomes=recent[key].runs,
            last_run_at=recent[key].last_at,
            streak=failing.get(key),
        )
        for (key, _), facts in found.items()
        if key in recent
    ]
    return sorted(listed, key=_severity_key)


def _completeness(
    session: Session, scope: Scope, window: Window, by: GroupBy | None = None, interval: Interval | None = None
) -> Completeness:
    """With what the answer lacks because runs were deleted."""
    found = completeness(session, scope, window)
    return with_losses(found, queries.find_losses(session, scope, window, by, interval))


def _trends(session: Session, question: MetricsQuery) -> dict[tuple[int, int], list[float | None]]:
    """The success rate of each workflow by day, of long windows by week."""
    interval = Interval.DAY if question.window.span <= _MAX_DAILY_TREND else Interval.WEEK
    return queries.success_rates(session, replace(question, interval=interval))


def _run_count(facts: Aggregates) -> int:
    return sum(facts.outcomes.values())


class _Names:
    def __init__(self, session: Session) -> None:
        self.repositories = queries.repository_names(session)
        self.workflows = queries.workflow_names(session)

    def workflow(self, key: tuple[int, int]) -> str:
        return self.workflows.get(key, str(key[1]))

    def order(self, by: GroupBy, key: Any) -> tuple[str, int]:
        """Groups of as many runs stand in the order of these."""
        if by is GroupBy.WORKFLOW:
            return self.workflow(key), key[1]
        return (self.repositories.get(key) if by is GroupBy.REPO else key) or "", 0

    def group(self, by: GroupBy, key: Any, figures: Metrics) -> Group:
        if by is GroupBy.WORKFLOW:
            return Group(self.workflow(key), figures, self.repositories.get(key[0]), key[1])
        return Group(self.repositories.get(key) if by is GroupBy.REPO else key, figures)


def _severity_key(health: WorkflowHealth) -> tuple[bool, float, str, str]:
    rate = health.metrics.success_rate
    return health.streak is None, 2.0 if rate is None else rate, health.repo, health.workflow
