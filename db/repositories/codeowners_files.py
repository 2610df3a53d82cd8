"""CODEOWNERS files of repositories: which are due to be read, and the results of reading them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.enums import CodeownersState
from db.models import CodeownersFile, Repository, StoredTeam
from db.sql import insert_ignore

_MAX_ETAG = 200


@dataclass(frozen=True)
class CodeownersRow:
    """A monitored repository and its CODEOWNERS file, as it was read last; `state` and `checked_at` are null if it was
    never read. `error`: why the last attempt failed; where the state is READ or ABSENT, an earlier one succeeded."""

    repository_id: int
    repo: str
    default_branch: str
    state: CodeownersState | None = None
    path: str | None = None
    etag: str | None = None
    error: str | None = None
    checked_at: datetime | None = None


def list_codeowners(session: Session, repository_ids: Collection[int] | None = None) -> list[CodeownersRow]:
    """The monitored repositories with these ids, or all: those that were never read first, then the oldest."""
    query = (
        select(
            Repository.id,
            Repository.full_name,
            Repository.default_branch,
            CodeownersFile.state,
            CodeownersFile.path,
            CodeownersFile.etag,
            CodeownersFile.error,
            CodeownersFile.checked_at,
        )
        .join(CodeownersFile, CodeownersFile.repository_id == Repository.id, isouter=True)
        .where(Repository.monitored)
        .order_by(CodeownersFile.checked_at.is_not(None), CodeownersFile.checked_at, Repository.id)
    )
    return [_as_row(*row) for row in session.execute(query) if repository_ids is None or row[0] in repository_ids]


def _as_row(repository_id: int, repo: str, branch: str, state: str | None, *more: Any) -> CodeownersRow:
    return CodeownersRow(repository_id, repo, branch, CodeownersState(state) if state else None, *more)


def unreadable_codeowners(session: Session) -> list[CodeownersRow]:
    """Monitored repositories whose file could not be read the last time, by name."""
    rows = [row for row in list_codeowners(session) if row.error is not None]
    return sorted(rows, key=lambda row: row.repo.casefold())


def has_teams(session: Session) -> bool:
    """Whether any team is defined, so that CODEOWNERS files are needed."""
    return session.scalar(select(StoredTeam.id).limit(1)) is not None


def store_codeowners(
    session: Session, repository_id: int, path: str, content: str, etag: str | None, now: datetime
) -> bool:
    """Stores the file; returns whether its state or content differs."""
    etag = etag if etag and len(etag) <= _MAX_ETAG else None
    return _store(session, repository_id, CodeownersState.READ, now, path=path, content=content, etag=etag)


def record_unchanged(session: Session, repository_id: int, now: datetime) -> None:
    row = _row(session, repository_id, now)
    row.checked_at, row.error = now, None
    session.flush()


def record_absent(session: Session, repository_id: int, now: datetime) -> bool:
    """No place has the file; returns whether that is new."""
    return _store(session, repository_id, CodeownersState.ABSENT, now)


def record_unreadable(session: Session, repository_id: int, error: str, now: datetime) -> bool:
    """The owners are unknown; returns whether that is new."""
    return _store(session, repository_id, CodeownersState.UNREADABLE, now, error=error)


def record_failed_attempt(session: Session, repository_id: int, error: str, now: datetime) -> bool:
    """GitHub failed temporarily: a file that was read stays valid. Without one the owners are unknown; returns whether
    that is new."""
    row = _row(session, repository_id, now)
    if row.state != CodeownersState.READ:
        return record_unreadable(session, repository_id, error, now)
    row.checked_at, row.error = now, error
    session.flush()
    return False


def _store(session: Session, repository_id: int, state: CodeownersState, now: datetime, **values: Any) -> bool:
    row = _row(session, repository_id, now)
    changed = (row.state, row.content) != (state, values.get("content"))
    row.state, row.checked_at = state, now
    row.path, row.content, row.etag = values.get("path"), values.get("content"), values.get("etag")
    row.error = values.get("error")
    session.flush()
    return changed


def _row(session: Session, repository_id: int, now: datetime) -> CodeownersFile:
    values = {"repository_id": repository_id, "state": "", "checked_at": now}
    insert_ignore(session, CodeownersFile, [values])
    return session.get_one(CodeownersFile, repository_id, populate_existing=True)
