"""The search index over stored logs

Revision: 0016, after 0015. Queues all stored logs for the index; the collector builds it in the background, and a
search reads the logs that are not indexed yet.
"""

import sqlalchemy as sa
from alembic import op

from db.sql import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
loses = "the search index over logs, which the next upgrade builds again."

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_QUEUE_STORED_LOGS = """
INSERT INTO log_search_entries (repository_id, job_id, created_at, fetched_at)
SELECT job_logs.repository_id, job_logs.job_id, runs.created_at, job_logs.fetched_at
FROM job_logs JOIN runs ON runs.repository_id = job_logs.repository_id AND runs.id = job_logs.run_id
WHERE job_logs.state = 'stored' AND job_logs.content IS NOT NULL AND job_logs.fetched_at IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "log_search_entries",
        sa.Column("repository_id", _ID, nullable=False, autoincrement=False),
        sa.Column("job_id", _ID, nullable=False, autoincrement=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("fetched_at", UtcDateTime(), nullable=False),
        sa.Column("trigrams", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("repository_id", "job_id", name=op.f("pk_log_search_entries")),
    )
    op.create_index(
        "ix_log_search_entries_unindexed",
        "log_search_entries",
        ["created_at"],
        postgresql_where=sa.text("trigrams IS NULL"),
        sqlite_where=sa.text("trigrams IS NULL"),
    )
    op.create_table(
        "log_search_segments",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.Column("logs", sa.Integer(), nullable=False),
        sa.Column("oldest_at", UtcDateTime(), nullable=False),
        sa.Column("newest_at", UtcDateTime(), nullable=False),
        sa.Column("documents", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_search_segments")),
    )
    op.create_table(
        "log_search_postings",
        sa.Column("bucket", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("segment_id", _ID, nullable=False, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "segment_id", name=op.f("pk_log_search_postings")),
    )
    op.execute(_QUEUE_STORED_LOGS)


def downgrade() -> None:
    for table in ("log_search_postings", "log_search_segments", "log_search_entries"):
        op.execute(f"DROP TABLE IF EXISTS {table}")
