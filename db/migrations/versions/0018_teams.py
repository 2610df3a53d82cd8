"""Teams, CODEOWNERS files, named channels, API keys, weekly digests, the audit trail, assignees of alerts

Revision: 0018, after 0017.
"""

import sqlalchemy as sa
from alembic import op

from db.models.base import Json
from db.sql import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
loses = (
    "teams, named channels, API keys, CODEOWNERS files, the record of digests, the audit trail, assignees of alerts, "
    "and the teams of rules; messages that wait for a channel with a name of more than 20 characters."
)

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLES = (
    "audit_events", "digests", "api_keys", "stored_settings", "notification_channels", "codeowners_files",
    "team_repositories", "teams",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("alerts", sa.Column("assignee", sa.String(200)))
    op.add_column("alerts", sa.Column("assigned_by", sa.String(200)))
    op.add_column("alerts", sa.Column("assigned_at", UtcDateTime()))
    # A constant default rewrites no row; rules of earlier versions are about all teams.
    op.add_column("alert_rules", sa.Column("teams", Json, nullable=False, server_default="[]"))
    _set_length_of_channel_names(60)
    op.create_table(
        "teams",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", sa.String(300), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("definition", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("name_key", "source", name=op.f("uq_teams_name_key_source")),
    )
    op.create_table(
        "team_repositories",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column("team_key", sa.String(300), nullable=False),
        sa.Column("workflow_id", _ID, nullable=False, autoincrement=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_team_repositories_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "team_key", "workflow_id", name=op.f("pk_team_repositories")),
    )  # fmt: skip
    op.create_index("ix_team_repositories_team_key", "team_repositories", ["team_key"])
    op.create_table(
        "codeowners_files",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("path", sa.String(100), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("etag", sa.String(200), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("checked_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_codeowners_files_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", name=op.f("pk_codeowners_files")),
    )  # fmt: skip
    op.create_table(
        "notification_channels",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_notification_channels_name")),
    )
    op.create_table(
        "stored_settings",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stored_settings")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("team_key", sa.String(300), nullable=True),
        sa.Column("repositories", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_by", sa.String(200), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "digests",
        sa.Column("id", _ID, nullable=False),
        sa.Column("team_key", sa.String(300), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("channels", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
        sa.UniqueConstraint("team_key", "week", name=op.f("uq_digests_team_key_week")),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("actor_kind", sa.String(20), nullable=False),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject_kind", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.String(200), nullable=False),
        sa.Column("subject_name", sa.Text(), nullable=False),
        sa.Column("before", Json, nullable=True),
        sa.Column("after", Json, nullable=True),
        sa.Column("repository_id", _ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    op.create_index("ix_audit_events_subject_kind_subject_id", "audit_events", ["subject_kind", "subject_id"])


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"DROP TABLE IF EXISTS {table}")
    op.execute("DELETE FROM deliveries WHERE length(channel) > 20")
    op.execute("DELETE FROM channel_states WHERE length(channel) > 20")
    _set_length_of_channel_names(20)
    op.drop_column("alert_rules", "teams")
    for name in ("assigned_at", "assigned_by", "assignee"):
        op.drop_column("alerts", name)


def _set_length_of_channel_names(length: int) -> None:
    # PostgreSQL rewrites no row for a larger length; SQLite copies the tables, which are small.
    for table in ("deliveries", "channel_states"):
        with op.batch_alter_table(table) as batch:
            batch.alter_column("channel", type_=sa.String(length), existing_nullable=False)
