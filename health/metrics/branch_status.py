"""Status of workflows on their default branches: inactive workflows, failing streaks, status of each workflow.
health.metrics.definitions.episodes defines when a branch is failing.

Workflows that cannot run are inactive. They are not broken, whatever their last run was: no success can follow it.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, or_, select
from sqlalchemy.orm import Session

from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT
from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope
from db.enums import DISABLED_PREFIX, Outcome, WorkflowState, is_inactive
from db.models import Heartbeat, Repository, Run, Workflow
from db.runs.run_filters import in_scope, repository_ids, workflow_ids
from db.runs.run_queries import RunRow, select_runs
from health.completeness.service import RepositoryOverview, read_overview
from health.metrics.definitions.episodes import BranchStatus, workflow_status

# Repository id and workflow id.
Key = tuple[int, int]
# owner/name and workflow id.
WorkflowPath = tuple[str, int]
ARCHIVED = "archived"
# Runs that were created earlier do not count.
LOOK_BACK = timedelta(days=90)
# Broken workflows a statement.
_BATCH_SIZE = 100


def is_active() -> ColumnElement[bool]:
    """Returns a condition on Workflow: neither deleted nor disabled, in a repository that is not archived. Unknown
    states count as active."""
    archived = select(Repository.id).where(Repository.archived)
    return and_(
        Workflow.state != WorkflowState.DELETED,
        Workflow.state.not_like(f"{DISABLED_PREFIX}%"),
        Workflow.repository_id.not_in(archived),
    )


def inactive_states(session: Session) -> dict[Key, str]:
    """Returns why workflows of monitored repositories cannot run: their WorkflowState, or ARCHIVED where the repository
    is archived."""
    inactive = or_(
        Workflow.state == WorkflowState.DELETED, Workflow.state.like(f"{DISABLED_PREFIX}%"), Repository.archived
    )
    query = (
        select(Workflow.repository_id, Workflow.id, Workflow.state)
        .join(Repository, Repository.id == Workflow.repository_id)
        .where(Repository.monitored, inactive)
    )
    return {(row[0], row[1]): row[2] if is_inactive(row[2]) else ARCHIVED for row in session.execute(query)}


def inactive_names(session: Session) -> frozenset[tuple[str, int]]:
    """As inactive_workflows, with owner/name instead of the repository id."""
    names = {row[0]: row[1] for row in session.execute(select(Repository.id, Repository.full_name))}
    return frozenset((names[repository_id], workflow_id) for repository_id, workflow_id in inactive_states(session))


def inactive_workflows(session: Session) -> frozenset[Key]:
    """Returns the workflows of monitored repositories that cannot run."""
    return frozenset(inactive_states(session))


@dataclass(frozen=True)
class Streak:
    """Consecutive failures up to now: `length` runs from `first_failure` to `last_failure`. `since` is the completion
    of the first of them."""

    repository_id: int
    workflow_id: int
    repo: str
    workflow: str
    branch: str
    since: datetime
    length: int
    first_failure: RunRow
    last_failure: RunRow


def failing_streaks(session: Session, scope: Scope, now: datetime) -> list[Streak]:
    """Returns the active workflows whose last completed run on the default branch failed: the longest streak first,
    then the oldest."""
    where = [*in_scope(session, scope.for_sequences()), Run.on_default_branch, Run.created_at >= now - LOOK_BACK]
    broken = _broken_conditions(session, where)
    streaks = []
    for first in range(0, len(broken), _BATCH_SIZE):
        failures = [*where, Run.outcome == Outcome.FAILURE, or_(*broken[first : first + _BATCH_SIZE])]
        streaks += _streaks(session, failures)
    return sorted(streaks, key=lambda streak: (-streak.length, streak.since))


def _streaks(session: Session, failures: Sequence[Any]) -> list[Streak]:
    """Takes the conditions on the failed runs of some workflows. They are counted by the database: a workflow may have
    failed for weeks, and only the first and the last of its runs are shown."""
    key = Run.repository_id, Run.workflow_id
    counts = select(*key, func.count(), func.min(Run.created_at), func.max(Run.created_at)).where(*failures)
    lengths: dict[Key, int] = {}
    ends: list[ColumnElement[bool]] = []
    for repository_id, workflow_id, length, first_at, last_at in session.execute(counts.group_by(*key)):
        lengths[repository_id, workflow_id] = length
        of_workflow = Run.repository_id == repository_id, Run.workflow_id == workflow_id
        ends.append(and_(*of_workflow, Run.created_at.in_((first_at, last_at))))
    if not ends:
        return []
    query = select_runs(Run.repository_id, Repository.default_branch).order_by(Run.created_at, Run.id)
    runs: dict[tuple[int, int, str], list[RunRow]] = defaultdict(list)
    for row in session.execute(query.where(*failures, or_(*ends))):
        run = RunRow(*row[:-2])
        runs[row[-2], run.workflow_id, row[-1]].append(run)
    return [_streak(*key, lengths[key[:2]], listed) for key, listed in runs.items()]


def _broken_conditions(session: Session, where: Sequence[Any]) -> list[ColumnElement[bool]]:
    """Returns one condition a broken workflow, for its runs since the last success. The last run of each workflow comes
    from an index, so that the cost does not depend on the number of runs."""

    def last(column: Any, *outcomes: Outcome) -> ScalarSelect[Any]:
        same_workflow = Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id
        query = select(column).where(*same_workflow, *where, Run.outcome.in_(outcomes)).correlate(Workflow)
        return query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1).scalar_subquery()

    passed, passed_id = last(Run.created_at, Outcome.SUCCESS), last(Run.id, Outcome.SUCCESS)
    query = select(Workflow.repository_id, Workflow.id, passed, passed_id)
    query = query.where(is_active(), last(Run.outcome, *DECIDED) == Outcome.FAILURE)
    return [
        and_(Run.repository_id == row[0], Run.workflow_id == row[1], *([_after(row[2], row[3])] if row[2] else []))
        for row in session.execute(query)
    ]


def _after(time: datetime, run_id: int) -> ColumnElement[bool]:
    """Two runs can be created in one second. The first condition is answered by an index."""
    return and_(Run.created_at >= time, or_(Run.created_at > time, Run.id > run_id))


def _streak(repository_id: int, workflow_id: int, branch: str, length: int, runs: Sequence[RunRow]) -> Streak:
    """`runs` include the first and the last one, in this order."""
    first, last = runs[0], runs[-1]
    since = first.completed_at or first.created_at
    return Streak(repository_id, workflow_id, first.repo, last.workflow, branch, since, length, first, last)


def workflow_statuses(
    session: Session, scope: Scope, now: datetime, overview: RepositoryOverview | None = None
) -> dict[WorkflowPath, BranchStatus]:
    """Returns the status of all workflows of the scope on the default branch; branches, events and actors of the scope
    do not count. `overview` is read where it is not given. The last run of each workflow comes from an index."""
    last = (
        select(Run.outcome)
        .where(
            Run.repository_id == Workflow.repository_id,
            Run.workflow_id == Workflow.id,
            Run.on_default_branch,
            Run.created_at >= now - LOOK_BACK,
            Run.outcome.in_(DECIDED),
        )
        .correlate(Workflow)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            Repository.full_name,
            Repository.id,
            Repository.default_branch,
            Repository.archived,
            Workflow.id,
            Workflow.state,
            last,
        )
        .join(Repository, Repository.id == Workflow.repository_id)
        .where(Repository.id.in_(repository_ids(scope)))
    )
    if scope.workflows:
        query = query.where(Workflow.id.in_(workflow_ids(scope.workflows)))
    rows = session.execute(query).all()
    incomplete = catching_up(session, {row[1] for row in rows}, now, overview)
    return {
        (repo, workflow_id): BranchStatus(
            repo,
            workflow_id,
            branch,
            workflow_status(outcome, state, archived=archived, catching_up=repository_id in incomplete),
        )
        for repo, repository_id, branch, archived, workflow_id, state, outcome in rows
    }


def catching_up(
    session: Session, repository_ids: Collection[int], now: datetime, overview: RepositoryOverview | None = None
) -> set[int]:
    """Returns the repositories of which not all runs since LOOK_BACK are stored yet: their first sync is not complete,
    or a backfill still reads that time. `overview` is read where it is not given."""
    overview = overview or read_overview(session)
    heartbeat = session.get(Heartbeat, COLLECTOR_HEARTBEAT)
    # Without a collector, as in a copy of a database, a repository that was never synced will not be.
    has_collector = bool(heartbeat and heartbeat.detail)
    incomplete = set()
    for row in overview.repositories:
        unknown = row.complete_since is None, row.synced_at is None
        unfinished = any(unknown) if has_collector else any(unknown) and not all(unknown)
        backfills = overview.missing[row.id].backfills if row.id in overview.missing else ()
        if unfinished or any(backfill.is_reading and backfill.cursor > now - LOOK_BACK for backfill in backfills):
            incomplete.add(row.id)
    return incomplete & set(repository_ids)
