"""Tables of repositories, workflows, schedules, runs, attempts, jobs and logs."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    cast,
    false,
    func,
    or_,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from db.definitions import job_times, prices
from db.models.base import Base
from db.sql import ErrorText


class WorkflowSchedule(Base):
    """The schedule in a workflow's file on the default branch. `crons`: its lines, as text (UTC) or as a mapping of
    `cron` and `timezone`; `since`: time from which these lines are known to apply; `error`: the file or its lines that
    could not be read the last time."""

    __tablename__ = "workflow_schedules"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    crons: Mapped[list[Any]]
    since: Mapped[datetime]
    read_at: Mapped[datetime]
    etag: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(ErrorText)


class Repository(Base):
    __tablename__ = "repositories"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    full_name: Mapped[str] = mapped_column(String(300), index=True)
    default_branch: Mapped[str] = mapped_column(String(500))
    private: Mapped[bool] = mapped_column(Boolean)
    archived: Mapped[bool] = mapped_column(Boolean)
    html_url: Mapped[str] = mapped_column(Text)
    monitored: Mapped[bool] = mapped_column(Boolean, default=True)


class Workflow(Base):
    __tablename__ = "workflows"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(50))


class Run(Base):
    """A run with the state of its latest attempt. The sums over its jobs are stored with the run, so that a figure over
    many runs does not read the jobs.

    `actor` started the run; `triggering_actor` started its latest attempt (null: unknown, as for runs stored by older
    versions). `commit_author` and `commit_message` are those of the head commit. `first_outcome` is the outcome of
    attempt 1 if a later attempt exists, null if attempt 1 is the latest or unknown. `reruns` counts later
    attempts except the one that an approval creates; `failed_then_rerun` is true if a failed attempt was re-run.
    The `wasted_*` columns split `wasted_seconds` by reason; `defect_seconds` is the compute of failed attempts
    that found a defect, which is not waste. `unpriced_minutes` are billed minutes of jobs without a known price, left
    out of `cost_usd`; `never_started` counts jobs that no runner took."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_created_at_id", "created_at", "id"),
        Index("ix_runs_repository_id_created_at", "repository_id", "created_at"),
        Index("ix_runs_repository_id_workflow_id_created_at", "repository_id", "workflow_id", "created_at"),
        Index("ix_runs_repository_id_branch_created_at", "repository_id", "branch", "created_at"),
        Index("ix_runs_repository_id_details_pending", "repository_id", "details_pending"),
        Index("ix_runs_repository_id_status", "repository_id", "status"),
        Index("ix_runs_id", "id"),
        # One index for each filter of the list of runs, ordered by time, so that the cost of a page is constant.
        Index("ix_runs_workflow_id_created_at", "workflow_id", "created_at"),
        Index("ix_runs_branch_created_at", "branch", "created_at"),
        Index("ix_runs_event_created_at", "event", "created_at"),
        Index("ix_runs_actor_created_at", "actor", "created_at"),
        Index("ix_runs_conclusion_created_at", "conclusion", "created_at"),
        Index("ix_runs_status_created_at", "status", "created_at"),
        Index("ix_runs_run_number", "run_number"),
        Index("ix_runs_head_sha", "head_sha", postgresql_ops={"head_sha": "varchar_pattern_ops"}),
        # For the state of default branches.
        Index(
            "ix_runs_default_branch",
            "repository_id",
            "workflow_id",
            "created_at",
            postgresql_where=text("on_default_branch"),
            sqlite_where=text("on_default_branch = 1"),
        ),
    )

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    workflow_id: Mapped[int]
    workflow_name: Mapped[str] = mapped_column(Text)
    run_number: Mapped[int] = mapped_column(Integer)
    attempt: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(Text)
    event: Mapped[str] = mapped_column(String(100))
    branch: Mapped[str | None] = mapped_column(Text)
    on_default_branch: Mapped[bool] = mapped_column(Boolean)
    head_sha: Mapped[str] = mapped_column(String(64))
    actor: Mapped[str | None] = mapped_column(String(200))
    triggering_actor: Mapped[str | None] = mapped_column(String(200))
    commit_author: Mapped[str | None] = mapped_column(String(200))
    commit_message: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(50))
    conclusion: Mapped[str | None] = mapped_column(String(50))
    outcome: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    duration_seconds: Mapped[float | None] = mapped_column(Float)
    queue_seconds: Mapped[float | None] = mapped_column(Float)
    flaky: Mapped[bool] = mapped_column(Boolean, default=False)
    compute_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    wasted_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    cost_usd: Mapped[float] = mapped_column(Float, default=0.0)
    first_outcome: Mapped[str | None] = mapped_column(String(20))
    reruns: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    failed_then_rerun: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    wasted_flaky_seconds: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    wasted_cancelled_seconds: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    wasted_superseded_seconds: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    defect_seconds: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    unpriced_minutes: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    never_started: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    runner: Mapped[str | None] = mapped_column(String(200))
    html_url: Mapped[str] = mapped_column(Text)
    details_pending: Mapped[bool] = mapped_column(Boolean, default=True)
    details_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]

    @hybrid_property
    def is_free(self) -> bool:
        """db.definitions.prices.is_free, for queries and for loaded runs."""
        return prices.is_free(self.event, self.actor)

    @is_free.inplace.expression
    @classmethod
    def _is_free(cls) -> ColumnElement[bool]:
        return (cls.event == prices.DYNAMIC) & (func.coalesce(cls.actor, "") == prices.DEPENDABOT)


class Attempt(Base):
    __tablename__ = "attempts"

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(50))
    conclusion: Mapped[str | None] = mapped_column(String(50))
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    first_completed_at: Mapped[datetime | None]
    duration_seconds: Mapped[float | None] = mapped_column(Float)
    queue_seconds: Mapped[float | None] = mapped_column(Float)
    actor: Mapped[str | None] = mapped_column(String(200))


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_repository_id_run_id_attempt", "repository_id", "run_id", "attempt"),)

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[int]
    attempt: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(50))
    conclusion: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_seconds: Mapped[float | None] = mapped_column(Float)
    queue_seconds: Mapped[float | None] = mapped_column(Float)
    runner: Mapped[str | None] = mapped_column(Text)
    runner_id: Mapped[int | None]
    runner_group: Mapped[str | None] = mapped_column(Text)
    labels: Mapped[list[Any]]
    copied: Mapped[bool] = mapped_column(Boolean, default=False)
    phantom: Mapped[bool] = mapped_column(Boolean, default=False)
    steps: Mapped[list[Any]]
    html_url: Mapped[str | None] = mapped_column(Text)

    @hybrid_property
    def has_started(self) -> bool:
        """db.definitions.job_times.has_started, for queries and for loaded jobs."""
        # The runner is checked first, so that deferred steps are loaded only for jobs without a runner.
        return job_times.has_started(self.runner, self.runner_id, ()) or job_times.has_started(None, None, self.steps)

    @has_started.inplace.expression
    @classmethod
    def _has_started(cls) -> ColumnElement[bool]:
        return or_(
            func.coalesce(cls.runner, "") != "", func.coalesce(cls.runner_id, 0) > 0, cast(cls.steps, Text) != "[]"
        )


class JobLog(Base):
    """The log of a job: zlib-compressed UTF-8 text, and an excerpt around the error. A row in the state `pending` is a
    request to the collector to fetch the log. `error_line` and `fingerprint` are those of the first failure cause;
    `cause_version` is the version of the extraction that made its causes, null if they were not extracted yet;
    `compared`: whether they were compared with sketches of successful logs, null if not."""

    __tablename__ = "job_logs"
    __table_args__ = (
        Index("ix_job_logs_state_fetched_at", "state", "fetched_at"),
        # For the collector, which extracts the causes of the newest logs first.
        Index("ix_job_logs_cause_version_fetched_at", "cause_version", "fetched_at"),
    )

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    run_id: Mapped[int]
    state: Mapped[str] = mapped_column(String(20))
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    excerpt_first_line: Mapped[int | None] = mapped_column(Integer)
    excerpt: Mapped[list[Any] | None]
    error_line: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[str | None] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int | None]
    truncated: Mapped[bool] = mapped_column(Boolean, default=False)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    requested_at: Mapped[datetime]
    fetched_at: Mapped[datetime | None]
    cause_version: Mapped[int | None] = mapped_column(Integer)
    compared: Mapped[bool | None] = mapped_column(Boolean)
