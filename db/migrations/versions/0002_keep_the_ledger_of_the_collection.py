"""How the collection goes: backfills, gaps in run numbers, claims of collectors, the webhook inbox

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

from db.sql import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
loses = (
    "how far history was read, what is known to be missing, and webhooks that wait or were applied; "
    "GitHub is asked again."
)


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("holder", sa.String(length=100), nullable=False),
        sa.Column("held_until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_claims")),
    )
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_claims_holder"), ["holder"], unique=False)

    op.create_table(
        "inbox",
        sa.Column("delivery_id", sa.String(length=100), nullable=False),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_inbox")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_state_received_at", ["state", "received_at"], unique=False)

    op.create_table(
        "backfills",
        sa.Column("repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("cursor", UtcDateTime(), nullable=False),
        sa.Column("phase", sa.String(length=20), nullable=False),
        sa.Column("runs_done", sa.Integer(), nullable=False),
        sa.Column("runs_expected", sa.Integer(), nullable=True),
        sa.Column("found_late", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("fk_backfills_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "since", "until", name=op.f("pk_backfills")),
    )
    op.create_table(
        "run_gaps",
        sa.Column("repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "workflow_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("first_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("created_after", UtcDateTime(), nullable=False),
        sa.Column("created_before", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("looked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("fk_run_gaps_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "workflow_id", "first_number", name=op.f("pk_run_gaps")),
    )
    with op.batch_alter_table("run_gaps", schema=None) as batch_op:
        batch_op.create_index("ix_run_gaps_repository_id_state", ["repository_id", "state"], unique=False)

    op.add_column("runs", sa.Column("looked_at", UtcDateTime(), nullable=True))

    with op.batch_alter_table("sync_states", schema=None) as batch_op:
        batch_op.add_column(sa.Column("identified_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("relooked_wide_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("audited_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    for name in ("audited_at", "relooked_wide_at", "identified_at"):
        op.drop_column("sync_states", name)
    # Not in batch mode, which would write the whole table anew on SQLite.
    op.drop_column("runs", "looked_at")

    with op.batch_alter_table("run_gaps", schema=None) as batch_op:
        batch_op.drop_index("ix_run_gaps_repository_id_state")

    op.drop_table("run_gaps")
    op.drop_table("backfills")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index("ix_inbox_state_received_at")

    op.drop_table("inbox")
    with op.batch_alter_table("claims", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_claims_holder"))

    op.drop_table("claims")
