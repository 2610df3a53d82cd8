"""Status of workflows on their default branches: inactive workflows, failing streaks, status of each workflow.
health.metrics.definitions.episodes defines when a branch is failing.

Workflows that cannot run are inactive. They are not broken, whatever their last run was: no success can follow it.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, ScalarSelect, Select, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT
from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope
from db.enums import DISABLED_PREFIX, Outcome, WorkflowState, is_inactive
from db.models import Heartbeat, Repository, Run, Workflow
from db.runs.run_filters import repository_ids, run_conditions, workflow_ids
from db.runs.run_queries import RunRow, select_runs
from db.sql import UtcDateTime
from health.completeness.service import RepositoryOverview, read_overview
from health.metrics.definitions.episodes import BranchStatus, workflow_status

# Repository id and workflow id.
Key = tuple[int, int]
# owner/name and workflow id.
WorkflowPath = tuple[str, int]
ARCHIVED = "archived"
# Runs that were created earlier do not count.
LOOK_BACK = timedelta(days=90)


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
    # A streak of one run has one row; a longer one has two, its first run before its last.
    runs: dict[Key, list[RunRow]] = defaultdict(list)
    branches: dict[Key, tuple[str, int]] = {}
    for *columns, repository_id, branch, length in session.execute(_streak_ends(scope, now - LOOK_BACK)):
        run = RunRow(*columns)
        runs[repository_id, run.workflow_id].append(run)
        branches[repository_id, run.workflow_id] = branch, length
    streaks = [_streak(*key, *branches[key], ends) for key, ends in runs.items()]
    return sorted(streaks, key=lambda streak: (-streak.length, streak.since))


def _streak_ends(scope: Scope, since: datetime) -> Select[Any]:
    """Selects the first and the last failed run of each streak, oldest first, with the repository's id and default
    branch and the length of the streak. One statement for any number of workflows. An index has the last runs and the
    runs since the last success of a workflow, and only the runs of streaks are counted. The common table expressions
    are materialized, because a database may otherwise compute them for each use of a column."""
    where = [*run_conditions(scope.for_sequences()), Run.on_default_branch, Run.created_at >= since]
    failing = _failing_workflows(scope, where, since)
    failures = [
        *where,
        Run.repository_id == failing.c.repository_id,
        Run.workflow_id == failing.c.workflow_id,
        Run.outcome == Outcome.FAILURE,
        # Two runs can be created in one second. The first condition is answered by an index.
        Run.created_at >= failing.c.passed_at,
        or_(Run.created_at > failing.c.passed_at, Run.id > failing.c.passed_id),
    ]

    def end(*order: ColumnElement[Any]) -> ScalarSelect[Any]:
        return select(Run.id).where(*failures).correlate(failing).order_by(*order).limit(1).scalar_subquery()

    length = select(func.count()).select_from(Run).where(*failures).correlate(failing).scalar_subquery()
    ends = _materialized(
        select(
            failing.c.repository_id,
            length.label("length"),
            end(Run.created_at.asc(), Run.id.asc()).label("first_id"),
            end(Run.created_at.desc(), Run.id.desc()).label("last_id"),
        ),
        "ends",
    )
    query = select_runs(Run.repository_id, Repository.default_branch, ends.c.length)
    of_streak = Run.repository_id == ends.c.repository_id, Run.id.in_([ends.c.first_id, ends.c.last_id])
    return query.join(ends, and_(*of_streak)).order_by(Run.created_at, Run.id)


def _failing_workflows(scope: Scope, where: Sequence[Any], since: datetime) -> CTE:
    """Selects the failing workflows with the time and the id of their last success, else `since` and 0. The last run of
    each workflow comes from an index, so that the cost does not depend on the number of runs."""

    def last(column: Any, *outcomes: Outcome) -> ScalarSelect[Any]:
        same_workflow = Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id
        query = select(column).where(*same_workflow, *where, Run.outcome.in_(outcomes)).correlate(Workflow)
        return query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1).scalar_subquery()

    passed_at = func.coalesce(last(Run.created_at, Outcome.SUCCESS), literal(since, UtcDateTime))
    passed_id = func.coalesce(last(Run.id, Outcome.SUCCESS), 0)
    query = select(
        Workflow.repository_id,
        Workflow.id.label("workflow_id"),
        passed_at.label("passed_at"),
        passed_id.label("passed_id"),
    ).where(
        is_active(),
        Workflow.repository_id.in_(repository_ids(scope)),
        last(Run.outcome, *DECIDED) == Outcome.FAILURE,
    )
    if scope.workflows:
        query = query.where(Workflow.id.in_(workflow_ids(scope.workflows)))
    return _materialized(query, "failing")


def _materialized(query: Select[*tuple[Any, ...]], name: str) -> CTE:
    return query.cte(name).prefix_with("MATERIALIZED")


def _streak(repository_id: int, workflow_id: int, branch: str, length: int, runs: Sequence[RunRow]) -> Streak:
    """`runs` are the first and the last one, in this order."""
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
