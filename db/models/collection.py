"""Tables of the collection (sync states, targets, heartbeats, backfills, gaps, claims, webhooks), keys, sessions and
saved views."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.sql import ErrorText


class InstallationKey(Base):
    """A random value that the first program to use it creates."""

    __tablename__ = "installation_keys"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))


class SessionGeneration(Base):
    """The generation of valid sessions of a person. A sign-out increases it, which ends sessions of a lower generation.
    `person`: a hash of the provider and of the provider's name for the person."""

    __tablename__ = "session_generations"

    person: Mapped[str] = mapped_column(String(64), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
    raised_at: Mapped[datetime]


class SavedView(Base):
    """The URL of a page with its filters, by name. `query`: the query of the URL, encoded. `name_key`: the name as it
    is compared, so that no two views differ only in case. `owner`: the name of the user that saved it, `owner_key`: the
    hash that identifies the user; null without a login."""

    __tablename__ = "saved_views"
    # Links contain ids: SQLite would give the id of a deleted view to the next one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(300), unique=True)
    description: Mapped[str] = mapped_column(String(500))
    page: Mapped[str] = mapped_column(String(50))
    query: Mapped[str] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(String(200))
    owner_key: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SyncState(Base):
    """The progress of the collection of a repository. `covered_to` is the newest created_at that the last finished walk
    reached: a walk that stops before that time leaves a gap. `actions_missing_since`: time since which GitHub provides
    the repository without GitHub Actions; null otherwise."""

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
    workflows_at: Mapped[datetime | None]
    repository_etag: Mapped[str | None] = mapped_column(Text)
    runs_etag: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(ErrorText)
    error_code: Mapped[str | None] = mapped_column(String(30))
    error_at: Mapped[datetime | None]
    gaps: Mapped[list[Any]] = mapped_column(default=list)
    actions_missing_since: Mapped[datetime | None]


class Target(Base):
    """One name of GITHUB_REPOS and the result of its last check, also if there is no such repository."""

    __tablename__ = "targets"

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    repository_id: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(ErrorText)
    error_code: Mapped[str | None] = mapped_column(String(30))
    checked_at: Mapped[datetime]


class Heartbeat(Base):
    """The heartbeat of a program; `detail` is its status (no secrets). `stopped_at`: time of its orderly stop; null
    while it runs and after a crash."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    data_version: Mapped[int] = mapped_column(default=0)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Backfill(Base):
    """Import of the history from `since` to `until`, newest first in windows of created_at: runs between `cursor` and
    `until` are stored. `phase` is reading, then verifying (filtered lists can be stale, so the windows are read again
    until they contain no new runs), then done."""

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
    """Missing run numbers of a workflow between two stored ones. `open` until they have been requested from GitHub
    often enough; then `absent`: deleted on GitHub, or never created."""

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
    """A webhook delivery as received. It is applied once and pruned some days later."""

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
