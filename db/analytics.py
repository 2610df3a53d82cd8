"""The facade of the figures: what UI, API and alerts ask, so that they can never disagree."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.metrics.distribution import ratio
from db.metrics.facts import Facts, no_facts
from db.metrics.formulas import Completeness, Metrics, metrics
from db.metrics.losses import with_losses
from db.metrics.scope import Scope
from db.metrics.window import LENGTHS, Window
from db.queries import facts as queries
from db.queries.grouping import Question
from db.queries.repositories import completeness
from db.queries.runs import count_rows, recent_outcomes
from db.queries.streaks import Streak, failing_streaks
from db.vocabulary import GroupBy, Interval, Outcome

__all__ = ["Comparison", "Group", "HourCell", "Point", "Streak", "WorkflowHealth", "compare", "count_runs",
           "failing_streaks", "groups", "is_comparable", "series", "snapshot", "was_collected", "weekday_hours",
           "workflows"]  # fmt: skip


# The history is read from a moment that lies a little later than the start of the window asked for.
_SLACK = timedelta(hours=1)
# Longer windows show a trend by weeks.
_DAILY_UP_TO = timedelta(days=62)


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
class Comparison:
    """`comparable` is false where the period before reaches further back than what is known to be complete: a
    change against a part of the runs would be a lie."""

    now: Metrics
    before: Metrics
    window: Window
    window_before: Window
    comparable: bool


@dataclass(frozen=True)
class HourCell:
    """One hour of the week, UTC: weekday 0 is Monday."""

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
    recent: list[tuple[int, str]]
    last_run_at: datetime
    failing: Streak | None


def snapshot(session: Session, scope: Scope, window: Window, *, now: datetime | None = None) -> Metrics:
    """The figures of all runs that the scope and the window hold. `now`: until when open episodes have lasted; null:
    until the window's end."""
    found = queries.facts(session, Question(scope, window, now=now))
    return metrics(found.get((None, None), no_facts()), _data(session, scope, window))


def compare(session: Session, scope: Scope, window: Window, *, now: datetime | None = None) -> Comparison:
    """The window and the one of the same length before it. `now` as in snapshot."""
    before = window.before()
    current, past = (snapshot(session, scope, each, now=now) for each in (window, before))
    return Comparison(current, past, window, before, is_comparable(past.data.complete_since, before))


def is_comparable(complete_since: datetime | None, before: Window) -> bool:
    """Is every run of the period before known?"""
    return complete_since is not None and complete_since <= before.since + _SLACK


def was_collected(session: Session, scope: Scope, window: Window, *, by_sums: bool = False) -> bool:
    """Is every run of the period before this one known? `by_sums`: its roll-ups suffice where its runs are deleted."""
    before = window.before()
    # Only rows tell actors apart.
    data = _data(session, scope, before, None if by_sums else GroupBy.ACTOR)
    return is_comparable(data.complete_since, before)


def series(
    session: Session, scope: Scope, window: Window, interval: Interval, *, now: datetime | None = None
) -> list[Point]:
    """One point a bucket; a bucket without runs is a point with zero runs and null rates. `now` as in snapshot."""
    data = _data(session, scope, window, interval=interval)
    found = queries.facts(session, Question(scope, window, interval=interval, now=now))
    empty = no_facts()
    return [
        Point(
            start,
            partial=start < window.since or start + LENGTHS[interval] > window.until,
            metrics=metrics(found.get((None, start), empty), data),
        )
        for start in window.buckets(interval)
    ]


def count_runs(session: Session, scope: Scope, window: Window, *, text: str = "") -> int:
    """How many runs a list of them would hold: deleted ones are in no list."""
    if text or not queries.by_rollups(session, scope, window) or queries.is_pruned(session, window.since):
        return count_rows(session, scope, window, text=text)
    return sum(sum(ended.values()) for ended in queries.outcomes(session, Question(scope, window)).values())


def groups(session: Session, scope: Scope, window: Window, by: GroupBy, *, now: datetime | None = None) -> list[Group]:
    """The largest group first. Recovery is not known for actors and runners: they do not see the sequence of a
    branch's runs. For an event it is that of episodes which a run of that event began. `now` as in snapshot."""
    data = _data(session, scope, window, by)
    found = queries.facts(session, Question(scope, window, by, now=now))
    names = _Names(session)
    listed = [names.group(by, key, metrics(facts, data)) for (key, _), facts in found.items() if _runs(facts)]
    return sorted(listed, key=lambda group: (-group.metrics.runs.total, group.key or "", group.workflow_id or 0))


def weekday_hours(session: Session, scope: Scope, window: Window) -> list[HourCell]:
    """All 168 hours of a week, by the run's created_at in UTC."""
    return [
        HourCell(place // 24, place % 24, decided, failed, ratio(failed, decided))
        for place, (decided, failed) in enumerate(queries.hours(session, scope, window))
    ]


def workflows(session: Session, scope: Scope, window: Window, now: datetime) -> list[WorkflowHealth]:
    """Workflows with runs in the window: those broken on the default branch first, then the least successful."""
    data = _data(session, scope, window, GroupBy.WORKFLOW)
    question = Question(scope, window, GroupBy.WORKFLOW, now=now)
    found = queries.facts(session, question)
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
            recent=recent[key].runs,
            last_run_at=recent[key].last_at,
            failing=failing.get(key),
        )
        for (key, _), facts in found.items()
        if key in recent
    ]
    return sorted(listed, key=_worst_first)


def _data(
    session: Session, scope: Scope, window: Window, by: GroupBy | None = None, interval: Interval | None = None
) -> Completeness:
    """With what the answer lacks because runs were deleted."""
    found = completeness(session, scope, window)
    return with_losses(found, queries.losses(session, scope, window, by, interval))


def _trends(session: Session, question: Question) -> dict[tuple[int, int], list[float | None]]:
    """The success rate of each workflow by day, of long windows by week."""
    interval = Interval.DAY if question.window.span <= _DAILY_UP_TO else Interval.WEEK
    found = queries.outcomes(session, replace(question, interval=interval))
    rates: dict[tuple[int, int], dict[datetime | None, float | None]] = defaultdict(dict)
    for (key, start), ended in found.items():
        failed, passed = ended[Outcome.FAILURE], ended[Outcome.SUCCESS]
        rates[key][start] = ratio(passed, passed + failed)
    buckets = question.window.buckets(interval)
    return {key: [by_start.get(start) for start in buckets] for key, by_start in rates.items()}


def _runs(facts: Facts) -> int:
    return sum(facts.outcomes.values())


class _Names:
    def __init__(self, session: Session) -> None:
        self.repositories = queries.repository_names(session)
        self.workflows = queries.workflow_names(session)

    def workflow(self, key: tuple[int, int]) -> str:
        return self.workflows.get(key, str(key[1]))

    def group(self, by: GroupBy, key: Any, figures: Metrics) -> Group:
        if by is GroupBy.WORKFLOW:
            return Group(self.workflow(key), figures, self.repositories.get(key[0]), key[1])
        return Group(self.repositories.get(key) if by is GroupBy.REPO else key, figures)


def _worst_first(health: WorkflowHealth) -> tuple[bool, float, str, str]:
    rate = health.metrics.success_rate
    return health.failing is None, 2.0 if rate is None else rate, health.repo, health.workflow
