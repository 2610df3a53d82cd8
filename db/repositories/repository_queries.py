"""Queries of repositories, workflows, targets, heartbeats and values of filters."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.collection.heartbeat_detail import COLLECTOR_HEARTBEAT, HeartbeatDetail
from db.definitions.scope import Scope
from db.models import Claim, Heartbeat, Repository, Run, SyncState, Target, Workflow
from db.runs.run_filters import in_scope, repository_ids
from db.sql import execute
from db.visibility import is_restricted

# Number of the latest runs from which values of filters are taken.
_MAX_RUNS = 20_000
# Maximum number of values in a list.
MAX_VALUES = 200


@dataclass(frozen=True)
class RepositoryRow:
    """`error` is the failure of the last sync, one line; null if the last sync succeeded. `actions_missing_since`:
    start of the time in which GitHub provides the repository without GitHub Actions; null if Actions are available."""

    id: int
    repo: str
    default_branch: str
    private: bool
    archived: bool
    monitored: bool
    html_url: str
    complete_since: datetime | None
    synced_at: datetime | None
    error: str | None
    error_at: datetime | None
    gaps: list[dict[str, Any]]
    actions_missing_since: datetime | None = None

    @property
    def is_collectable(self) -> bool:
        """False if the repository has neither GitHub Actions nor a history of runs."""
        return self.actions_missing_since is None or self.complete_since is not None


# Columns in the order of the fields of RepositoryRow.
_ALL_REPOSITORIES = (
    select(
        Repository.id,
        Repository.full_name,
        Repository.default_branch,
        Repository.private,
        Repository.archived,
        Repository.monitored,
        Repository.html_url,
        SyncState.complete_since,
        SyncState.synced_at,
        SyncState.error,
        SyncState.error_at,
        SyncState.gaps,
        SyncState.actions_missing_since,
    )
    .join(SyncState, SyncState.repository_id == Repository.id, isouter=True)
    .order_by(func.lower(Repository.full_name))
)
_MONITORED_REPOSITORIES = _ALL_REPOSITORIES.where(Repository.monitored)
_UNRESOLVED_TARGETS = (
    select(Target.name, Target.error, Target.error_code, Target.checked_at)
    .where(Target.error.is_not(None))
    .order_by(Target.name)
)


@dataclass(frozen=True)
class WorkflowRow:
    repository_id: int
    id: int
    repo: str
    name: str
    path: str
    state: str


@dataclass(frozen=True)
class TargetRow:
    """A name of GITHUB_REPOS that could not be resolved or read. `error_code`: one of ErrorCode."""

    name: str
    error: str | None
    error_code: str | None
    checked_at: datetime


@dataclass(frozen=True)
class HeartbeatRow:
    """`stopped_at`: time of the orderly stop of the program; null while it runs and after a crash."""

    name: str
    started_at: datetime
    seen_at: datetime
    data_version: int
    detail: HeartbeatDetail
    stopped_at: datetime | None = None


def heartbeat_row(row: Heartbeat, *, with_names: bool = True) -> HeartbeatRow:
    """Without names: without the texts in which collectors name the repository that they read."""
    detail = HeartbeatDetail.from_dict(row.detail)
    if not with_names:
        detail = replace(detail, message=None, work=None)
    return HeartbeatRow(row.name, row.started_at, row.seen_at, row.data_version, detail, row.stopped_at)


def list_repositories(session: Session, *, monitored_only: bool = True) -> list[RepositoryRow]:
    rows = execute(session, _MONITORED_REPOSITORIES if monitored_only else _ALL_REPOSITORIES)
    return [_repository_row(*row) for row in rows]


def _repository_row(*columns: Any) -> RepositoryRow:
    """Replaces null gaps, as of a repository without a sync state, with an empty list."""
    *known, gaps, missing_since = columns
    values: list[Any] = [*known, gaps or [], missing_since]
    return RepositoryRow(*values)


def list_workflows(session: Session, scope: Scope) -> list[WorkflowRow]:
    query = (
        select(Repository.id, Workflow.id, Repository.full_name, Workflow.name, Workflow.path, Workflow.state)
        .join(Repository, Repository.id == Workflow.repository_id)
        .where(Repository.id.in_(repository_ids(scope)))
        .order_by(func.lower(Repository.full_name), func.lower(Workflow.name), Workflow.id)
    )
    return [WorkflowRow(*row) for row in session.execute(query)]


def workflow_names(session: Session, scope: Scope) -> list[str]:
    """The different names of the workflows of the scope's repositories."""
    query = select(Workflow.name).where(Workflow.repository_id.in_(repository_ids(scope))).distinct()
    return list(execute(session, query).scalars())


def list_targets(session: Session) -> list[TargetRow]:
    """Names of GITHUB_REPOS whose last check failed."""
    return [TargetRow(*row) for row in execute(session, _UNRESOLVED_TARGETS)]


def list_branches(session: Session, scope: Scope, since: datetime, *, limit: int = MAX_VALUES) -> list[str]:
    """Branches of the latest runs since `since`: default branches first, then the most recently used."""
    latest = _latest_values(session, scope, since, Run.branch, Run.on_default_branch)
    on_default = func.max(case((latest.on_default_branch, 1), else_=0))
    query = select(latest.branch).group_by(latest.branch).limit(limit)
    return list(session.scalars(query.order_by(on_default.desc(), func.max(latest.created_at).desc())))


def frequent_values(session: Session, column: str, since: datetime, *, limit: int = MAX_VALUES) -> list[str]:
    """Values of `event` or `actor` in the latest runs since `since`, the most frequent first."""
    attribute = {"event": Run.event, "actor": Run.actor}[column]
    value = _latest_values(session, Scope(), since, attribute)[column]
    return list(session.scalars(select(value).group_by(value).order_by(func.count().desc(), value).limit(limit)))


def _latest_values(session: Session, scope: Scope, since: datetime, column: Any, *more: Any) -> Any:
    """Columns of the newest _MAX_RUNS runs in which `column` is not null; the limit bounds the cost."""
    where = [*in_scope(session, Scope(repos=scope.repos)), Run.created_at >= since, column.is_not(None)]
    query = select(column, *more, Run.created_at).where(*where)
    return query.order_by(Run.created_at.desc()).limit(_MAX_RUNS).subquery().c


def heartbeat(session: Session, name: str = COLLECTOR_HEARTBEAT) -> HeartbeatRow | None:
    row = session.get(Heartbeat, name, populate_existing=True)
    return heartbeat_row(row, with_names=not is_restricted(session)) if row else None


def data_version(session: Session) -> int:
    """Counter that every change of the stored data increases."""
    return session.scalar(select(Heartbeat.data_version).where(Heartbeat.name == COLLECTOR_HEARTBEAT)) or 0


def unresolved_targets(session: Session, repos: Collection[str]) -> list[TargetRow]:
    """Names of GITHUB_REPOS with an error that are not among these repositories (owner/name)."""
    known = {repo.lower() for repo in repos}
    return [target for target in list_targets(session) if target.name.lower() not in known]


def known_repositories(session: Session) -> list[str]:
    """Full names of all repositories with stored data, including those that are no longer monitored."""
    return list(session.scalars(select(Repository.full_name)))


def repositories_without_actions(session: Session) -> set[int]:
    """Ids of repositories that GitHub provides without GitHub Actions."""
    return set(session.scalars(select(SyncState.repository_id).where(SyncState.actions_missing_since.is_not(None))))


def resolved_target_names(session: Session) -> list[str]:
    """Full names of the repositories that the collector last resolved GITHUB_REPOS to."""
    return list(session.scalars(select(Target.name).where(Target.name.not_like("%/*")).order_by(Target.name)))


def target_entries(session: Session) -> list[str]:
    """All stored names and entries of GITHUB_REPOS."""
    return list(session.scalars(select(Target.name)))


def repository_names(session: Session) -> dict[int, str]:
    """Full name by id of all repositories with stored data."""
    return {row.id: row.full_name for row in session.execute(select(Repository.id, Repository.full_name))}


def resolved_repositories(session: Session, names: Collection[str]) -> dict[int, str]:
    """Full name by id of the repositories that these names of GITHUB_REPOS resolved to."""
    query = (
        select(Repository.id, Repository.full_name)
        .join(Target, Target.repository_id == Repository.id)
        .where(Target.name.in_(list(names)))
    )
    return {row.id: row.full_name for row in session.execute(query)}


def claimed_repository_ids(session: Session) -> set[int]:
    """Ids of the repositories with a claim of a collector."""
    query = select(Target.repository_id).join(Claim, Claim.name == Target.name)
    return {repository_id for repository_id in session.scalars(query) if repository_id is not None}
