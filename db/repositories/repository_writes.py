"""Writes of repositories, workflows and targets (the names of GITHUB_REPOS)."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from db.collection.claims import lock_repository
from db.definitions.records import RepositoryRecord, RunRecord, WorkflowRecord
from db.enums import ErrorCode, WorkflowState, is_inactive
from db.models import Repository, Run, SyncState, Target, Workflow
from db.runs.rollup_invalidation import invalidate_totals
from db.runs.run_writes import set_default_branch
from db.sql import insert_ignore

WORKFLOWS_FOLDER = ".github/workflows/"
# A list of workflows can omit a workflow whose newest run began less than this before the list was read.
LIST_LAG = timedelta(minutes=2)
_FIELDS = ("full_name", "default_branch", "private", "archived", "html_url")


def upsert_repository(session: Session, record: RepositoryRecord) -> Repository:
    """Inserts or updates the repository by id, so that a renamed repository keeps its history; its former name
    can pass to another repository."""
    repository = session.get(Repository, record.id)
    if repository is None:
        fields = {name: getattr(record, name) for name in _FIELDS}
        insert_ignore(session, Repository, [{"id": record.id, **fields, "monitored": True}])
        insert_ignore(session, SyncState, [{"repository_id": record.id, "gaps": []}])
        repository = session.get_one(Repository, record.id)
    branch_changed = repository.default_branch != record.default_branch
    for name in _FIELDS:
        if getattr(repository, name) != getattr(record, name):
            setattr(repository, name, getattr(record, name))
    start_monitoring(session, repository)
    if branch_changed:
        set_default_branch(session, repository)
    return repository


def start_monitoring(session: Session, repository: Repository) -> None:
    if not repository.monitored:
        repository.monitored = True
        invalidate_totals(session)
    session.flush()


def get_repository(session: Session, repository_id: int) -> Repository:
    return session.get_one(Repository, repository_id)


def repository_id_of(session: Session, name: str) -> int | None:
    """Id of the repository that a name of GITHUB_REPOS last resolved to; null if unknown."""
    target = session.get(Target, name)
    if target and target.repository_id:
        return target.repository_id
    return session.scalar(select(Repository.id).where(func.lower(Repository.full_name) == name.lower()).limit(1))


def ensure_workflows(session: Session, repository_id: int, records: Sequence[WorkflowRecord]) -> None:
    """Inserts workflows that are known only from runs; existing rows do not change, since they may be from GitHub's
    list."""
    unique = {record.id: record for record in records}
    query = select(Workflow.id).where(Workflow.repository_id == repository_id, Workflow.id.in_(list(unique)))
    for known in session.scalars(query):
        unique.pop(known)
    listed = sorted(unique.values(), key=lambda record: record.id)
    insert_ignore(session, Workflow, [{"repository_id": repository_id, **vars(record)} for record in listed])


def repository_ids_of_owners(session: Session, owners: Collection[str]) -> list[int]:
    """Ids of the repositories of these owners, named in lower case."""
    rows = session.execute(select(Repository.id, Repository.full_name))
    return [row.id for row in rows if row.full_name.partition("/")[0].lower() in owners]


def limit_monitoring(session: Session, repository_ids: Collection[int]) -> None:
    """Stops monitoring all other repositories, which keep their history and do not count as stale."""
    listed = list(repository_ids)
    left_out = Repository.monitored, Repository.id.not_in(listed)
    if session.scalar(select(Repository.id).where(*left_out).limit(1)) is None:
        return
    session.execute(update(Repository).where(*left_out).values(monitored=False))
    invalidate_totals(session)


def upsert_workflows(
    session: Session, repository_id: int, records: Sequence[WorkflowRecord], *, complete_at: datetime | None = None
) -> int:
    """Returns the number of changed workflows. `complete_at`: time at which the complete list was read; a workflow that
    is not in the list becomes DELETED, and its row remains for its runs. Null: the list is not complete."""
    lock_repository(session, repository_id)
    known = {row.id: row for row in session.scalars(select(Workflow).where(Workflow.repository_id == repository_id))}
    changed = 0
    for record in records:
        row = known.get(record.id)
        if row is None:
            session.add(Workflow(repository_id=repository_id, **vars(record)))
            changed += 1
        elif (row.name, row.path, row.state) != (record.name, record.path, record.state):
            row.name, row.path, row.state = record.name, record.path, record.state
            changed += 1
    session.flush()
    if complete_at is not None:
        changed += _mark_deleted(session, repository_id, complete_at, except_ids=[record.id for record in records])
    return changed


def mark_unlisted_deleted(session: Session, repository_id: int) -> int:
    """Marks workflows as DELETED that are known only from runs and whose first run is older than the last complete
    list, because the list did not contain them. Returns their number."""
    listed_at = session.scalar(select(SyncState.workflows_at).where(SyncState.repository_id == repository_id))
    if listed_at is None:
        return 0
    return _mark_deleted(session, repository_id, listed_at, Workflow.state == WorkflowState.UNLISTED)


def request_workflow_list(session: Session, repository_id: int, runs: Sequence[RunRecord]) -> None:
    """Requests the list of workflows with the next sync if a workflow that is stored as deleted or disabled has a run
    since the last list, because it was restored or enabled."""
    listed_at = session.scalar(select(SyncState.workflows_at).where(SyncState.repository_id == repository_id))
    newer = {run.workflow_id for run in runs if listed_at and run.created_at > listed_at}
    if not newer:
        return
    known = session.scalars(
        select(Workflow.state).where(Workflow.repository_id == repository_id, Workflow.id.in_(newer))
    )
    if any(map(is_inactive, known)):
        session.get_one(SyncState, repository_id).workflows_at = None


def _mark_deleted(
    session: Session, repository_id: int, listed_at: datetime, *where: Any, except_ids: Sequence[int] = ()
) -> int:
    """Marks workflows as DELETED whose runs are all older than that list by at least LIST_LAG, because GitHub's lists
    can lag behind. Workflows that GitHub creates (`dynamic/…`) and those of other repositories may never be listed, so
    they are deleted only if they were listed before. Returns the number of deleted workflows."""
    expected_in_list = or_(Workflow.state != WorkflowState.UNLISTED, Workflow.path.startswith(WORKFLOWS_FOLDER))
    runs = select(Run.id).where(Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id)
    deleted = select(Workflow).where(
        Workflow.repository_id == repository_id,
        Workflow.state != WorkflowState.DELETED,
        expected_in_list,
        Workflow.id.not_in(list(except_ids)),
        *where,
        or_(
            Workflow.state != WorkflowState.UNLISTED,
            runs.where(Run.created_at <= listed_at - LIST_LAG).correlate(Workflow).exists(),
        ),
        ~runs.where(Run.created_at > listed_at - LIST_LAG).correlate(Workflow).exists(),
    )
    rows = session.scalars(deleted).all()
    for row in rows:
        row.state = WorkflowState.DELETED
    session.flush()
    return len(rows)


def record_target(
    session: Session,
    name: str,
    repository_id: int | None,
    error: str | None,
    now: datetime,
    *,
    code: ErrorCode | None = None,
) -> None:
    """Stores the result of the last sync of one name of GITHUB_REPOS; `error` is one line for people."""
    target = session.get(Target, name)
    if target is None:
        insert_ignore(session, Target, [{"name": name, "checked_at": now}])
        target = session.get_one(Target, name)
    target.repository_id = repository_id or target.repository_id
    target.error, target.error_code, target.checked_at = error, code, now


def add_targets(session: Session, names: Sequence[str], now: datetime) -> None:
    """Inserts the names that GITHUB_REPOS resolves to now; existing rows do not change."""
    known = set(session.scalars(select(Target.name).where(Target.name.in_(list(names)))))
    insert_ignore(session, Target, [{"name": name, "checked_at": now} for name in sorted(set(names) - known)])


def delete_other_targets(session: Session, names: Sequence[str], owners: Collection[str]) -> None:
    """Deletes all other targets, except those of these owners (in lower case), whose repositories are not known now."""
    known = session.scalars(select(Target.name).where(Target.name.not_in(list(names))))
    obsolete = [name for name in known if name.partition("/")[0].lower() not in owners]
    session.execute(delete(Target).where(Target.name.in_(obsolete)))
