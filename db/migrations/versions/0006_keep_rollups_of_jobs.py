"""Roll-ups of what jobs used of runners

Revision: 0006, after 0005. Every day that has runs is marked, so that the collector makes its roll-ups.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
loses = "what jobs of runs that were deleted already used of runners; the rest is made anew."

_MARKS = """
INSERT INTO rollup_marks (repository_id, day, hours, changes)
SELECT repository_id, {day}, 16777215, 1 FROM runs WHERE true GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (repository_id, day) DO UPDATE SET hours = 16777215, changes = rollup_marks.changes + 1
"""
_DAY = {
    "postgresql": "CAST(floor(extract(epoch FROM created_at) / 86400) AS INTEGER)",
    "sqlite": "CAST(strftime('%s', created_at) AS INTEGER) / 86400",
}


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "usage_rollups",
        sa.Column("repository_id", big, autoincrement=False, nullable=False),
        sa.Column("grain", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tile", big, autoincrement=False, nullable=False),
        sa.Column("workflow_id", big, autoincrement=False, nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("jobs", big, nullable=False),
        sa.Column("minutes", big, nullable=False),
        sa.Column("compute", sa.Float(), nullable=False),
        sa.Column("failed", sa.Float(), nullable=False),
        sa.Column("cancelled", sa.Float(), nullable=False),
        sa.Column("superseded", sa.Float(), nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("waits", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "repository_id", "grain", "tile", "workflow_id", "label", name=op.f("pk_usage_rollups")
        ),
    )
    op.create_index("ix_usage_rollups_grain_tile", "usage_rollups", ["grain", "tile"])
    op.execute(_MARKS.format(day=_DAY[op.get_bind().dialect.name]))


def downgrade() -> None:
    op.drop_index("ix_usage_rollups_grain_tile", "usage_rollups")
    op.drop_table("usage_rollups")
