"""Failure causes of jobs with their class, rules and triage of causes, sketches of successful logs

Revision: 0017, after 0016. The collector extracts the causes of stored logs in the background.
"""

import sqlalchemy as sa
from alembic import op

from db.migrations.online_ddl import create_index, drop_index
from db.models.base import Json
from db.sql import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
loses = (
    "classes, tools and subjects of failure causes, and all causes of a job but the first, which the next upgrade "
    "extracts again; rules and triage of causes; links to causes under earlier identifiers."
)

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INDEX = "ix_job_logs_cause_version_fetched_at"
# Fingerprints of rules contain their ids, which the next upgrade gives to other rules. Where the rule replaced the only
# cause, its line remains, and the earlier program computes the fingerprint of the line: '-' is not a current one.
_REMOVE_RULES_FROM_LOGS = """
UPDATE job_logs SET
error_line = CASE WHEN next.job_id IS NULL THEN rule.line ELSE next.line END,
fingerprint = CASE WHEN next.job_id IS NULL THEN '-' ELSE next.fingerprint END
FROM job_causes AS rule LEFT JOIN job_causes AS next
ON next.repository_id = rule.repository_id AND next.job_id = rule.job_id AND next.position = 1
WHERE rule.source = 'rule' AND rule.position = 0
AND job_logs.repository_id = rule.repository_id AND job_logs.job_id = rule.job_id
"""


def upgrade() -> None:
    # The index commits, and a repeated migration must neither add the column nor create a table twice.
    existing = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("job_logs")}
    for column in (sa.Column("cause_version", sa.Integer()), sa.Column("compared", sa.Boolean())):
        if column.name not in existing:
            op.add_column("job_logs", column)
    create_index(_INDEX, "job_logs", ["cause_version", "fetched_at"])
    op.create_table(
        "job_causes",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column("job_id", _ID, nullable=False, autoincrement=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("tool", sa.String(60), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(12), nullable=False),
        sa.Column("rule_id", _ID, nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_job_causes_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "job_id", "position", name=op.f("pk_job_causes")),
    )  # fmt: skip
    op.create_index("ix_job_causes_kind_created_at", "job_causes", ["kind", "created_at"])
    op.create_index("ix_job_causes_fingerprint_created_at", "job_causes", ["fingerprint", "created_at"])
    op.create_table(
        "cause_rules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("is_expression", sa.Boolean(), nullable=False),
        sa.Column("repositories", Json, nullable=False),
        sa.Column("jobs", Json, nullable=False),
        sa.Column("steps", Json, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cause_rules")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "cause_triage",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("owner", sa.String(200), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_cause_triage")),
    )
    op.create_table(
        "cause_aliases",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("current", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_cause_aliases")),
    )
    op.create_index("ix_cause_aliases_current", "cause_aliases", ["current"])
    op.create_table(
        "log_sketches",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column("workflow_id", _ID, nullable=False, autoincrement=False),
        sa.Column("job_name_hash", sa.String(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_log_sketches_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "repository_id", "workflow_id", "job_name_hash", "day", name=op.f("pk_log_sketches")
        ),
    )  # fmt: skip
    op.create_index("ix_log_sketches_created_at", "log_sketches", ["created_at"])


def downgrade() -> None:
    # The index commits: in a repeated migration the table is gone.
    if sa.inspect(op.get_bind()).has_table("job_causes"):
        op.execute(_REMOVE_RULES_FROM_LOGS)
    for table in ("log_sketches", "cause_aliases", "cause_triage", "cause_rules", "job_causes"):
        op.execute(f"DROP TABLE IF EXISTS {table}")
    drop_index(_INDEX, "job_logs")
    for column in ("compared", "cause_version"):
        op.drop_column("job_logs", column)
