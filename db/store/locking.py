"""One writer of a repository's runs at a time."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Repository


def lock_repositories(session: Session, repository_ids: Collection[int]) -> dict[int, Repository]:
    """Those that are known, held until the transaction ends: who reads a run, compares and writes it must not cross
    another who does the same. On PostgreSQL rows are locked, in the order of ids; SQLite has one writer anyway."""
    query = select(Repository).where(Repository.id.in_(list(repository_ids))).order_by(Repository.id)
    return {row.id: row for row in session.scalars(query.with_for_update(key_share=True))}


def lock_repository(session: Session, repository_id: int) -> None:
    if session.get_bind().dialect.name != "sqlite":
        lock_repositories(session, [repository_id])
