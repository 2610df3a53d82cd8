"""At most one firing alert of a rule about the same thing

Revision: 0005, after 0004.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from db.sql import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
loses = "nothing."

# Null differs from null in a unique index: an alert about a whole repository needs one of its own.
_INDEXES = {
    "ux_alerts_firing_workflow": (["repository_id", "workflow_id", "rule"], "state = 'firing'"),
    "ux_alerts_firing_repository": (["repository_id", "rule"], "state = 'firing' AND workflow_id IS NULL"),
}
_alerts = sa.table(
    "alerts",
    sa.column("id", sa.Integer()),
    sa.column("repository_id", sa.BigInteger()),
    sa.column("workflow_id", sa.BigInteger()),
    sa.column("rule", sa.String()),
    sa.column("state", sa.String()),
    sa.column("resolved_at", UtcDateTime()),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # A collector of the version before may still be at work.
        op.execute("LOCK TABLE alerts IN SHARE ROW EXCLUSIVE MODE")
    _resolve_duplicates()
    for name, (columns, where) in _INDEXES.items():
        only = sa.text(where)
        op.create_index(name, "alerts", columns, unique=True, postgresql_where=only, sqlite_where=only)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "alerts")


def _resolve_duplicates() -> None:
    """Two collectors may have opened the same alert at the same moment; the later one goes on."""
    about = _alerts.c.repository_id, sa.func.coalesce(_alerts.c.workflow_id, 0), _alerts.c.rule
    firing = _alerts.c.state == "firing"
    latest = sa.select(sa.func.max(_alerts.c.id)).where(firing).group_by(*about)
    op.execute(
        sa.update(_alerts)
        .where(firing, _alerts.c.id.not_in(latest))
        .values(state="resolved", resolved_at=datetime.now(UTC))
    )
