"""Finding the logs that are older than their time

Revision: 0010, after 0009.
"""

from alembic import op

from db.migrations.online_ddl import create_index, drop_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
loses = "nothing; logs that were deleted for their age are told as deleted by GitHub."


def upgrade() -> None:
    create_index("ix_job_logs_state_fetched_at", "job_logs", ["state", "fetched_at"])
    drop_index("ix_job_logs_state", "job_logs")


def downgrade() -> None:
    create_index("ix_job_logs_state", "job_logs", ["state"])
    op.execute("UPDATE job_logs SET state = 'expired' WHERE state = 'pruned'")
    drop_index("ix_job_logs_state_fetched_at", "job_logs")
