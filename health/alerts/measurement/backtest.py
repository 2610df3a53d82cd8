"""Backtests: the alerts that a rule would have opened in the last 30 days, by the same conditions, from stored runs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import Outcome, RuleKind
from health.alerts.measurement.branch_history import RunHistory, run_history, workflow_keys
from health.alerts.measurement.measurements import branch_scopes, covered_repositories
from health.alerts.rules.history import BacktestEpisode, HistoricalRun, backtest_episodes
from health.alerts.rules.measures import LOOKBACK_SECONDS
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget, matches
from health.metrics.branch_status import inactive_workflows
from health.metrics.queries.job_queries import list_waits

BACKTEST_WINDOW = timedelta(days=30)
# The newest runs that a backtest reads; they take a few seconds.
MAX_RUNS = 200_000
# Runs before the backtest that a rule without a window needs.
_DEFAULT_LOOKBACK = timedelta(days=7)
_MAX_ITEMS = 200
_UNSUPPORTED = {
    RuleKind.COLLECTOR_STALE: "Past data freshness is not stored, so this rule cannot be replayed.",
    RuleKind.MISSING_RUN: "Past schedules are not stored, so this rule cannot be replayed.",
}


@dataclass(frozen=True)
class BacktestAlert:
    """One alert that the rule would have opened. `resolved_at` null: it would still fire. `value`: the measured value
    that opened it; `run_id`: the run whose end opened it."""

    target: AlertTarget
    opened_at: datetime
    resolved_at: datetime | None
    value: float
    run_id: int | None


@dataclass(frozen=True)
class Backtest:
    """`fired`: number of alerts in [since, until); `items`: the newest of them. `since` is later than requested if more
    runs were stored than were read; `note` says so, or why the rule cannot be backtested. `runs`: number of runs
    read."""

    fired: int
    items: list[BacktestAlert]
    since: datetime
    until: datetime
    runs: int
    note: str | None


def backtest(
    session: Session, rule: Rule, now: datetime, *, span: timedelta = BACKTEST_WINDOW, limit: int = MAX_RUNS
) -> Backtest:
    since = now - span
    if rule.kind in _UNSUPPORTED:
        return Backtest(0, [], since, now, 0, _UNSUPPORTED[rule.kind])
    history = _run_history(session, rule, since, now, limit)
    # The backtest starts when the first window is complete.
    start = since if history.complete else min(max(since, history.since + _lookback(rule)), now)
    workflows, repositories = workflow_keys(session), {row.id: row for row in covered_repositories(session, rule)}
    inactive = inactive_workflows(session) if rule.kind is not RuleKind.STUCK_RUN else frozenset()
    alerts = []
    for episode in backtest_episodes(rule, history.runs, start.timestamp(), now.timestamp()):
        repository_id, workflow_id, branch = episode.key
        repository = repositories.get(repository_id)
        workflow = workflows.get((repository_id, workflow_id))
        if repository and (repository_id, workflow_id) not in inactive and rule.covers(repository.repo, workflow):
            shown = branch or (repository.default_branch if rule.default_branch else None)
            target = AlertTarget(repository_id, repository.repo, workflow_id or None, workflow, shown, bool(branch))
            alerts.append(_backtest_alert(target, episode))
    note = None if history.complete else f"Only the newest {limit:,} runs were read: since {start:%d %b %Y, %H:%M} UTC."
    return Backtest(len(alerts), alerts[:_MAX_ITEMS], start, now, len(history.runs), note)


def _run_history(session: Session, rule: Rule, since: datetime, now: datetime, limit: int) -> RunHistory:
    since -= _lookback(rule)
    if rule.kind is RuleKind.QUEUE_TIME:
        return _wait_history(session, rule, since, now, limit)
    if rule.default_branch:
        repositories = covered_repositories(session, rule)
        if not repositories:
            return RunHistory([], since, True)
        # The significance of a drop depends on all workflows, not only on those of the rule.
        all_repos = not rule.scope.repos or rule.kind is RuleKind.SUCCESS_REGRESSION
        scope = Scope(repos=() if all_repos else tuple(row.repo for row in repositories))
        return run_history(session, scope, since, now, default_branch=True, limit=limit)
    for scope, _ in branch_scopes(session, rule, since):
        history = run_history(session, scope, since, now, default_branch=False, limit=limit)
        if rule.any_branch:
            return history
        runs = [run for run in history.runs if matches(rule.scope.branches, run.branch)]
        return RunHistory(runs, history.since, history.complete)
    return RunHistory([], since, True)


def _wait_history(session: Session, rule: Rule, since: datetime, now: datetime, limit: int) -> RunHistory:
    """The jobs of the scope as runs; a job counts from its start on."""
    max_runs = limit // _JOBS_PER_RUN
    waits = [
        HistoricalRun(
            job.repository_id,
            job.workflow_id,
            job.branch,
            Outcome.SUCCESS,
            job.queued,
            None,
            job.queued + job.seconds,
            None,
            job.seconds,
            False,
            job.run_id,
            job.label,
        )
        for scope, _ in branch_scopes(session, rule, since)
        for job in list_waits(session, scope, Window(since, now), max_runs=max_runs)
        if job.seconds is not None
    ]
    runs = {(wait.repository_id, wait.id) for wait in waits}
    complete = len(runs) < max_runs
    start = since if complete else datetime.fromtimestamp(min(wait.created_at for wait in waits), UTC)
    return RunHistory(waits, start, complete)


# An average, which bounds how much a backtest reads.
_JOBS_PER_RUN = 5


def _lookback(rule: Rule) -> timedelta:
    if rule.kind in (RuleKind.SUCCESS_REGRESSION, RuleKind.DURATION_REGRESSION):
        return timedelta(seconds=LOOKBACK_SECONDS)
    return timedelta(seconds=rule.effective_window) if rule.effective_window else _DEFAULT_LOOKBACK


def _backtest_alert(target: AlertTarget, episode: BacktestEpisode) -> BacktestAlert:
    opened = datetime.fromtimestamp(episode.opened_at, UTC)
    resolved = None if episode.resolved_at is None else datetime.fromtimestamp(episode.resolved_at, UTC)
    return BacktestAlert(target, opened, resolved, episode.value, episode.run_id)
