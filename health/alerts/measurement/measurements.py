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
from db.repositories.schedules import EARLY_TOLERANCE, list_scheduled
from db.runs.run_queries import RunRow
from health.alerts.measurement.branch_history import branch_streaks, matching_branches, unfinished, workflow_keys
from health.alerts.rules.conditions import NO_DATA, Measurement, longest_wait, success_regression
from health.alerts.rules.history import burn_rate
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget, matches
from health.alerts.rules.types import SHORT_WINDOW_DIVISOR
from health.insights.regressions import regressions, scan_success
from health.metrics import service
from health.metrics.definitions.formulas import Metrics
from health.metrics.queries.branch_status import inactive_workflows
from health.metrics.queries.job_queries import list_waits, wait_seconds
from health.metrics.service import Group, Streak

__all__ = ["RuleMeasurement", "branch_scopes", "covered_repositories", "measure_rule"]
_SECOND = timedelta(seconds=1)
_Key = tuple[str, int | None]


@dataclass(frozen=True)
class RuleMeasurement:
    """`detail` is what an alert keeps of it, ready for JSON. `streak`, `run` and `metrics` are for its message."""

    target: AlertTarget
    measurement: Measurement
    detail: dict[str, Any]
    streak: Streak | None = None
    run: RunRow | None = None
    metrics: Metrics | None = None


def measure_rule(session: Session, rule: Rule, now: datetime) -> list[RuleMeasurement]:
    """A place that is not among them has nothing to say: NOTHING. Workflows that are deleted or disabled have no
    places, but for a run of theirs that goes on."""
    found = _MEASURES_BY_KIND[rule.kind](session, rule, now)
    if rule.kind is RuleKind.STUCK_RUN:
        return list(found)
    inactive = inactive_workflows(session)
    return [each for each in found if (each.target.repository_id, each.target.workflow_id) not in inactive]


def covered_repositories(session: Session, rule: Rule) -> list[RepositoryRow]:
    """The monitored repositories that the rule is about."""
    return [row for row in list_repositories(session) if matches(rule.scope.repos, row.repo, ignore_case=True)]


def branch_scopes(session: Session, rule: Rule, since: datetime) -> Iterator[tuple[Scope, str | None]]:
    """Scopes that together are what the rule covers, and the branch where each is about one. All repositories whose
    default branches have one name are one scope. A branch that is named, or looked at by itself, is not that of a
    fork."""
    repositories = covered_repositories(session, rule)
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


def _consecutive_failures(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    for streak in _streaks(session, rule, now):
        if rule.covers(streak.repo, streak.workflow):
            place = AlertTarget(
                streak.repository_id, streak.repo, streak.workflow_id, streak.workflow, streak.branch,
                per_branch=not rule.default_branch,
            )  # fmt: skip
            detail = {
                "branch": streak.branch,
                "failures": streak.length,
                "since": streak.since.isoformat(),
                "first_bad_run": streak.first_failure.id,
                "last_run": streak.runs[-1].id,
            }
            measure = Measurement(float(streak.length), streak.length)
            yield RuleMeasurement(place, measure, detail, streak=streak, run=streak.runs[-1])


def _streaks(session: Session, rule: Rule, now: datetime) -> Iterator[Streak]:
    if rule.default_branch:
        repos = tuple(row.repo for row in covered_repositories(session, rule)) if rule.scope.repos else ()
        if repos or not rule.scope.repos:
            yield from service.failing_streaks(session, Scope(repos=repos), now)
        return
    for scope, _ in branch_scopes(session, rule, now - timedelta(days=14)):
        yield from branch_streaks(session, scope, now)


def _failure_rates(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    for place, found in _window_metrics(session, rule, now, rule.effective_window):
        decided, failed = found.runs.success + found.runs.failure, found.runs.failure
        detail = {**_common_detail(rule, place), "failed": failed, "decided": decided}
        measure = Measurement(found.failure_rate, decided)
        yield RuleMeasurement(place, measure, {**detail, "value": found.failure_rate}, metrics=found)


def _queue_times(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    """By the labels of runners, the one whose jobs waited longest; jobs that still wait count as they stand."""
    repositories, workflows = {row.id: row for row in covered_repositories(session, rule)}, workflow_keys(session)
    window = Window(now - timedelta(seconds=rule.effective_window), now + _SECOND)
    for scope, branch in branch_scopes(session, rule, window.since):
        waits: dict[tuple[int, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for job in list_waits(session, scope, window):
            workflow_id = 0 if rule.per is RuleScope.REPOSITORY else job.workflow_id
            waits[job.repository_id, workflow_id][job.label].append(wait_seconds(job, now))
        for (repository_id, workflow_id), by_label in waits.items():
            row, workflow = repositories.get(repository_id), workflows.get((repository_id, workflow_id))
            if row is None or not rule.covers(row.repo, workflow):
                continue
            place = AlertTarget(repository_id, row.repo, workflow_id or None, workflow, branch)
            label, measure = longest_wait(rule, {name: sorted(listed) for name, listed in by_label.items()})
            detail = {
                **_common_detail(rule, place),
                "jobs": measure.sample_size,
                "label": label,
                "value": measure.value,
            }
            yield RuleMeasurement(place, measure, detail)


def _flaky_rates(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    for place, found in _window_metrics(session, rule, now, rule.effective_window):
        decided = found.runs.success + found.runs.failure
        value = found.flaky_runs / decided if decided else None
        detail = {**_common_detail(rule, place), "flaky": found.flaky_runs, "decided": decided, "value": value}
        yield RuleMeasurement(place, Measurement(value, found.flaky_runs), detail, metrics=found)


def _burn_rates(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    recent = {
        (place.repository_id, place.workflow_id): found.failure_rate
        for place, found in _window_metrics(session, rule, now, rule.effective_window / SHORT_WINDOW_DIVISOR)
    }
    for place, found in _window_metrics(session, rule, now, rule.effective_window):
        decided = found.runs.success + found.runs.failure
        measure = NO_DATA
        if found.failure_rate is not None:
            short = recent.get((place.repository_id, place.workflow_id))
            measure = burn_rate(rule, found.failure_rate, decided, short)
        detail = {
            **_common_detail(rule, place), "failed": found.runs.failure, "decided": decided, "value": measure.value,
            "recent": measure.short_window_value,
        }  # fmt: skip
        yield RuleMeasurement(place, measure, detail, metrics=found)


def _window_metrics(
    session: Session, rule: Rule, now: datetime, seconds: float
) -> Iterator[tuple[AlertTarget, Metrics]]:
    """The figures of the window by workflow or repository."""
    ids = {row.repo: row.id for row in covered_repositories(session, rule)}
    window = Window(now - timedelta(seconds=seconds), now + _SECOND)
    by = GroupBy.REPO if rule.per is RuleScope.REPOSITORY else GroupBy.WORKFLOW
    for scope, branch in branch_scopes(session, rule, window.since):
        for group in service.groups(session, scope, window, by):
            place = _target_of_group(group, ids, branch)
            if place and rule.covers(place.repo, place.workflow):
                yield place, group.metrics


def _target_of_group(group: Group, ids: dict[str, int], branch: str | None) -> AlertTarget | None:
    repo = group.repo if group.workflow_id else group.key
    if repo is None or repo not in ids:
        return None
    workflow = group.key if group.workflow_id else None
    return AlertTarget(ids[repo], repo, group.workflow_id, workflow, branch)


def _stuck_runs(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    late: dict[tuple[int, int], list[RunRow]] = defaultdict(list)
    repos = tuple(row.repo for row in covered_repositories(session, rule)) if rule.scope.repos else ()
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
        place = AlertTarget(repository_id, oldest.repo, workflow_id, oldest.workflow)
        age = (now - started).total_seconds()
        detail = {"since": started.isoformat(), "run_id": oldest.id, "runs": len(runs), "run_branch": oldest.branch}
        yield RuleMeasurement(place, Measurement(age, len(runs)), detail, run=oldest)


def _stale_repositories(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    """A repository that was never read counts from the first error on."""
    for row in covered_repositories(session, rule):
        seen = row.synced_at or row.error_at
        if seen and not row.archived:
            detail = {"since": seen.isoformat(), "error": row.error}
            yield RuleMeasurement(AlertTarget(row.id, row.repo), Measurement((now - seen).total_seconds(), 1), detail)


def _success_regressions(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    look = scan_success(session, _scope(session, rule), now)
    numbers = {key: number for number, key in enumerate(look.decided.keys)}
    for place in _default_branch_targets(session, rule, numbers):
        number = numbers[place.repository_id, place.workflow_id or 0]
        measure = success_regression(look.changes, number, look.threshold)
        if measure.value is not None:
            detail = {"branch": place.branch, "value": measure.value, "text": look.describe(number)}
            yield RuleMeasurement(place, measure, detail)


def _duration_regressions(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    found = {
        (each.repo, each.workflow_id): each
        for each in regressions(session, _scope(session, rule), now)
        if each.kind == "duration"
    }
    ids = {row.repo: row.id for row in covered_repositories(session, rule)}
    for (repo, workflow_id), each in found.items():
        if repo in ids and rule.covers(repo, each.workflow):
            place = AlertTarget(ids[repo], repo, workflow_id, each.workflow, each.branch)
            value = each.after / each.before - 1
            detail = {
                "branch": each.branch, "value": value, "text": each.text, "since": each.since.isoformat(),
                "run_id": each.first_run.id,
            }  # fmt: skip
            yield RuleMeasurement(place, Measurement(value, each.sample_after), detail, run=each.first_run)


def _scope(session: Session, rule: Rule) -> Scope:
    return Scope(repos=tuple(row.repo for row in covered_repositories(session, rule)) if rule.scope.repos else ())


def _default_branch_targets(session: Session, rule: Rule, keys: Iterable[tuple[int, int]]) -> Iterator[AlertTarget]:
    repositories, workflows = {row.id: row for row in covered_repositories(session, rule)}, workflow_keys(session)
    for repository_id, workflow_id in keys:
        row, workflow = repositories.get(repository_id), workflows.get((repository_id, workflow_id))
        if row and workflow and rule.covers(row.repo, workflow):
            yield AlertTarget(repository_id, row.repo, workflow_id, workflow, row.default_branch)


def _missing_runs(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    """Judged by what was read: while the collector lags behind, a run may be there and not be known yet."""
    for each in list_scheduled(session):
        if not rule.covers(each.repo, each.workflow):
            continue
        known_to = min(now, each.synced_at) if each.synced_at else each.since
        due = last_due(each.crons, known_to - timedelta(seconds=rule.open_at))
        if due is None or due < each.since or (each.last_run and each.last_run >= due - EARLY_TOLERANCE):
            continue
        place = AlertTarget(each.repository_id, each.repo, each.workflow_id, each.workflow, each.branch)
        last = f"the last one came {formatting.timestamp(each.last_run)}" if each.last_run else "none came yet"
        text = f"due {formatting.timestamp(due)}; {last}"
        detail = {"branch": each.branch, "since": due.isoformat(), "text": text}
        yield RuleMeasurement(place, Measurement((now - due).total_seconds(), 1), detail)


def _common_detail(rule: Rule, place: AlertTarget) -> dict[str, Any]:
    return {"branch": place.branch, "window_seconds": rule.effective_window}


_MEASURES_BY_KIND: dict[RuleKind, Callable[[Session, Rule, datetime], Iterable[RuleMeasurement]]] = {
    RuleKind.CONSECUTIVE_FAILURES: _consecutive_failures,
    RuleKind.FAILURE_RATE: _failure_rates,
    RuleKind.SUCCESS_REGRESSION: _success_regressions,
    RuleKind.DURATION_REGRESSION: _duration_regressions,
    RuleKind.QUEUE_TIME: _queue_times,
    RuleKind.STUCK_RUN: _stuck_runs,
    RuleKind.MISSING_RUN: _missing_runs,
    RuleKind.FLAKY_RATE: _flaky_rates,
    RuleKind.ERROR_BUDGET: _burn_rates,
    RuleKind.COLLECTOR_STALE: _stale_repositories,
}
