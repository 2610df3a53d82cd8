"""Roll-ups of runs, and the broken episodes of default branches

Revision: 0003, after 0002. Every day that has runs is marked, so that the collector makes its roll-ups.
"""

import sqlalchemy as sa
from alembic import op

from db.sql import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
loses = "the sums of runs that were deleted already (RETENTION_DAYS); the others are made anew."

_MARKS = """
INSERT INTO rollup_marks (repository_id, day, hours, changes)
SELECT repository_id, {day}, 16777215, 1 FROM runs GROUP BY 1, 2
"""
_DAY = {
    "postgresql": "CAST(floor(extract(epoch FROM created_at) / 86400) AS INTEGER)",
    "sqlite": "CAST(strftime('%s', created_at) AS INTEGER) / 86400",
}


def upgrade() -> None:
    op.create_table(
        "rollup_marks",
        sa.Column(
            "repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("repository_id", "day", name=op.f("pk_rollup_marks")),
    )
    # Before a table refers to another, which keeps that one's writers out until the end.
    op.execute(_MARKS.format(day=_DAY[op.get_bind().dialect.name]))
    op.create_table(
        "rollup_state",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("hours_from", UtcDateTime(), nullable=False),
        sa.Column("pruned_before", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollup_state")),
    )
    op.create_table(
        "rollups",
        sa.Column(
            "repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("grain", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tile", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column(
            "workflow_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("branch_kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("success", sa.Integer(), nullable=False),
        sa.Column("failure", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("other", sa.Integer(), nullable=False),
        sa.Column("in_progress", sa.Integer(), nullable=False),
        sa.Column("rerun", sa.Integer(), nullable=False),
        sa.Column("flaky", sa.Integer(), nullable=False),
        sa.Column("recovery_open", sa.Integer(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("queue", sa.Float(), nullable=False),
        sa.Column("recovery", sa.Float(), nullable=False),
        sa.Column("compute", sa.Float(), nullable=False),
        sa.Column("wasted", sa.Float(), nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("durations", sa.LargeBinary(), nullable=True),
        sa.Column("queues", sa.LargeBinary(), nullable=True),
        sa.Column("recoveries", sa.LargeBinary(), nullable=True),
        sa.Column("decided_hours", sa.LargeBinary(), nullable=True),
        sa.Column("failed_hours", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "repository_id", "grain", "tile", "workflow_id", "branch_kind", "event", name=op.f("pk_rollups")
        ),
    )
    with op.batch_alter_table("rollups", schema=None) as batch_op:
        batch_op.create_index("ix_rollups_grain_tile", ["grain", "tile"], unique=False)

    op.create_table(
        "broken_episodes",
        sa.Column("repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("workflow_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("failed_at", UtcDateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("fk_broken_episodes_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "run_id", name=op.f("pk_broken_episodes")),
    )
    with op.batch_alter_table("broken_episodes", schema=None) as batch_op:
        batch_op.create_index(
            "ix_broken_episodes_repository_id_created_at", ["repository_id", "created_at"], unique=False
        )
        batch_op.create_index(
            "ix_broken_episodes_repository_id_workflow_id_created_at",
            ["repository_id", "workflow_id", "created_at"],
            unique=False,
        )


def downgrade() -> None:
    with op.batch_alter_table("broken_episodes", schema=None) as batch_op:
        batch_op.drop_index("ix_broken_episodes_repository_id_workflow_id_created_at")
        batch_op.drop_index("ix_broken_episodes_repository_id_created_at")

    op.drop_table("broken_episodes")
    with op.batch_alter_table("rollups", schema=None) as batch_op:
        batch_op.drop_index("ix_rollups_grain_tile")

    op.drop_table("rollups")
    op.drop_table("rollup_state")
    op.drop_table("rollup_marks")
