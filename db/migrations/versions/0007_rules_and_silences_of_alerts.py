"""Rules and silences of alerts, and who knows of an alert

Revision: 0007, after 0006.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.sql import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
loses = (
    "rules, silences and acknowledgements of alerts, the branch that an alert is about, and messages "
    "that are about no single alert."
)

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
# Added one by one: to make the table anew would delete the deliveries that hang on it.
_COLUMNS = (
    ("rule_id", _ID),
    ("rule_name", sa.String(length=200)),
    ("branch", sa.Text()),
    ("told_at", UtcDateTime()),
    ("acknowledged_at", UtcDateTime()),
    ("acknowledged_by", sa.String(length=200)),
    ("acknowledged_comment", sa.Text()),
    ("silenced_until", UtcDateTime()),
    ("group_id", _ID),
)
_BEFORE = {
    "ux_alerts_firing_workflow": (["repository_id", "workflow_id", "rule"], "state = 'firing'"),
    "ux_alerts_firing_repository": (["repository_id", "rule"], "state = 'firing' AND workflow_id IS NULL"),
}
_INDEX = "ux_alerts_firing_target"
_FIRING = sa.text("state = 'firing'")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # A collector of the version before may still be at work.
        op.execute("LOCK TABLE alerts IN SHARE ROW EXCLUSIVE MODE")
    rules = _create_rules()
    _create_silences()
    for name, kind in _COLUMNS:
        op.add_column("alerts", sa.Column(name, kind, nullable=True))
    op.add_column("alerts", sa.Column("severity", sa.String(length=20), nullable=False, server_default="critical"))
    op.add_column("alerts", sa.Column("target", sa.Text(), nullable=False, server_default=""))
    _bind_to(rules)
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.alter_column("alert_id", existing_type=_ID, nullable=True)
    for name in _BEFORE:
        op.drop_index(name, "alerts")
    columns = ["repository_id", "rule", "target"]
    op.create_index(_INDEX, "alerts", columns, unique=True, postgresql_where=_FIRING, sqlite_where=_FIRING)


def downgrade() -> None:
    op.drop_index(_INDEX, "alerts")
    op.execute("DELETE FROM deliveries WHERE alert_id IS NULL")
    with op.batch_alter_table("deliveries") as batch_op:
        batch_op.alter_column("alert_id", existing_type=_ID, nullable=False)
    _keep_one_of_each()
    for name in ("target", "severity", *(name for name, _ in reversed(_COLUMNS))):
        op.drop_column("alerts", name)
    for name, (columns, where) in _BEFORE.items():
        only = sa.text(where)
        op.create_index(name, "alerts", columns, unique=True, postgresql_where=only, sqlite_where=only)
    op.drop_table("silences")
    op.drop_table("alert_rules")


def _create_rules() -> sa.Table:
    return op.create_table(
        "alert_rules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("open_at", sa.Float(), nullable=False),
        sa.Column("close_at", sa.Float(), nullable=True),
        sa.Column("window_seconds", sa.Float(), nullable=True),
        sa.Column("minimum", sa.Integer(), nullable=True),
        sa.Column("objective", sa.Float(), nullable=True),
        sa.Column("per", sa.String(length=20), nullable=False),
        sa.Column("repos", _JSON, nullable=False),
        sa.Column("workflows", _JSON, nullable=False),
        sa.Column("branches", _JSON, nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("channels", _JSON, nullable=False),
        sa.Column("repeat_seconds", sa.Float(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("built_in", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rules")),
    )


def _create_silences() -> None:
    op.create_table(
        "silences",
        sa.Column("id", _ID, nullable=False),
        sa.Column("repos", _JSON, nullable=False),
        sa.Column("workflows", _JSON, nullable=False),
        sa.Column("branches", _JSON, nullable=False),
        sa.Column("rule_id", _ID, nullable=True),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index("ix_silences_ends_at", "silences", ["ends_at"])


def _bind_to(rules: sa.Table) -> None:
    """The built-in rule, and the alerts that it opened: the collector writes ALERT_THRESHOLD into it when it starts."""
    now = datetime.now(UTC)
    values = {
        "name": "ALERT_THRESHOLD", "kind": "consecutive_failures", "open_at": 3.0, "per": "workflow", "repos": [],
        "workflows": [], "branches": [], "severity": "critical", "channels": [], "enabled": True, "built_in": True,
        "created_at": now, "updated_at": now,
    }  # fmt: skip
    op.execute(sa.insert(rules).values(**values))
    # The first row of a new table; written as text below, since numbers join to texts in two ways.
    op.execute(
        "UPDATE alerts SET rule_id = (SELECT min(id) FROM alert_rules), rule_name = 'ALERT_THRESHOLD', "
        "told_at = opened_at, target = (SELECT min(id) FROM alert_rules) || '/' || repository_id || '/' || "
        "coalesce(workflow_id, 0) || '/'"
    )


def _keep_one_of_each() -> None:
    """The version before knows one firing alert of a kind about a place."""
    op.execute(
        "UPDATE alerts SET state = 'resolved', resolved_at = CURRENT_TIMESTAMP WHERE state = 'firing' AND id NOT IN "
        "(SELECT max(id) FROM alerts WHERE state = 'firing' GROUP BY repository_id, coalesce(workflow_id, 0), rule)"
    )
