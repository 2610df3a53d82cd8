"""Tables of teams and of who may do what: teams, CODEOWNERS files, notification channels, settings, API keys, weekly
digests, and the audit trail."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, Date, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.sql import ErrorText


class StoredTeam(Base):
    """A team as one source defines it: TEAMS_FILE, the dashboard or GitHub. `name_key`: the name as it is compared,
    under which the definitions of several sources are combined. `definition`: the fields that the source sets
    (health.teams.definition). `updated_by` is null for a file and for GitHub."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("name_key", "source"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(String(300))
    source: Mapped[str] = mapped_column(String(20))
    definition: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str | None] = mapped_column(String(200))


class TeamRepository(Base):
    """What a team owns: a repository, or one workflow of it. `workflow_id` is 0 for the whole repository. The rows are
    computed from the definitions of teams and from CODEOWNERS files."""

    __tablename__ = "team_repositories"
    __table_args__ = (Index("ix_team_repositories_team_key", "team_key"),)

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    team_key: Mapped[str] = mapped_column(String(300), primary_key=True)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class CodeownersFile(Base):
    """The CODEOWNERS file of a repository's default branch. `state` is a db.enums.CodeownersState; `path` and `content`
    are null unless it is READ. `etag` is GitHub's, for conditional requests."""

    __tablename__ = "codeowners_files"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    path: Mapped[str | None] = mapped_column(String(100))
    content: Mapped[str | None] = mapped_column(Text)
    etag: Mapped[str | None] = mapped_column(String(200))
    error: Mapped[str | None] = mapped_column(ErrorText)
    checked_at: Mapped[datetime]


class NotificationChannel(Base):
    """A notification channel with a name. `settings` contain references to secrets (`env:NAME`, `file:/path`), never
    the secrets. `source`: the file of teams, or the dashboard."""

    __tablename__ = "notification_channels"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(20))
    settings: Mapped[dict[str, Any]]
    enabled: Mapped[bool] = mapped_column(Boolean)
    updated_at: Mapped[datetime]
    updated_by: Mapped[str | None] = mapped_column(String(200))


class StoredSetting(Base):
    """A setting of the whole installation that is not an environment variable, such as the catch-all route."""

    __tablename__ = "stored_settings"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[dict[str, Any]]
    source: Mapped[str] = mapped_column(String(20))
    updated_at: Mapped[datetime]
    updated_by: Mapped[str | None] = mapped_column(String(200))


class ApiKey(Base):
    """An API key. `digest` is the SHA-256 of the key, `prefix` its first characters, for lists. `scopes` are
    db.enums.KeyScope values. With `team_key` or `repositories` (owner/name) the key reads only those repositories."""

    __tablename__ = "api_keys"
    # The audit trail contains ids: SQLite would give the id of a deleted key to the next one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any]]
    team_key: Mapped[str | None] = mapped_column(String(300))
    repositories: Mapped[list[Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(String(200))
    last_used_at: Mapped[datetime | None]


class Digest(Base):
    """A weekly digest that was written to the outbox. `team_key` is empty for the digest of all teams."""

    __tablename__ = "digests"
    __table_args__ = (UniqueConstraint("team_key", "week"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    team_key: Mapped[str] = mapped_column(String(300))
    week: Mapped[date] = mapped_column(Date)
    channels: Mapped[list[Any]]
    created_at: Mapped[datetime]


class AuditEvent(Base):
    """Who changed what, when, by which way, from what to what. Rows are never updated. `actor_kind`, `origin`, `action`
    and `subject_kind` are enumerations of db.enums. `before` and `after` contain the fields that differ; null where the
    subject did not exist. `repository_id`: the only repository that the subject is about."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_at", "at"),
        Index("ix_audit_events_subject_kind_subject_id", "subject_kind", "subject_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    actor_kind: Mapped[str] = mapped_column(String(20))
    origin: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(40))
    subject_kind: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(String(200))
    subject_name: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    repository_id: Mapped[int | None]
