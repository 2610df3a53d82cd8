"""The facade of the figures: what UI, API and alerts ask, so that they can never disagree."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.metrics.facts import Facts, RunFact, fold
from db.metrics.formulas import Completeness, Metrics, metrics, ratio
from db.metrics.recovery import Episode, recovery
from db.metrics.scope import Scope
from db.metrics.window import LENGTHS, Window, bucket_start
from db.queries import facts as queries
from db.queries.repositories import completeness
from db.queries.runs import recent_outcomes
from db.queries.streaks import Streak, failing_streaks
from db.vocabulary import GroupBy, Interval, Outcome

__all__ = ["Comparison", "Group", "HourCell", "Point", "Streak", "WorkflowHealth", "compare", "failing_streaks",
           "groups", "series", "snapshot", "weekday_hours", "workflows"]  # fmt: skip


# The history is read from a moment that lies a little later than the start of the window asked for.
_SLACK = timedelta(hours=1)


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
    """`trend` is the success rate of each day, null where nothing was decided; `recent` is oldest first."""

    repo: str
    workflow: str
    workflow_id: int
    metrics: Metrics
    trend: list[float | None]
    recent: list[tuple[int, str]]
    last_run_at: datetime
    failing: Streak | None


def snapshot(session: Session, scope: Scope, window: Window) -> Metrics:
    """The figures of all runs that the scope and the window hold."""
    facts = fold(queries.run_facts(session, scope, window))
    data = completeness(session, scope, window)
    return metrics(facts, recovery(queries.broken_episodes(session, scope, window)), data)


def compare(session: Session, scope: Scope, window: Window) -> Comparison:
    """The window and the one of the same length before it."""
    before = window.before()
    now = snapshot(session, scope, window)
    known = now.data.complete_since
    comparable = known is not None and known <= before.since + _SLACK
    return Comparison(now, snapshot(session, scope, before), window, before, comparable)


def series(session: Session, scope: Scope, window: Window, interval: Interval) -> list[Point]:
    """One point a bucket; a bucket without runs is a point with zero runs and null rates."""
    data = completeness(session, scope, window)
    facts: dict[datetime, Facts] = defaultdict(Facts)
    for run in queries.run_facts(session, scope, window):
        facts[bucket_start(run.created_at, interval)].add(run)
    broken: dict[datetime, list[Episode]] = defaultdict(list)
    for episode in queries.broken_episodes(session, scope, window):
        broken[bucket_start(episode.created_at, interval)].append(episode)
    return [
        Point(
            start,
            partial=start < window.since or start + LENGTHS[interval] > window.until,
            metrics=metrics(facts[start], recovery(broken[start]), data),
        )
        for start in window.buckets(interval)
    ]


def groups(session: Session, scope: Scope, window: Window, by: GroupBy) -> list[Group]:
    """The largest group first. Recovery is known for repositories, workflows and branches only: an event,
    an actor or a runner does not see the sequence of a branch's runs."""
    data = completeness(session, scope, window)
    found = queries.grouped_facts(session, scope, window, by)
    broken = _episodes_by(session, scope, window, by)
    names = _Names(session)
    listed = [
        names.group(by, key, metrics(fold(runs), recovery(broken.get(key, [])), data)) for key, runs in found.items()
    ]
    return sorted(listed, key=lambda group: (-group.metrics.runs.total, group.key or "", group.workflow_id or 0))


def weekday_hours(session: Session, scope: Scope, window: Window) -> list[HourCell]:
    """All 168 hours of a week, by the run's created_at in UTC."""
    facts: dict[tuple[int, int], Facts] = defaultdict(Facts)
    for run in queries.run_facts(session, scope, window):
        facts[run.created_at.weekday(), run.created_at.hour].add(run)
    return [_cell(weekday, hour, facts[weekday, hour]) for weekday in range(7) for hour in range(24)]


def workflows(session: Session, scope: Scope, window: Window, now: datetime) -> list[WorkflowHealth]:
    """Workflows with runs in the window: those broken on the default branch first, then the least successful."""
    data = completeness(session, scope, window)
    found = queries.grouped_facts(session, scope, window, GroupBy.WORKFLOW)
    broken = _episodes_by(session, scope, window, GroupBy.WORKFLOW)
    recent = recent_outcomes(session, scope, window)
    failing = {(each.repository_id, each.workflow_id): each for each in failing_streaks(session, scope, now)}
    names = _Names(session)
    listed = [
        WorkflowHealth(
            repo=names.repositories.get(key[0], ""),
            workflow=names.workflow(key),
            workflow_id=key[1],
            metrics=metrics(fold(runs), recovery(broken.get(key, [])), data),
            trend=_daily_success(runs, window),
            recent=recent.get(key, []),
            last_run_at=max(run.created_at for run in runs),
            failing=failing.get(key),
        )
        for key, runs in found.items()
    ]
    return sorted(listed, key=_worst_first)


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


def _episodes_by(session: Session, scope: Scope, window: Window, by: GroupBy) -> dict[Any, list[Episode]]:
    keys: dict[GroupBy, Callable[[Episode], Any]] = {
        GroupBy.REPO: lambda episode: episode.repository_id,
        GroupBy.WORKFLOW: lambda episode: (episode.repository_id, episode.workflow_id),
        GroupBy.BRANCH: lambda episode: episode.branch,
    }
    found: dict[Any, list[Episode]] = defaultdict(list)
    if by not in keys:
        return found
    for episode in queries.broken_episodes(session, scope, window, every_branch=by is GroupBy.BRANCH):
        found[keys[by](episode)].append(episode)
    return found


def _cell(weekday: int, hour: int, facts: Facts) -> HourCell:
    failed = facts.outcomes.get(Outcome.FAILURE, 0)
    decided = failed + facts.outcomes.get(Outcome.SUCCESS, 0)
    return HourCell(weekday, hour, decided, failed, ratio(failed, decided))


def _daily_success(runs: Iterable[RunFact], window: Window) -> list[float | None]:
    facts: dict[datetime, Facts] = defaultdict(Facts)
    for run in runs:
        facts[bucket_start(run.created_at, Interval.DAY)].add(run)
    empty = Completeness(None, None)
    return [metrics(facts[day], recovery([]), empty).success_rate for day in window.buckets(Interval.DAY)]


def _worst_first(health: WorkflowHealth) -> tuple[bool, float, str, str]:
    rate = health.metrics.success_rate
    return health.failing is None, 2.0 if rate is None else rate, health.repo, health.workflow
