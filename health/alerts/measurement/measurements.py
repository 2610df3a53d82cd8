"""Measures a rule now: one measurement for each target that it covers and that has data.

Figures are those of health.metrics.service, so that an alert and the dashboard show the same."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core import formatting
from core.cron import last_due
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, RuleKind, RuleScope
from db.repositories.repository_queries import RepositoryRow, list_repositories
from db.repositories.schedules import EARLY_TOLERANCE, list_scheduled
from db.runs.run_queries import RunRow
from health.alerts.measurement.branch_history import branch_streaks, matching_branches, unfinished, workflow_keys
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.measures import NO_DATA, Measurement, burn_rate, longest_wait, success_regression
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget, matches
from health.alerts.rules.types import SHORT_WINDOW_DIVISOR
from health.insights.regressions import regressions, scan_success
from health.metrics import service
from health.metrics.branch_status import inactive_workflows
from health.metrics.definitions.formulas import Metrics
from health.metrics.queries.job_queries import list_waits, wait_seconds
from health.metrics.service import Group, Streak
from health.teams.owners import owned_targets

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class RuleMeasurement:
    """`detail` is stored with the alert. `streak`, `run` and `metrics` are for its notification."""

    target: AlertTarget
    measurement: Measurement
    detail: AlertDetail
    streak: Streak | None = None
    run: RunRow | None = None
    metrics: Metrics | None = None


def measure_rule(session: Session, rule: Rule, now: datetime) -> list[RuleMeasurement]:
    """The measurements of all targets that have data. Deleted and disabled workflows are measured for stuck runs
    only."""
    rule = with_owned(session, rule)
    measurements = _MEASURES_BY_KIND[rule.kind](session, rule, now)
    if rule.kind is RuleKind.STUCK_RUN:
        return list(measurements)
    inactive = inactive_workflows(session)
    return [row for row in measurements if (row.target.repository_id, row.target.workflow_id) not in inactive]


def with_owned(session: Session, rule: Rule) -> Rule:
    """The rule with what its teams own; unchanged without teams."""
    return replace(rule, owned=owned_targets(session, rule.teams)) if rule.teams and rule.owned is None else rule


def covered_repositories(session: Session, rule: Rule) -> list[RepositoryRow]:
    """The monitored repositories that the rule covers."""
    return [row for row in list_repositories(session) if rule.covers_repository(row.repo)]


def branch_scopes(session: Session, rule: Rule, since: datetime) -> Iterator[tuple[Scope, str | None]]:
    """Scopes that together are what the rule covers, each with its branch, which is null for several. Repositories
    whose default branches have the same name share a scope. Branches of forks are excluded, except from measurements
    over all branches together."""
    repositories = covered_repositories(session, rule)
    if not repositories:
        return
    all_repos = () if not rule.is_limited else tuple(row.repo for row in repositories)
    if rule.any_branch:
        yield Scope(repos=all_repos, own_branches=rule.kind is RuleKind.CONSECUTIVE_FAILURES), None
    elif rule.default_branch:
        named: dict[str, list[str]] = defaultdict(list)
        for row in repositories:
            named[row.default_branch].append(row.repo)
        for branch, repos in named.items():
            yield Scope(repos=tuple(repos), branches=(branch,), own_branches=True), branch
    else:
        branches = matching_branches(session, all_repos, rule.scope.branches, since)
        if branches:
            scope = Scope(repos=all_repos, branches=tuple(branches), own_branches=True)
            yield scope, branches[0] if len(branches) == 1 else None


def _consecutive_failures(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    for streak in _streaks(session, rule, now):
        if rule.covers(streak.repo, streak.workflow):
            target = AlertTarget(
                streak.repository_id,
                streak.repo,
                streak.workflow_id,
                streak.workflow,
                streak.branch,
                per_branch=not rule.default_branch,
            )
            detail = AlertDetail(
                branch=streak.branch,
                since=streak.since,
                failures=streak.length,
                first_bad_run=streak.first_failure.id,
                last_run=streak.last_failure.id,
            )
            measurement = Measurement(float(streak.length), streak.length)
            yield RuleMeasurement(target, measurement, detail, streak=streak, run=streak.last_failure)


def _streaks(session: Session, rule: Rule, now: datetime) -> Iterator[Streak]:
    if rule.default_branch:
        repos = tuple(row.repo for row in covered_repositories(session, rule)) if rule.is_limited else ()
        if repos or not rule.is_limited:
            yield from service.failing_streaks(session, Scope(repos=repos), now)
        return
    for scope, _ in branch_scopes(session, rule, now - timedelta(days=14)):
        yield from branch_streaks(session, scope, now)


def _failure_rates(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    for target, metrics in _window_metrics(session, rule, now, rule.effective_window):
        decided, failed = metrics.runs.success + metrics.runs.failure, metrics.runs.failure
        detail = replace(_window_detail(rule, target), value=metrics.failure_rate, failed=failed, decided=decided)
        yield RuleMeasurement(target, Measurement(metrics.failure_rate, decided), detail, metrics=metrics)


def _queue_times(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    """The wait of the runner label whose jobs waited longest; jobs that still wait count with their wait until now."""
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
            target = AlertTarget(repository_id, row.repo, workflow_id or None, workflow, branch)
            label, measurement = longest_wait(rule, {name: sorted(listed) for name, listed in by_label.items()})
            detail = replace(
                _window_detail(rule, target), value=measurement.value, jobs=measurement.sample_size, label=label
            )
            yield RuleMeasurement(target, measurement, detail)


def _flaky_rates(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    for target, metrics in _window_metrics(session, rule, now, rule.effective_window):
        decided = metrics.runs.success + metrics.runs.failure
        value = metrics.flaky_runs / decided if decided else None
        detail = replace(_window_detail(rule, target), value=value, flaky=metrics.flaky_runs, decided=decided)
        yield RuleMeasurement(target, Measurement(value, metrics.flaky_runs), detail, metrics=metrics)


def _burn_rates(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    short_window = rule.effective_window / SHORT_WINDOW_DIVISOR
    short_rates = {
        (target.repository_id, target.workflow_id): metrics.failure_rate
        for target, metrics in _window_metrics(session, rule, now, short_window)
    }
    for target, metrics in _window_metrics(session, rule, now, rule.effective_window):
        decided = metrics.runs.success + metrics.runs.failure
        measurement = NO_DATA
        if metrics.failure_rate is not None:
            short_rate = short_rates.get((target.repository_id, target.workflow_id))
            measurement = burn_rate(rule, metrics.failure_rate, decided, short_rate)
        detail = replace(
            _window_detail(rule, target),
            value=measurement.value,
            recent=measurement.short_window_value,
            failed=metrics.runs.failure,
            decided=decided,
            nullable=("branch", "value", "recent"),
        )
        yield RuleMeasurement(target, measurement, detail, metrics=metrics)


def _window_metrics(
    session: Session, rule: Rule, now: datetime, seconds: float
) -> Iterator[tuple[AlertTarget, Metrics]]:
    """The metrics of the window for each workflow, or each repository, that the rule covers."""
    ids = {row.repo: row.id for row in covered_repositories(session, rule)}
    window = Window(now - timedelta(seconds=seconds), now + _SECOND)
    by = GroupBy.REPO if rule.per is RuleScope.REPOSITORY else GroupBy.WORKFLOW
    for scope, branch in branch_scopes(session, rule, window.since):
        for group in service.groups(session, scope, window, by):
            target = _target_of_group(group, ids, branch)
            if target and rule.covers(target.repo, target.workflow):
                yield target, group.metrics


def _target_of_group(group: Group, ids: dict[str, int], branch: str | None) -> AlertTarget | None:
    repo = group.repo if group.workflow_id else group.key
    if repo is None or repo not in ids:
        return None
    workflow = group.key if group.workflow_id else None
    return AlertTarget(ids[repo], repo, group.workflow_id, workflow, branch)


def _stuck_runs(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    late: dict[tuple[int, int], list[RunRow]] = defaultdict(list)
    repos = tuple(row.repo for row in covered_repositories(session, rule)) if rule.is_limited else ()
    if rule.is_limited and not repos:
        return
    scope = Scope(repos=repos, own_branches=not rule.any_branch)
    for repository_id, run in unfinished(session, scope, now, timedelta(seconds=rule.open_at)):
        if rule.covers(run.repo, run.workflow) and matches(rule.scope.branches, run.branch):
            late[repository_id, run.workflow_id].append(run)
    for (repository_id, workflow_id), runs in late.items():
        oldest = min(runs, key=lambda run: run.started_at or run.created_at)
        started = oldest.started_at or oldest.created_at
        target = AlertTarget(repository_id, oldest.repo, workflow_id, oldest.workflow)
        age = (now - started).total_seconds()
        detail = AlertDetail(
            since=started, run_id=oldest.id, runs=len(runs), run_branch=oldest.branch, nullable=("run_branch",)
        )
        yield RuleMeasurement(target, Measurement(age, len(runs)), detail, run=oldest)


def _stale_repositories(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    """The age of the data of each repository. It counts from the first error where nothing was read yet."""
    for row in covered_repositories(session, rule):
        since = row.synced_at or row.error_at
        if since and not row.archived:
            detail = AlertDetail(since=since, error=row.error, nullable=("error",))
            yield RuleMeasurement(AlertTarget(row.id, row.repo), Measurement((now - since).total_seconds(), 1), detail)


def _success_regressions(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    scan = scan_success(session, _scope(session, rule), now)
    numbers = {key: number for number, key in enumerate(scan.decided.keys)}
    for target in _default_branch_targets(session, rule, numbers):
        number = numbers[target.repository_id, target.workflow_id or 0]
        measurement = success_regression(scan.changes, number, scan.threshold)
        if measurement.value is not None:
            detail = AlertDetail(branch=target.branch, value=measurement.value, text=scan.describe(number))
            yield RuleMeasurement(target, measurement, detail)


def _duration_regressions(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    slower = {
        (regression.repo, regression.workflow_id): regression
        for regression in regressions(session, _scope(session, rule), now)
        if regression.kind == "duration"
    }
    ids = {row.repo: row.id for row in covered_repositories(session, rule)}
    for (repo, workflow_id), regression in slower.items():
        if repo in ids and rule.covers(repo, regression.workflow):
            target = AlertTarget(ids[repo], repo, workflow_id, regression.workflow, regression.branch)
            value = regression.after / regression.before - 1
            detail = AlertDetail(
                branch=regression.branch,
                since=regression.since,
                value=value,
                text=regression.text,
                run_id=regression.first_run.id,
                nullable=("branch",),
            )
            measurement = Measurement(value, regression.sample_after)
            yield RuleMeasurement(target, measurement, detail, run=regression.first_run)


def _scope(session: Session, rule: Rule) -> Scope:
    return Scope(repos=tuple(row.repo for row in covered_repositories(session, rule)) if rule.is_limited else ())


def _default_branch_targets(session: Session, rule: Rule, keys: Iterable[tuple[int, int]]) -> Iterator[AlertTarget]:
    repositories, workflows = {row.id: row for row in covered_repositories(session, rule)}, workflow_keys(session)
    for repository_id, workflow_id in keys:
        row, workflow = repositories.get(repository_id), workflows.get((repository_id, workflow_id))
        if row and workflow and rule.covers(row.repo, workflow):
            yield AlertTarget(repository_id, row.repo, workflow_id, workflow, row.default_branch)


def _missing_runs(session: Session, rule: Rule, now: datetime) -> Iterator[RuleMeasurement]:
    """Scheduled runs that are due and not stored. Due times end where the data ends: while the collector lags behind, a
    run may exist and not be stored yet."""
    for schedule in list_scheduled(session):
        if not rule.covers(schedule.repo, schedule.workflow):
            continue
        data_end = min(now, schedule.synced_at) if schedule.synced_at else schedule.since
        due = last_due(schedule.crons, data_end - timedelta(seconds=rule.open_at))
        if due is None or due < schedule.since or (schedule.last_run and schedule.last_run >= due - EARLY_TOLERANCE):
            continue
        target = AlertTarget(
            schedule.repository_id, schedule.repo, schedule.workflow_id, schedule.workflow, schedule.branch
        )
        last = f"last run {formatting.timestamp(schedule.last_run)}" if schedule.last_run else "no scheduled run so far"
        text = f"due {formatting.timestamp(due)}; {last}"
        detail = AlertDetail(branch=schedule.branch, since=due, text=text, nullable=("branch",))
        yield RuleMeasurement(target, Measurement((now - due).total_seconds(), 1), detail)


def _window_detail(rule: Rule, target: AlertTarget) -> AlertDetail:
    return AlertDetail(branch=target.branch, window_seconds=rule.effective_window, nullable=("branch", "value"))


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
