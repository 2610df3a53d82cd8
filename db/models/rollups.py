"""Tables of roll-ups: sums over runs, from which the figures of long windows are computed."""

from datetime import datetime

from sqlalchemy import Float, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class Rollup(Base):
    """Sums over the runs of one group that were created in one time bucket (db.definitions.time_buckets).

    A dimension that the level does not distinguish is 0 or empty. Repository 0 stands for all monitored repositories.
    There is no foreign key: roll-ups remain when runs are pruned. Histograms are encoded by
    health.metrics.definitions.histogram; `decided_hours` and `failed_hours` count by hour of the week."""

    __tablename__ = "rollups"
    __table_args__ = (Index("ix_rollups_level_bucket", "level", "bucket"),)

    repository_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    branch_kind: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    event: Mapped[str] = mapped_column(String(100), primary_key=True)
    success: Mapped[int] = mapped_column(Integer)
    failure: Mapped[int] = mapped_column(Integer)
    cancelled: Mapped[int] = mapped_column(Integer)
    skipped: Mapped[int] = mapped_column(Integer)
    other: Mapped[int] = mapped_column(Integer)
    in_progress: Mapped[int] = mapped_column(Integer)
    rerun: Mapped[int] = mapped_column(Integer)
    flaky: Mapped[int] = mapped_column(Integer)
    recovery_open: Mapped[int] = mapped_column(Integer)
    duration: Mapped[float] = mapped_column(Float)
    queue: Mapped[float] = mapped_column(Float)
    recovery: Mapped[float] = mapped_column(Float)
    compute: Mapped[float] = mapped_column(Float)
    wasted: Mapped[float] = mapped_column(Float)
    cost: Mapped[float] = mapped_column(Float)
    success_duration: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    first_success: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    first_failure: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    rerun_unapproved: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    failed_then_rerun: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    never_started: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    unpriced_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    wasted_flaky: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    wasted_cancelled: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    wasted_superseded: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    defect: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    durations: Mapped[bytes | None] = mapped_column(LargeBinary)
    queues: Mapped[bytes | None] = mapped_column(LargeBinary)
    recoveries: Mapped[bytes | None] = mapped_column(LargeBinary)
    decided_hours: Mapped[bytes | None] = mapped_column(LargeBinary)
    failed_hours: Mapped[bytes | None] = mapped_column(LargeBinary)
    success_durations: Mapped[bytes | None] = mapped_column(LargeBinary)


class UsageRollup(Base):
    """Sums over the jobs of the runs that were created in one time bucket, by runner labels; the levels are those of
    health.metrics.definitions.rollup_levels. Columns are as in Rollup; health.metrics.definitions.usage encodes
    `waits`."""

    __tablename__ = "usage_rollups"
    __table_args__ = (Index("ix_usage_rollups_level_bucket", "level", "bucket"),)

    repository_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(String(200), primary_key=True)
    jobs: Mapped[int]
    minutes: Mapped[int]
    compute: Mapped[float] = mapped_column(Float)
    failed: Mapped[float] = mapped_column(Float)
    cancelled: Mapped[float] = mapped_column(Float)
    superseded: Mapped[float] = mapped_column(Float)
    cost: Mapped[float] = mapped_column(Float)
    unpriced_minutes: Mapped[int] = mapped_column(default=0, server_default="0")
    never_started: Mapped[int] = mapped_column(default=0, server_default="0")
    flaky: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    defect: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    waits: Mapped[bytes | None] = mapped_column(LargeBinary)


class RollupInvalidation(Base):
    """A day (days since 1970) whose roll-ups are outdated; bit k of `hour_mask` is set if hour k is outdated. `changes`
    increases with every mark, so that a mark during the computation is detected. Repository 0: the sums over all."""

    __tablename__ = "rollup_marks"

    repository_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    hour_mask: Mapped[int] = mapped_column(Integer)
    changes: Mapped[int] = mapped_column(Integer)


class RollupState(Base):
    """The state of the roll-ups, in one row. Buckets of hours exist from `hours_from`. Runs created before
    `pruned_before` are deleted, and only roll-ups remain of these days. `complete_from`: an older version, which
    counted fewer figures, wrote the roll-ups of earlier days, and their runs are deleted; null if there are none."""

    __tablename__ = "rollup_state"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    hours_from: Mapped[datetime]
    pruned_before: Mapped[datetime | None]
    complete_from: Mapped[datetime | None]


class FailureEpisode(Base):
    """An episode in which a workflow failed on a default branch, from the run `run_id`; open while `seconds` is
    null."""

    __tablename__ = "broken_episodes"
    __table_args__ = (
        Index("ix_broken_episodes_repository_id_created_at", "repository_id", "created_at"),
        Index("ix_broken_episodes_repository_id_workflow_id_created_at", "repository_id", "workflow_id", "created_at"),
    )

    repository_id: Mapped[int] = mapped_column(ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    workflow_id: Mapped[int]
    event: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    failed_at: Mapped[datetime]
    seconds: Mapped[float | None] = mapped_column(Float)
