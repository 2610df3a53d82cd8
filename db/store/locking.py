"""One writer of a repository's runs at a time, and one program that does a chore."""

from collections.abc import Collection
from enum import IntEnum

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db.models import Repository


class Chore(IntEnum):
    """Keys of PostgreSQL's advisory locks: any numbers, as long as they stay."""

    CLAIMS = 7_233_020
    ROLLUPS = 7_233_021
    ALERTS = 7_233_022


def take_turn(session: Session, chore: Chore) -> None:
    """Waits for others who are at it, until the transaction ends. On SQLite write_scope does that."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(chore)})


def lock_repositories(session: Session, repository_ids: Collection[int]) -> dict[int, Repository]:
    """Those that are known, held until the transaction ends: who reads a run, compares and writes it must not cross
    another who does the same. On PostgreSQL rows are locked, in the order of ids; SQLite has one writer anyway."""
    query = select(Repository).where(Repository.id.in_(list(repository_ids))).order_by(Repository.id)
    return {row.id: row for row in session.scalars(query.with_for_update(key_share=True))}


def lock_repository(session: Session, repository_id: int) -> None:
    if session.get_bind().dialect.name != "sqlite":
        lock_repositories(session, [repository_id])
