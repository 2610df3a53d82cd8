"""What a rule would have done in the last 30 days, before it is saved: by the same pure rules, over what is stored."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import Outcome, RuleKind
from health.alerts.measurement.branch_history import RunHistory, run_history, workflow_keys
from health.alerts.measurement.measurements import branch_scopes, covered_repositories
from health.alerts.rules.conditions import LOOKBACK_SECONDS
from health.alerts.rules.history import BacktestEpisode, HistoricalRun, backtest_episodes
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget, matches
from health.metrics.branch_status import inactive_workflows
from health.metrics.queries.job_queries import list_waits

BACKTEST_WINDOW = timedelta(days=30)
# Runs that one replay reads: a few seconds' worth. Of more, the newest.
MAX_RUNS = 200_000
# What a rule without a window needs to know from before.
_DEFAULT_LOOKBACK = timedelta(days=7)
_MAX_ITEMS = 200
_UNSUPPORTED = {
    RuleKind.COLLECTOR_STALE: "How fresh the data was is not kept: this rule cannot be replayed.",
    RuleKind.MISSING_RUN: "Schedules of the past are not kept: this rule cannot be replayed.",
}


@dataclass(frozen=True)
class BacktestAlert:
    """One time that the rule would have fired. `resolved_at` null: it still would. `value`: the measure that opened
    it; `run_id`: the run whose end did."""

    target: AlertTarget
    opened_at: datetime
    resolved_at: datetime | None
    value: float
    run_id: int | None


@dataclass(frozen=True)
class Backtest:
    """`fired` times in [since, until), of which `items` are the newest. `since` is later than asked for where more runs
    were stored than are read; `note` says so, or why nothing can be said."""

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
    past = _run_history(session, rule, since, now, limit)
    # Without its lead the first days would be seen with half a window.
    begun = since if past.complete else min(max(since, past.since + _lookback(rule)), now)
    workflows, repositories = workflow_keys(session), {row.id: row for row in covered_repositories(session, rule)}
    inactive = inactive_workflows(session) if rule.kind is not RuleKind.STUCK_RUN else frozenset()
    found = []
    for each in backtest_episodes(rule, past.runs, begun.timestamp(), now.timestamp()):
        repository_id, workflow_id, branch = each.key
        repository = repositories.get(repository_id)
        workflow = workflows.get((repository_id, workflow_id))
        if repository and (repository_id, workflow_id) not in inactive and rule.covers(repository.repo, workflow):
            shown = branch or (repository.default_branch if rule.default_branch else None)
            place = AlertTarget(repository_id, repository.repo, workflow_id or None, workflow, shown, bool(branch))
            found.append(_backtest_alert(place, each))
    note = None if past.complete else f"Only the newest {limit:,} runs were read: since {begun:%d %b %Y, %H:%M} UTC."
    return Backtest(len(found), found[:_MAX_ITEMS], begun, now, len(past.runs), note)


def _run_history(session: Session, rule: Rule, since: datetime, now: datetime, limit: int) -> RunHistory:
    since -= _lookback(rule)
    if rule.kind is RuleKind.QUEUE_TIME:
        return _wait_history(session, rule, since, now, limit)
    if rule.default_branch:
        repositories = covered_repositories(session, rule)
        if not repositories:
            return RunHistory([], since, True)
        # How certain a fall must be depends on all workflows, not on those of the rule alone.
        everywhere = not rule.scope.repos or rule.kind is RuleKind.SUCCESS_REGRESSION
        scope = Scope(repos=() if everywhere else tuple(row.repo for row in repositories))
        return run_history(session, scope, since, now, default_branch=True, limit=limit)
    for scope, _ in branch_scopes(session, rule, since):
        past = run_history(session, scope, since, now, default_branch=False, limit=limit)
        if rule.any_branch:
            return past
        kept = [run for run in past.runs if matches(rule.scope.branches, run.branch)]
        return RunHistory(kept, past.since, past.complete)
    return RunHistory([], since, True)


def _wait_history(session: Session, rule: Rule, since: datetime, now: datetime, limit: int) -> RunHistory:
    """A job is known from its start on."""
    most_runs = limit // _JOBS_PER_RUN
    waits = [
        HistoricalRun(job.repository_id, job.workflow_id, job.branch, Outcome.SUCCESS, job.queued, None,
                job.queued + job.seconds, None, job.seconds, False, job.run_id, job.label)
        for scope, _ in branch_scopes(session, rule, since)
        for job in list_waits(session, scope, Window(since, now), max_runs=most_runs) if job.seconds is not None
    ]  # fmt: skip
    runs = {(wait.repository_id, wait.id) for wait in waits}
    whole = len(runs) < most_runs
    reached = since if whole else datetime.fromtimestamp(min(wait.created_at for wait in waits), UTC)
    return RunHistory(waits, reached, whole)


# In the middle, for how much one replay reads.
_JOBS_PER_RUN = 5


def _lookback(rule: Rule) -> timedelta:
    if rule.kind in (RuleKind.SUCCESS_REGRESSION, RuleKind.DURATION_REGRESSION):
        return timedelta(seconds=LOOKBACK_SECONDS)
    return timedelta(seconds=rule.effective_window) if rule.effective_window else _DEFAULT_LOOKBACK


def _backtest_alert(place: AlertTarget, each: BacktestEpisode) -> BacktestAlert:
    opened = datetime.fromtimestamp(each.opened_at, UTC)
    resolved = None if each.resolved_at is None else datetime.fromtimestamp(each.resolved_at, UTC)
    return BacktestAlert(place, opened, resolved, each.value, each.run_id)
