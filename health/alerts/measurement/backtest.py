"""Backtests: the alerts that a rule would have opened in the last 30 days, by the same conditions, from stored runs."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import Outcome, RuleKind
from db.repositories.repository_queries import RepositoryRow, list_repositories
from health.alerts.measurement.branch_history import RunHistory, run_history, workflow_keys
from health.alerts.measurement.measurements import branch_scopes, with_owned
from health.alerts.rules.history import BacktestEpisode, HistoricalRun, backtest_episodes
from health.alerts.rules.measures import LOOKBACK_SECONDS
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget, matches
from health.metrics.branch_status import inactive_workflows
from health.metrics.queries.job_queries import list_waits

BACKTEST_WINDOW = timedelta(days=30)
# The newest runs that a backtest reads; they take a few seconds.
MAX_RUNS = 200_000
# More runs are read for each rule by itself: memory is limited, and a rule may need few of them.
_MAX_SHARED_RUNS = 60_000
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


@dataclass(frozen=True)
class BacktestData:
    """What the backtests of several rules share: names, and the runs of all default branches. `runs_by_repository`:
    the newest runs first; null if there are too many to share."""

    repositories: list[RepositoryRow]
    workflows: Mapping[tuple[int, int], str]
    inactive: frozenset[tuple[int, int]]
    runs_by_repository: Mapping[int, list[HistoricalRun]] | None

    def covered(self, rule: Rule) -> list[RepositoryRow]:
        """The repositories that the rule covers."""
        return [row for row in self.repositories if rule.covers_repository(row.repo)]


def backtest_data(session: Session, now: datetime) -> BacktestData:
    """Reads what backtests of several rules at `now` share: one query instead of one for each rule."""
    since = now - BACKTEST_WINDOW - timedelta(seconds=LOOKBACK_SECONDS)
    history = run_history(session, Scope(), since, now, default_branch=True, limit=_MAX_SHARED_RUNS)
    by_repository: dict[int, list[HistoricalRun]] = defaultdict(list)
    for run in history.runs:
        by_repository[run.repository_id].append(run)
    return BacktestData(*_names(session), by_repository if history.complete else None)


def _names(
    session: Session,
) -> tuple[list[RepositoryRow], Mapping[tuple[int, int], str], frozenset[tuple[int, int]]]:
    return list_repositories(session), workflow_keys(session), inactive_workflows(session)


def backtest(
    session: Session,
    rule: Rule,
    now: datetime,
    *,
    span: timedelta = BACKTEST_WINDOW,
    limit: int = MAX_RUNS,
    data: BacktestData | None = None,
) -> Backtest:
    """Evaluates the rule over the runs before `now`. `data`: what it shares with the backtests of other rules over this
    time, read where it is not given."""
    since, rule = now - span, with_owned(session, rule)
    if rule.kind in _UNSUPPORTED:
        return Backtest(0, [], since, now, 0, _UNSUPPORTED[rule.kind])
    data = data or BacktestData(*_names(session), None)
    history = _run_history(session, rule, since, now, limit, data)
    # The backtest starts when the first window is complete.
    start = since if history.complete else min(max(since, history.since + _lookback(rule)), now)
    workflows, repositories = data.workflows, {row.id: row for row in data.covered(rule)}
    inactive = data.inactive if rule.kind is not RuleKind.STUCK_RUN else frozenset()
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


def _run_history(
    session: Session, rule: Rule, since: datetime, now: datetime, limit: int, data: BacktestData
) -> RunHistory:
    since -= _lookback(rule)
    if rule.kind is RuleKind.QUEUE_TIME:
        return _wait_history(session, rule, since, now, limit)
    if rule.default_branch:
        return _default_branch_history(session, rule, since, now, limit, data)
    for scope, _ in branch_scopes(session, rule, since):
        history = run_history(session, scope, since, now, default_branch=False, limit=limit)
        if rule.any_branch:
            return history
        runs = [run for run in history.runs if matches(rule.scope.branches, run.branch)]
        return RunHistory(runs, history.since, history.complete)
    return RunHistory([], since, True)


def _default_branch_history(
    session: Session, rule: Rule, since: datetime, now: datetime, limit: int, data: BacktestData
) -> RunHistory:
    repositories = data.covered(rule)
    if not repositories:
        return RunHistory([], since, True)
    # The significance of a drop depends on all workflows, not only on those of the rule.
    all_repos = not rule.is_limited or rule.kind is RuleKind.SUCCESS_REGRESSION
    if data.runs_by_repository is not None:
        ids = data.runs_by_repository if all_repos else [row.id for row in repositories]
        shared = [run for key in ids for run in _runs_since(data.runs_by_repository.get(key, ()), since)]
        return RunHistory(shared, since, True)
    scope = Scope(repos=() if all_repos else tuple(row.repo for row in repositories))
    return run_history(session, scope, since, now, default_branch=True, limit=limit)


def _runs_since(runs: Sequence[HistoricalRun], since: datetime) -> Sequence[HistoricalRun]:
    """`runs`: the newest first."""
    return runs[: bisect_right(runs, -since.timestamp(), key=lambda run: -run.created_at)]


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
