"""Keys of the installation, and which sessions have ended

Revision: 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

from db.sql import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
loses = (
    "which sessions of the dashboard were ended by signing out: they are good again until AUTH_SESSION_HOURS are over."
)


def upgrade() -> None:
    op.create_table(
        "installation_keys",
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation_keys")),
    )
    op.create_table(
        "session_generations",
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_session_generations")),
    )


def downgrade() -> None:
    op.drop_table("session_generations")
    op.drop_table("installation_keys")
