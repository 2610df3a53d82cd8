"""What a rule sees now: one measure for each place that it covers and that has something to measure.

Figures are those of health.metrics.service, so that an alert and the dashboard never disagree."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core import formatting
from core.cron import last_due
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, RuleKind, RuleScope
from db.repositories.repository_queries import RepositoryRow, list_repositories
from db.repositories.schedules import EARLY, list_scheduled
from db.runs.run_queries import RunRow
from health.alerts.measurement.branch_history import branch_streaks, matching_branches, unfinished, workflow_keys
from health.alerts.rules.conditions import NOTHING, Measure, less_successful, longest_wait
from health.alerts.rules.history import burn
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Place, matches
from health.alerts.rules.types import SHORT_SHARE
from health.insights.regressions import look_at_success, regressions
from health.metrics import service
from health.metrics.definitions.formulas import Metrics
from health.metrics.queries.branch_status import inactive_workflows
from health.metrics.queries.job_queries import list_waits, waited
from health.metrics.service import Group, Streak

__all__ = ["Observation", "branch_scopes", "covered", "observe"]
_SECOND = timedelta(seconds=1)
_Key = tuple[str, int | None]


@dataclass(frozen=True)
class Observation:
    """`detail` is what an alert keeps of it, ready for JSON. `streak`, `run` and `metrics` are for its message."""

    place: Place
    measure: Measure
    detail: dict[str, Any]
    streak: Streak | None = None
    run: RunRow | None = None
    metrics: Metrics | None = None


def observe(session: Session, rule: Rule, now: datetime) -> list[Observation]:
    """A place that is not among them has nothing to say: NOTHING. Workflows that are deleted or disabled have no
    places, but for a run of theirs that goes on."""
    found = _OBSERVERS[rule.kind](session, rule, now)
    if rule.kind is RuleKind.STUCK_RUN:
        return list(found)
    inactive = inactive_workflows(session)
    return [each for each in found if (each.place.repository_id, each.place.workflow_id) not in inactive]


def covered(session: Session, rule: Rule) -> list[RepositoryRow]:
    """The monitored repositories that the rule is about."""
    return [row for row in list_repositories(session) if matches(rule.scope.repos, row.repo, fold=True)]


def branch_scopes(session: Session, rule: Rule, since: datetime) -> Iterator[tuple[Scope, str | None]]:
    """Scopes that together are what the rule covers, and the branch where each is about one. All repositories whose
    default branches have one name are one scope. A branch that is named, or looked at by itself, is not that of a
    fork."""
    repositories = covered(session, rule)
    if not repositories:
        return
    everything = () if not rule.scope.repos else tuple(row.repo for row in repositories)
    if rule.any_branch:
        yield Scope(repos=everything, own_branches=rule.kind is RuleKind.CONSECUTIVE_FAILURES), None
    elif rule.default_branch:
        named: dict[str, list[str]] = defaultdict(list)
        for row in repositories:
            named[row.default_branch].append(row.repo)
        for branch, repos in named.items():
            yield Scope(repos=tuple(repos), branches=(branch,), own_branches=True), branch
    else:
        found = matching_branches(session, everything, rule.scope.branches, since)
        if found:
            yield (
                Scope(repos=everything, branches=tuple(found), own_branches=True),
                found[0] if len(found) == 1 else None,
            )


def _in_a_row(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    for streak in _streaks(session, rule, now):
        if rule.covers(streak.repo, streak.workflow):
            place = Place(
                streak.repository_id, streak.repo, streak.workflow_id, streak.workflow, streak.branch,
                own_branch=not rule.default_branch,
            )  # fmt: skip
            detail = {
                "branch": streak.branch,
                "failures": streak.length,
                "since": streak.since.isoformat(),
                "first_bad_run": streak.first_bad.id,
                "last_run": streak.runs[-1].id,
            }
            measure = Measure(float(streak.length), streak.length)
            yield Observation(place, measure, detail, streak=streak, run=streak.runs[-1])


def _streaks(session: Session, rule: Rule, now: datetime) -> Iterator[Streak]:
    if rule.default_branch:
        repos = tuple(row.repo for row in covered(session, rule)) if rule.scope.repos else ()
        if repos or not rule.scope.repos:
            yield from service.failing_streaks(session, Scope(repos=repos), now)
        return
    for scope, _ in branch_scopes(session, rule, now - timedelta(days=14)):
        yield from branch_streaks(session, scope, now)


def _rates(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    for place, found in _groups(session, rule, now, rule.window):
        decided, failed = found.runs.success + found.runs.failure, found.runs.failure
        detail = {**_common(rule, place), "failed": failed, "decided": decided}
        measure = Measure(found.failure_rate, decided)
        yield Observation(place, measure, {**detail, "value": found.failure_rate}, metrics=found)


def _queues(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    """By the labels of runners, the one whose jobs waited longest; jobs that still wait count as they stand."""
    repositories, workflows = {row.id: row for row in covered(session, rule)}, workflow_keys(session)
    window = Window(now - timedelta(seconds=rule.window), now + _SECOND)
    for scope, branch in branch_scopes(session, rule, window.since):
        waits: dict[tuple[int, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for job in list_waits(session, scope, window):
            workflow_id = 0 if rule.per is RuleScope.REPOSITORY else job.workflow_id
            waits[job.repository_id, workflow_id][job.label].append(waited(job, now))
        for (repository_id, workflow_id), by_label in waits.items():
            row, workflow = repositories.get(repository_id), workflows.get((repository_id, workflow_id))
            if row is None or not rule.covers(row.repo, workflow):
                continue
            place = Place(repository_id, row.repo, workflow_id or None, workflow, branch)
            label, measure = longest_wait(rule, {name: sorted(listed) for name, listed in by_label.items()})
            detail = {**_common(rule, place), "jobs": measure.sample, "label": label, "value": measure.value}
            yield Observation(place, measure, detail)


def _flaky(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    for place, found in _groups(session, rule, now, rule.window):
        decided = found.runs.success + found.runs.failure
        value = found.flaky_runs / decided if decided else None
        detail = {**_common(rule, place), "flaky": found.flaky_runs, "decided": decided, "value": value}
        yield Observation(place, Measure(value, found.flaky_runs), detail, metrics=found)


def _burning(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    recent = {
        (place.repository_id, place.workflow_id): found.failure_rate
        for place, found in _groups(session, rule, now, rule.window / SHORT_SHARE)
    }
    for place, found in _groups(session, rule, now, rule.window):
        decided = found.runs.success + found.runs.failure
        measure = NOTHING
        if found.failure_rate is not None:
            short = recent.get((place.repository_id, place.workflow_id))
            measure = burn(rule, found.failure_rate, decided, short)
        detail = {
            **_common(rule, place), "failed": found.runs.failure, "decided": decided, "value": measure.value,
            "recent": measure.recent,
        }  # fmt: skip
        yield Observation(place, measure, detail, metrics=found)


def _groups(session: Session, rule: Rule, now: datetime, seconds: float) -> Iterator[tuple[Place, Metrics]]:
    """The figures of the window by workflow or repository."""
    ids = {row.repo: row.id for row in covered(session, rule)}
    window = Window(now - timedelta(seconds=seconds), now + _SECOND)
    by = GroupBy.REPO if rule.per is RuleScope.REPOSITORY else GroupBy.WORKFLOW
    for scope, branch in branch_scopes(session, rule, window.since):
        for group in service.groups(session, scope, window, by):
            place = _place(group, ids, branch)
            if place and rule.covers(place.repo, place.workflow):
                yield place, group.metrics


def _place(group: Group, ids: dict[str, int], branch: str | None) -> Place | None:
    repo = group.repo if group.workflow_id else group.key
    if repo is None or repo not in ids:
        return None
    workflow = group.key if group.workflow_id else None
    return Place(ids[repo], repo, group.workflow_id, workflow, branch)


def _stuck(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    late: dict[tuple[int, int], list[RunRow]] = defaultdict(list)
    repos = tuple(row.repo for row in covered(session, rule)) if rule.scope.repos else ()
    if rule.scope.repos and not repos:
        return
    scope = Scope(repos=repos, own_branches=not rule.any_branch)
    for each in unfinished(session, scope, now, timedelta(seconds=rule.open_at)):
        run = each.run
        if rule.covers(run.repo, run.workflow) and matches(rule.scope.branches, run.branch):
            late[each.repository_id, run.workflow_id].append(run)
    for (repository_id, workflow_id), runs in late.items():
        oldest = min(runs, key=lambda run: run.started_at or run.created_at)
        started = oldest.started_at or oldest.created_at
        place = Place(repository_id, oldest.repo, workflow_id, oldest.workflow)
        age = (now - started).total_seconds()
        detail = {"since": started.isoformat(), "run_id": oldest.id, "runs": len(runs), "run_branch": oldest.branch}
        yield Observation(place, Measure(age, len(runs)), detail, run=oldest)


def _stale(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    """A repository that was never read counts from the first error on."""
    for row in covered(session, rule):
        seen = row.synced_at or row.error_at
        if seen and not row.archived:
            detail = {"since": seen.isoformat(), "error": row.error}
            yield Observation(Place(row.id, row.repo), Measure((now - seen).total_seconds(), 1), detail)


def _less_successful(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    look = look_at_success(session, _scope(session, rule), now)
    numbers = {key: number for number, key in enumerate(look.decided.keys)}
    for place in _default_places(session, rule, numbers):
        number = numbers[place.repository_id, place.workflow_id or 0]
        measure = less_successful(look.changes, number, look.threshold)
        if measure.value is not None:
            detail = {"branch": place.branch, "value": measure.value, "text": look.text(number)}
            yield Observation(place, measure, detail)


def _slower(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    found = {
        (each.repo, each.workflow_id): each
        for each in regressions(session, _scope(session, rule), now)
        if each.kind == "duration"
    }
    ids = {row.repo: row.id for row in covered(session, rule)}
    for (repo, workflow_id), each in found.items():
        if repo in ids and rule.covers(repo, each.workflow):
            place = Place(ids[repo], repo, workflow_id, each.workflow, each.branch)
            value = each.after / each.before - 1
            detail = {
                "branch": each.branch, "value": value, "text": each.text, "since": each.since.isoformat(),
                "run_id": each.first_run.id,
            }  # fmt: skip
            yield Observation(place, Measure(value, each.sample_after), detail, run=each.first_run)


def _scope(session: Session, rule: Rule) -> Scope:
    return Scope(repos=tuple(row.repo for row in covered(session, rule)) if rule.scope.repos else ())


def _default_places(session: Session, rule: Rule, keys: Iterable[tuple[int, int]]) -> Iterator[Place]:
    repositories, workflows = {row.id: row for row in covered(session, rule)}, workflow_keys(session)
    for repository_id, workflow_id in keys:
        row, workflow = repositories.get(repository_id), workflows.get((repository_id, workflow_id))
        if row and workflow and rule.covers(row.repo, workflow):
            yield Place(repository_id, row.repo, workflow_id, workflow, row.default_branch)


def _missing(session: Session, rule: Rule, now: datetime) -> Iterator[Observation]:
    """Judged by what was read: while the collector lags behind, a run may be there and not be known yet."""
    for each in list_scheduled(session):
        if not rule.covers(each.repo, each.workflow):
            continue
        known_to = min(now, each.synced_at) if each.synced_at else each.since
        due = last_due(each.crons, known_to - timedelta(seconds=rule.open_at))
        if due is None or due < each.since or (each.last_run and each.last_run >= due - EARLY):
            continue
        place = Place(each.repository_id, each.repo, each.workflow_id, each.workflow, each.branch)
        last = f"the last one came {formatting.timestamp(each.last_run)}" if each.last_run else "none came yet"
        text = f"due {formatting.timestamp(due)}; {last}"
        detail = {"branch": each.branch, "since": due.isoformat(), "text": text}
        yield Observation(place, Measure((now - due).total_seconds(), 1), detail)


def _common(rule: Rule, place: Place) -> dict[str, Any]:
    return {"branch": place.branch, "window_seconds": rule.window}


_OBSERVERS: dict[RuleKind, Callable[[Session, Rule, datetime], Iterable[Observation]]] = {
    RuleKind.CONSECUTIVE_FAILURES: _in_a_row,
    RuleKind.FAILURE_RATE: _rates,
    RuleKind.SUCCESS_REGRESSION: _less_successful,
    RuleKind.DURATION_REGRESSION: _slower,
    RuleKind.QUEUE_TIME: _queues,
    RuleKind.STUCK_RUN: _stuck,
    RuleKind.MISSING_RUN: _missing,
    RuleKind.FLAKY_RATE: _flaky,
    RuleKind.ERROR_BUDGET: _burning,
    RuleKind.COLLECTOR_STALE: _stale,
}
