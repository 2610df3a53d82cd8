"""Queries of runs for rules: failing branches, unfinished runs, and the history for a backtest."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope
from db.enums import Outcome, Status
from db.models import Repository, Run, Workflow
from db.runs.run_filters import in_scope
from db.runs.run_queries import RunRow, select_runs
from db.sql import epoch_seconds, execute
from health.alerts.rules.history import HistoricalRun
from health.alerts.rules.targets import matches
from health.metrics.branch_status import LOOK_BACK, Streak, inactive_workflows

# A branch without a run for this long is not evaluated any more.
BRANCH_WINDOW = timedelta(days=14)
# GitHub ends a run after 35 days at the latest.
_MAX_RUN_AGE = timedelta(days=35)
_MAX_BRANCHES, _MAX_RUNS, _MAX_UNFINISHED = 2_000, 50_000, 1_000
_GLOB = frozenset("*?[")
# A run that waits for an approval is not stuck.
_RUNNING_STATES = [state for state in Status if state not in (Status.COMPLETED, Status.WAITING)]


@dataclass(frozen=True)
class BranchRecovery:
    """The state of a branch since a failed run. `run_known`: that run is stored, on that branch, and within the
    look-back; `first_success`: the first successful run since."""

    run_known: bool
    first_success: RunRow | None = None


@dataclass(frozen=True)
class RunHistory:
    """Runs created since `since`. `complete` is false if there were more than the limit."""

    runs: list[HistoricalRun]
    since: datetime
    complete: bool


def matching_branches(session: Session, repos: Sequence[str], patterns: Sequence[str], since: datetime) -> list[str]:
    """The names of branches with runs since then that match; patterns without wildcards are returned as they are."""
    if not any(_GLOB & set(pattern) for pattern in patterns):
        return list(patterns)
    query = select(Run.branch).where(*in_scope(session, Scope(repos=tuple(repos))), Run.created_at >= since)
    names = session.scalars(query.where(Run.branch.is_not(None)).distinct().order_by(Run.branch).limit(_MAX_BRANCHES))
    return [name for name in names if name is not None and matches(patterns, name)]


def branch_streaks(session: Session, scope: Scope, now: datetime) -> list[Streak]:
    """The failing streaks of each branch of the scope, from the runs of the last two weeks (compare
    failing_streaks)."""
    inactive = inactive_workflows(session)
    query = (
        select(Run.repository_id, Run.workflow_id, Run.branch, Run.id, Run.outcome)
        .where(*in_scope(session, scope), Run.outcome.in_(DECIDED), Run.created_at >= now - BRANCH_WINDOW)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(_MAX_RUNS)
    )
    passed: set[tuple[int, int, str]] = set()
    failing: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for repository_id, workflow_id, branch, run_id, outcome in session.execute(query):
        key = (repository_id, workflow_id, branch or "")
        if branch is None or key in passed or key[:2] in inactive:
            continue
        if outcome == Outcome.SUCCESS:
            passed.add(key)
        else:
            failing[key].append(run_id)
    # Of a branch that has failed for days, only the first and the last run are shown.
    runs = _by_id(session, [run_id for ids in failing.values() for run_id in {ids[0], ids[-1]}])
    streaks = [_streak(key, len(ids), runs[ids[-1]], runs[ids[0]]) for key, ids in failing.items()]
    return sorted(streaks, key=lambda streak: (-streak.length, streak.since))


def branch_recovery(
    session: Session, repository_id: int, workflow_id: int, run_id: int, now: datetime, *, branch: str | None = None
) -> BranchRecovery:
    """The recovery of the named branch, or of the default branch, after the run `run_id`; branches of forks are
    excluded. A re-run of the failed run counts as a recovery."""
    in_workflow = Run.repository_id == repository_id, Run.workflow_id == workflow_id
    default = session.scalar(select(Repository.default_branch).where(Repository.id == repository_id))
    on_branch = Run.on_default_branch if branch in (None, default) else Run.branch == branch
    first = session.execute(select(Run.created_at, Run.id).where(*in_workflow, on_branch, Run.id == run_id)).first()
    if first is None or first.created_at < now - LOOK_BACK:
        return BranchRecovery(run_known=False)
    later = or_(Run.created_at > first.created_at, and_(Run.created_at == first.created_at, Run.id >= first.id))
    query = select_runs().where(*in_workflow, on_branch, later, Run.outcome == Outcome.SUCCESS)
    row = session.execute(query.order_by(Run.created_at, Run.id).limit(1)).first()
    return BranchRecovery(run_known=True, first_success=RunRow(*row) if row else None)


def unfinished(session: Session, scope: Scope, now: datetime, older_than: timedelta) -> list[tuple[int, RunRow]]:
    """Repository id and run of the runs that have not ended this long after their latest attempt started, oldest
    first."""
    started = or_(Run.started_at <= now - older_than, Run.started_at.is_(None))
    query = select_runs(Run.repository_id).where(
        *in_scope(session, scope),
        Run.status.in_(_RUNNING_STATES),
        Run.created_at >= now - _MAX_RUN_AGE,
        Run.created_at <= now - older_than,
        started,
    )
    rows = session.execute(query.order_by(Run.created_at, Run.id).limit(_MAX_UNFINISHED))
    return [(row[-1], RunRow(*row[:-1])) for row in rows]


def run_history(
    session: Session, scope: Scope, since: datetime, until: datetime, *, default_branch: bool, limit: int
) -> RunHistory:
    """The newest runs of the scope, at most `limit`; with `default_branch` only those of default branches."""
    columns: list[Any] = [
        Run.repository_id,
        Run.workflow_id,
        Run.branch,
        Run.outcome,
        epoch_seconds(Run.created_at),
        epoch_seconds(Run.started_at),
        epoch_seconds(Run.completed_at),
        Run.duration_seconds,
        Run.queue_seconds,
        Run.flaky,
        Run.id,
    ]
    where: list[Any] = [*in_scope(session, scope), Run.created_at >= since, Run.created_at < until]
    if default_branch:
        where.append(Run.on_default_branch)
    query = select(*columns).where(*where)
    query = query.order_by(Run.created_at.desc()).limit(limit + 1)
    # Without the unit of work: a backtest reads thousands of rows.
    runs = [HistoricalRun(*row) for row in execute(session, query.execution_options(yield_per=20_000))]
    complete = len(runs) <= limit
    start = since if complete else datetime.fromtimestamp(runs[-1].created_at, since.tzinfo)
    return RunHistory(runs[:limit], start, complete)


def workflow_keys(session: Session) -> dict[tuple[int, int], str]:
    """The names of workflows by repository id and workflow id."""
    query = select(Workflow.repository_id, Workflow.id, Workflow.name)
    return {(row[0], row[1]): row[2] for row in session.execute(query)}


def _by_id(session: Session, ids: Sequence[int]) -> dict[int, RunRow]:
    runs: dict[int, RunRow] = {}
    for first in range(0, len(ids), 500):
        query = select_runs().where(Run.id.in_(ids[first : first + 500]))
        runs |= {row[0]: RunRow(*row) for row in session.execute(query)}
    return runs


def _streak(key: tuple[int, int, str], length: int, first: RunRow, last: RunRow) -> Streak:
    since = first.completed_at or first.created_at
    return Streak(key[0], key[1], first.repo, last.workflow, key[2], since, length, first, last)
