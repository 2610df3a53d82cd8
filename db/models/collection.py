"""Keys that only programs with access to the database have, and which sessions of the dashboard have ended.

How far the collection has come, who does it, and what came by webhook.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.sql import ErrorText


class InstallationKey(Base):
    """A random value that the first program to need it makes."""

    __tablename__ = "installation_keys"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))


class SessionGeneration(Base):
    """Raised when somebody signs out: sessions of a lower generation have ended. `person`: a hash of the provider and
    of the provider's name for the person."""

    __tablename__ = "session_generations"

    person: Mapped[str] = mapped_column(String(64), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
    raised_at: Mapped[datetime]


class SyncState(Base):
    """How far a repository is known to be complete. covered_to is the newest created_at that the last
    finished walk reached: a walk may only stop once it is back there, or an interruption leaves a hole.
    `actions_missing_since`: GitHub answers for the repository and not for its Actions since then; null otherwise."""

    __tablename__ = "sync_states"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    complete_since: Mapped[datetime | None]
    covered_to: Mapped[datetime | None]
    synced_at: Mapped[datetime | None]
    identity_checked_at: Mapped[datetime | None]
    rescanned_at: Mapped[datetime | None]
    rescanned_wide_at: Mapped[datetime | None]
    rescanned_deep_at: Mapped[datetime | None]
    audited_at: Mapped[datetime | None]
    workflows_listed_at: Mapped[datetime | None]
    repository_etag: Mapped[str | None] = mapped_column(Text)
    runs_etag: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(ErrorText)
    error_code: Mapped[str | None] = mapped_column(String(30))
    error_at: Mapped[datetime | None]
    gaps: Mapped[list[Any]] = mapped_column(default=list)
    actions_missing_since: Mapped[datetime | None]


class Target(Base):
    """One name of GITHUB_REPOS and how its last look went, also where no repository answers to it."""

    __tablename__ = "targets"

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    repository_id: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(ErrorText)
    error_code: Mapped[str | None] = mapped_column(String(30))
    checked_at: Mapped[datetime]


class Heartbeat(Base):
    """A sign of life of a program; `detail` is what it says of itself (no secrets). `stopped_at`: when it ended in
    order; null while it runs, and after a crash."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    data_version: Mapped[int] = mapped_column(default=0)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Backfill(Base):
    """History from `since` to `until`, read newest first in windows of created_at: what lies between `cursor` and
    `until` is stored. `phase` is reading, then verifying (filtered lists can be stale: the windows are read again
    until nothing new turns up), then done."""

    __tablename__ = "backfills"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    until: Mapped[datetime] = mapped_column(primary_key=True)
    cursor: Mapped[datetime]
    phase: Mapped[str] = mapped_column(String(20))
    runs_done: Mapped[int] = mapped_column(Integer, default=0)
    runs_expected: Mapped[int | None] = mapped_column(Integer)
    late_runs: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(ErrorText)


class RunGap(Base):
    """Run numbers of a workflow that were never seen, between two that were. `open` until GitHub was asked for them
    often enough; then `absent`: deleted there, or never made."""

    __tablename__ = "run_gaps"
    __table_args__ = (Index("ix_run_gaps_repository_id_state", "repository_id", "state"),)

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    last_number: Mapped[int] = mapped_column(Integer)
    created_after: Mapped[datetime]
    created_before: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    checks: Mapped[int] = mapped_column(Integer, default=0)
    detected_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]


class Claim(Base):
    """A lease that a collector (`holder`) renews until it stops; see ClaimKind. `name` is the full name of a
    repository, the constant of the leader, or the name of the collector."""

    __tablename__ = "claims"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100), index=True)
    expires_at: Mapped[datetime]


class InboxItem(Base):
    """A webhook delivery as GitHub sent it, waiting to be applied. Pruned some days after that."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_state_received_at", "state", "received_at"),)

    delivery_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    event: Mapped[str] = mapped_column(String(100))
    repository_id: Mapped[int | None]
    body: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    state: Mapped[str] = mapped_column(String(20))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(ErrorText)
