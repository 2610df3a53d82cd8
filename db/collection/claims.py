"""One writer of a repository's runs at a time, and one program that does a chore.

Claims: which collector looks after what. A claim ends by itself when its holder stops renewing it.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from db.models import Claim, Repository


class AdvisoryLock(IntEnum):
    """Keys of PostgreSQL's advisory locks: any numbers, as long as they stay."""

    CLAIMS = 7_233_020
    ROLLUPS = 7_233_021
    ALERTS = 7_233_022


def acquire_lock(session: Session, lock: AdvisoryLock) -> None:
    """Waits for others who are at it, until the transaction ends. On SQLite write_scope does that."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(lock)})


def lock_repositories(session: Session, repository_ids: Collection[int]) -> dict[int, Repository]:
    """Those that are known, held until the transaction ends: who reads a run, compares and writes it must not cross
    another who does the same. On PostgreSQL rows are locked, in the order of ids; SQLite has one writer anyway."""
    query = select(Repository).where(Repository.id.in_(list(repository_ids))).order_by(Repository.id)
    return {row.id: row for row in session.scalars(query.with_for_update(key_share=True))}


def lock_repository(session: Session, repository_id: int) -> None:
    if session.get_bind().dialect.name != "sqlite":
        lock_repositories(session, [repository_id])


# A collector that dies is taken over after this long, plus the time between two renewals.
LEASE_DURATION = timedelta(seconds=30)
LEADER_CLAIM = "*chores"
_ALIVE_PREFIX = "*alive/"


@dataclass(frozen=True)
class Assignment:
    """What this collector holds now; `gained` since the last time. `collectors` are alive, this one included; `leads`:
    this one does the chores that only one may do."""

    names: frozenset[str]
    gained: frozenset[str]
    collectors: int
    is_leader: bool


def renew_claims(
    session: Session, holder: str, repositories: Sequence[str], now: datetime, *, pinned: Collection[str] = ()
) -> Assignment:
    """Keeps what is held, takes what is free up to a fair share, gives back what is above it unless it is `busy`.
    `now` is used on SQLite; several machines agree on PostgreSQL's own clock."""
    acquire_lock(session, AdvisoryLock.CLAIMS)
    if session.get_bind().dialect.name == "postgresql":
        now = session.scalar(select(func.clock_timestamp())) or now
    session.execute(delete(Claim).where(Claim.expires_at < now))
    held = {row.name: row for row in session.scalars(select(Claim))}
    _claim(session, held, _ALIVE_PREFIX + holder, holder, now)
    collectors = sum(name.startswith(_ALIVE_PREFIX) for name in held)
    before = {name for name, row in held.items() if row.holder == holder}
    fair = math.ceil(len(repositories) / collectors)
    mine = [name for name in repositories if name in before]
    for name in [name for name in reversed(mine) if name not in pinned][: max(len(mine) - fair, 0)]:
        mine.remove(name)
        session.delete(held[name])
    mine += [name for name in repositories if name not in held][: max(fair - len(mine), 0)]
    for name in mine:
        _claim(session, held, name, holder, now)
    leads = LEADER_CLAIM not in held or held[LEADER_CLAIM].holder == holder
    if leads:
        _claim(session, held, LEADER_CLAIM, holder, now)
    session.flush()
    return Assignment(frozenset(mine), frozenset(mine) - before, collectors, leads)


def has_other_collectors(session: Session, holder: str, now: datetime) -> bool:
    """Whether another collector renews its claims. `now` is used on SQLite."""
    if session.get_bind().dialect.name == "postgresql":
        now = session.scalar(select(func.clock_timestamp())) or now
    others = Claim.name.startswith(_ALIVE_PREFIX, autoescape=True), Claim.holder != holder, Claim.expires_at >= now
    return session.scalar(select(Claim.name).where(*others).limit(1)) is not None


def release_claims(session: Session, holder: str) -> None:
    """The holder ends in order: others need not wait for its claims to run out."""
    session.execute(delete(Claim).where(Claim.holder == holder))


def _claim(session: Session, held: dict[str, Claim], name: str, holder: str, now: datetime) -> None:
    row = held.get(name)
    if row is None:
        row = held[name] = Claim(name=name, holder=holder, expires_at=now + LEASE_DURATION)
        session.add(row)
    row.expires_at = now + LEASE_DURATION
