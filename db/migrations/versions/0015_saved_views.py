"""Saved views, and an index for runs by number

Revision: 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

from db.migrations.online_ddl import create_index, drop_index
from db.sql import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
loses = "saved views of the dashboard."


def upgrade() -> None:
    # Development versions of revision 0014 renamed this column, which scripts read.
    if "workflows_listed_at" in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("sync_states")}:
        op.execute("ALTER TABLE sync_states RENAME COLUMN workflows_listed_at TO workflows_at")
    # Before the table: the index commits, and a repeated migration must not create the table twice.
    create_index("ix_runs_run_number", "runs", ["run_number"])
    op.create_table(
        "saved_views",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", sa.String(300), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("page", sa.String(50), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(200), nullable=True),
        sa.Column("owner_key", sa.String(64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("name_key", name=op.f("uq_saved_views_name_key")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS saved_views")
    drop_index("ix_runs_run_number", "runs")
