"""Which workflows can still run. The last failure of one that cannot is not broken now: no success can follow it.

Which workflows are broken on their default branch now, since which commit.

How each workflow stands on its default branch now.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, or_, select
from sqlalchemy.orm import Session

from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope
from db.enums import DISABLED_PREFIX, Outcome, WorkflowState, is_inactive
from db.models import Heartbeat, Repository, Run, Workflow
from db.runs.run_filters import in_scope, repository_ids, workflow_ids
from db.runs.run_queries import RunRow, select_runs
from health.completeness.service import cached_overview
from health.metrics.definitions.episodes import BranchStatus, workflow_status

Key = tuple[int, int]
ARCHIVED = "archived"


def is_active() -> ColumnElement[bool]:
    """A condition on Workflow: neither deleted nor disabled, in a repository that is not archived. Unknown states count
    as active."""
    archived = select(Repository.id).where(Repository.archived)
    return and_(
        Workflow.state != WorkflowState.DELETED,
        Workflow.state.not_like(f"{DISABLED_PREFIX}%"),
        Workflow.repository_id.not_in(archived),
    )


def inactive_states(session: Session) -> dict[Key, str]:
    """Why workflows of monitored repositories cannot run, by (repository id, workflow id): their WorkflowState, or
    `archived` where the repository is."""
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
    """As inactive_workflows, with owner/name in place of the repository's id."""
    names = {row[0]: row[1] for row in session.execute(select(Repository.id, Repository.full_name))}
    return frozenset((names[repository_id], workflow_id) for repository_id, workflow_id in inactive_states(session))


def inactive_workflows(session: Session) -> frozenset[Key]:
    """(repository id, workflow id) of monitored repositories' workflows that cannot run."""
    return frozenset(inactive_states(session))


LOOK_BACK = timedelta(days=90)
# Broken workflows a question.
_BATCH_SIZE = 100


@dataclass(frozen=True)
class Streak:
    """Failed decided runs in a row up to now. `runs` is ascending, `since` the end of the first of them."""

    repository_id: int
    workflow_id: int
    repo: str
    workflow: str
    branch: str
    since: datetime
    runs: list[RunRow]

    @property
    def length(self) -> int:
        return len(self.runs)

    @property
    def first_failure(self) -> RunRow:
        return self.runs[0]


def failing_streaks(session: Session, scope: Scope, now: datetime) -> list[Streak]:
    """Active workflows whose last decided run on the default branch failed: most failures in a row first, then the
    longest broken."""
    where = [*in_scope(session, scope.for_sequences()), Run.on_default_branch, Run.created_at >= now - LOOK_BACK]
    query = select_runs(Run.repository_id, Repository.default_branch).order_by(Run.created_at, Run.id)
    grouped: dict[tuple[int, int, str], list[RunRow]] = defaultdict(list)
    broken = _broken_conditions(session, where)
    for first in range(0, len(broken), _BATCH_SIZE):
        since = or_(*broken[first : first + _BATCH_SIZE])
        for row in session.execute(query.where(*where, Run.outcome == Outcome.FAILURE, since)):
            run = RunRow(*row[:-2])
            grouped[row[-2], run.workflow_id, row[-1]].append(run)
    found = [_streak(*key, runs) for key, runs in grouped.items()]
    return sorted(found, key=lambda streak: (-streak.length, streak.since))


def _broken_conditions(session: Session, where: Sequence[Any]) -> list[ColumnElement[bool]]:
    """Conditions, one a broken workflow, for its runs since the last success. An index leads to the last run of each
    workflow, so that it does not matter how many there are."""

    def last(column: Any, *outcomes: Outcome) -> ScalarSelect[Any]:
        ours = Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id
        query = select(column).where(*ours, *where, Run.outcome.in_(outcomes)).correlate(Workflow)
        return query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1).scalar_subquery()

    passed, passed_id = last(Run.created_at, Outcome.SUCCESS), last(Run.id, Outcome.SUCCESS)
    query = select(Workflow.repository_id, Workflow.id, passed, passed_id)
    query = query.where(is_active(), last(Run.outcome, *DECIDED) == Outcome.FAILURE)
    return [
        and_(Run.repository_id == row[0], Run.workflow_id == row[1], *([_after(row[2], row[3])] if row[2] else []))
        for row in session.execute(query)
    ]


def _after(moment: datetime, run_id: int) -> ColumnElement[bool]:
    """Two runs can begin in one second. An index finds the first condition."""
    return and_(Run.created_at >= moment, or_(Run.created_at > moment, Run.id > run_id))


def _streak(repository_id: int, workflow_id: int, branch: str, runs: list[RunRow]) -> Streak:
    first = runs[0]
    return Streak(
        repository_id, workflow_id, first.repo, runs[-1].workflow, branch, first.completed_at or first.created_at, runs
    )


WorkflowPath = tuple[str, int]


def workflow_statuses(session: Session, scope: Scope, now: datetime) -> dict[WorkflowPath, BranchStatus]:
    """By repository (owner/name) and workflow id: all workflows of the scope's repositories and workflows. Branches,
    events and actors do not matter: it is the default branch that is judged. An index leads to the last run of each."""
    last = (
        select(Run.outcome)
        .where(
            Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id, Run.on_default_branch,
            Run.created_at >= now - LOOK_BACK, Run.outcome.in_(DECIDED),
        )
        .correlate(Workflow).order_by(Run.created_at.desc(), Run.id.desc()).limit(1).scalar_subquery()
    )  # fmt: skip
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
    behind = catching_up(session, {row[1] for row in rows}, now)
    return {
        (repo, workflow_id): BranchStatus(
            repo,
            workflow_id,
            branch,
            workflow_status(outcome, state, archived=archived, catching_up=repository_id in behind),
        )
        for repo, repository_id, branch, archived, workflow_id, state, outcome in rows
    }


def catching_up(session: Session, repository_ids: Collection[int], now: datetime) -> set[int]:
    """Ids of those whose runs of the time that is looked back are not all read yet: never read to an end, or history
    of that time is still being read."""
    known = cached_overview(session)
    beat = session.get(Heartbeat, "collector")
    # A database that no collector ever looked after, as one that was filled by a copy, has nothing on its way.
    collecting = bool(beat and beat.detail)
    found = set()
    for row in known.repositories:
        never = row.complete_since is None, row.synced_at is None
        unfinished = any(never) if collecting else any(never) and not all(never)
        histories = known.missing[row.id].backfills if row.id in known.missing else ()
        if unfinished or any(each.is_reading and each.cursor > now - LOOK_BACK for each in histories):
            found.add(row.id)
    return found & set(repository_ids)
