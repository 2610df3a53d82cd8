"""Locks and claims: the row locks of writers, the advisory locks of work that one program does at a time, and the
leases by which collectors share the repositories.

A claim expires when its holder stops renewing it.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from db.enums import ClaimKind
from db.models import Claim, Repository


class AdvisoryLock(IntEnum):
    """Keys of PostgreSQL's advisory locks. The numbers are arbitrary and must not change."""

    CLAIMS = 7_233_020
    ROLLUPS = 7_233_021
    ALERTS = 7_233_022


def acquire_lock(session: Session, lock: AdvisoryLock) -> None:
    """Waits for the lock and holds it until the transaction ends. Does nothing on SQLite, where write_scope takes the
    only write lock."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(lock)})


def lock_repositories(session: Session, repository_ids: Collection[int]) -> dict[int, Repository]:
    """Returns the stored repositories among these by id, locked until the transaction ends.

    A transaction that reads a run, compares and writes it must not interleave with another one that does the same. On
    PostgreSQL rows are locked in the order of ids; SQLite has one writer anyway."""
    query = select(Repository).where(Repository.id.in_(list(repository_ids))).order_by(Repository.id)
    return {row.id: row for row in session.scalars(query.with_for_update(key_share=True))}


def lock_repository(session: Session, repository_id: int) -> None:
    if session.get_bind().dialect.name != "sqlite":
        lock_repositories(session, [repository_id])


# The claims of a collector that dies are free after this long; another one takes them with its next renewal.
LEASE_DURATION = timedelta(seconds=30)
LEADER_CLAIM = "leader"


@dataclass(frozen=True)
class Assignment:
    """The claims that a collector holds. `names` are its repositories, `gained` those that it did not hold at the
    previous renewal, `collectors` counts the live collectors with this one. `is_leader`: it does the work that one
    collector does for all."""

    names: frozenset[str]
    gained: frozenset[str]
    collectors: int
    is_leader: bool


_Claims = dict[tuple[str, str], Claim]


def renew_claims(
    session: Session, holder: str, repositories: Sequence[str], now: datetime, *, pinned: Collection[str] = ()
) -> Assignment:
    """Renews the claims of the holder, takes free repositories up to a fair share, and releases those above the share
    unless they are `pinned`. `now` is used on SQLite; on PostgreSQL the server's clock is used, which all machines
    share."""
    acquire_lock(session, AdvisoryLock.CLAIMS)
    if session.get_bind().dialect.name == "postgresql":
        now = session.scalar(select(func.clock_timestamp())) or now
    session.execute(delete(Claim).where(Claim.expires_at < now))
    claims: _Claims = {(row.kind, row.name): row for row in session.scalars(select(Claim))}
    _renew(session, claims, ClaimKind.LIVENESS, holder, holder, now)
    collectors = sum(kind == ClaimKind.LIVENESS for kind, _ in claims)
    held = {name: row for (kind, name), row in claims.items() if kind == ClaimKind.REPOSITORY}
    before = {name for name, row in held.items() if row.holder == holder}
    share = math.ceil(len(repositories) / collectors)
    names = [name for name in repositories if name in before]
    for name in [name for name in reversed(names) if name not in pinned][: max(len(names) - share, 0)]:
        names.remove(name)
        session.delete(held[name])
    names += [name for name in repositories if name not in held][: max(share - len(names), 0)]
    for name in names:
        _renew(session, claims, ClaimKind.REPOSITORY, name, holder, now)
    leader = claims.get((ClaimKind.LEADER, LEADER_CLAIM))
    is_leader = leader is None or leader.holder == holder
    if is_leader:
        _renew(session, claims, ClaimKind.LEADER, LEADER_CLAIM, holder, now)
    session.flush()
    return Assignment(frozenset(names), frozenset(names) - before, collectors, is_leader)


def has_other_collectors(session: Session, holder: str, now: datetime) -> bool:
    """Returns whether another collector renews its claims. `now` is used on SQLite."""
    if session.get_bind().dialect.name == "postgresql":
        now = session.scalar(select(func.clock_timestamp())) or now
    others = Claim.kind == ClaimKind.LIVENESS, Claim.holder != holder, Claim.expires_at >= now
    return session.scalar(select(Claim.name).where(*others).limit(1)) is not None


def release_claims(session: Session, holder: str) -> None:
    """Releases the claims of a holder that stops, so that others need not wait until they expire."""
    session.execute(delete(Claim).where(Claim.holder == holder))


def _renew(session: Session, claims: _Claims, kind: ClaimKind, name: str, holder: str, now: datetime) -> None:
    row = claims.get((kind, name))
    if row is None:
        row = claims[kind, name] = Claim(kind=kind, name=name, holder=holder, expires_at=now + LEASE_DURATION)
        session.add(row)
    row.expires_at = now + LEASE_DURATION
