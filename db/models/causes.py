"""Tables of failure causes: the causes of jobs, rules and triage by users, earlier fingerprints, and sketches of
successful logs."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Boolean, Date, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class JobCause(Base):
    """A failure cause of a job. `position` 0 is the cause that is shown first; its line and fingerprint are also those
    of the log. `kind` is a health.insights.causes.model.CauseClass. `source` is a db.enums.CauseSource; `line_number`
    is null for an annotation. `fingerprint` is null if the line names no cause that two failures can share.
    `created_at` is that of the run."""

    __tablename__ = "job_causes"
    __table_args__ = (
        Index("ix_job_causes_kind_created_at", "kind", "created_at"),
        Index("ix_job_causes_fingerprint_created_at", "fingerprint", "created_at"),
    )

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    run_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    tool: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    line: Mapped[str] = mapped_column(Text)
    line_number: Mapped[int | None] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(String(12))
    rule_id: Mapped[int | None]
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class StoredCauseRule(Base):
    """A rule of a user: a line that matches is the cause. `repositories`, `jobs` and `steps` are lists of patterns with
    `*`; an empty list applies to all. `applied_at` is null until the collector has applied the last change to stored
    logs."""

    __tablename__ = "cause_rules"
    # Fingerprints contain ids: SQLite would give the id of a deleted rule to the next one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    pattern: Mapped[str] = mapped_column(Text)
    is_expression: Mapped[bool] = mapped_column(Boolean)
    repositories: Mapped[list[Any]]
    jobs: Mapped[list[Any]]
    steps: Mapped[list[Any]]
    kind: Mapped[str] = mapped_column(String(20))
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(String(200))
    updated_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]


class CauseTriage(Base):
    """A cause is known while its row exists and `until` is null or in the future."""

    __tablename__ = "cause_triage"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    ticket: Mapped[str | None] = mapped_column(Text)
    owner: Mapped[str | None] = mapped_column(String(200))
    comment: Mapped[str | None] = mapped_column(Text)
    until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(String(200))
    updated_at: Mapped[datetime]


class CauseAlias(Base):
    """An earlier fingerprint of a cause, so that links and triage under it apply. `current` is never an alias."""

    __tablename__ = "cause_aliases"
    __table_args__ = (Index("ix_cause_aliases_current", "current"),)

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    current: Mapped[str] = mapped_column(String(64))


class LogSketch(Base):
    """A sketch of the normalised lines of one successful log of a job a day, with which failed logs are compared.
    `created_at` is that of the run."""

    __tablename__ = "log_sketches"
    __table_args__ = (Index("ix_log_sketches_created_at", "created_at"),)

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job_name_hash: Mapped[str] = mapped_column(String(32), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    job_id: Mapped[int]
    run_id: Mapped[int]
    created_at: Mapped[datetime]
    content: Mapped[bytes] = mapped_column(LargeBinary)
