"""Where a message went, what carries it, and how its channel fares

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.sql import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
loses = (
    "where messages went, so that what follows finds no thread; messages that were folded into one that "
    "still waits are given up."
)

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
_COLUMNS = (
    ("alert_ids", _JSON),
    ("claimed_until", UtcDateTime()),
    ("receipt", _JSON),
    ("note", sa.Text()),
    ("folded_into", _ID),
)
_INDEX = "ix_deliveries_folded_into"


def upgrade() -> None:
    with op.batch_alter_table("deliveries") as batch_op:
        for name, kind in _COLUMNS:
            batch_op.add_column(sa.Column(name, kind, nullable=True))
        batch_op.create_index(_INDEX, ["folded_into"])
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("held_until", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_states")),
    )


def downgrade() -> None:
    op.drop_table("channel_states")
    # The version before knows no folded rows: they fared as the row that carries them. One that waits is left to itself
    # there, so what it carried is given up rather than told twice.
    op.execute(
        "UPDATE deliveries SET state = CASE WHEN (SELECT carrier.state FROM deliveries AS carrier "
        "WHERE carrier.id = deliveries.folded_into) = 'sent' THEN 'sent' ELSE 'dead' END WHERE state = 'folded'"
    )
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.drop_index(_INDEX)
        for name, _ in reversed(_COLUMNS):
            batch_op.drop_column(name)
