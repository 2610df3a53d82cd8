"""Rename columns to the terms that Prometheus, Alertmanager and GitHub use, and store codes of errors

Revision: 0014, after 0013. Renames columns, fills `error_code` in rows with an error, and adds the kind of a claim:
before, the leader and the live collectors were rows with artificial names of repositories.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
loses = "codes of errors, which the next upgrade derives again from their texts."

# Table, old name, new name.
_COLUMNS = (
    ("sync_states", "relooked_at", "rescanned_at"),
    ("sync_states", "relooked_wide_at", "rescanned_wide_at"),
    ("sync_states", "relooked_deep_at", "rescanned_deep_at"),
    ("sync_states", "identified_at", "identity_checked_at"),
    ("backfills", "found_late", "late_runs"),
    ("run_gaps", "looks", "checks"),
    ("run_gaps", "looked_at", "checked_at"),
    ("run_gaps", "found_at", "detected_at"),
    ("claims", "held_until", "expires_at"),
    ("runs", "looked_at", "checked_at"),
    ("rollups", "grain", "level"),
    ("rollups", "tile", "bucket"),
    ("usage_rollups", "grain", "level"),
    ("usage_rollups", "tile", "bucket"),
    ("rollup_marks", "hours", "hour_mask"),
    ("alerts", "told_at", "notified_at"),
    ("deliveries", "folded_into", "merged_into"),
    ("channel_states", "held_until", "circuit_open_until"),
)
# Tables with errors of GitHub; the part of an error's text by which older versions recognized the error, and its code.
# The first match is used.
_ERROR_TABLES = ("sync_states", "targets")
_ERROR_CODES = (
    ("(401", "unauthorized"),
    ("(403", "forbidden"),
    ("(404)", "not_found"),
    ("no organisation or user", "owner_not_found"),
    ("(451", "blocked"),
)
# Table, old name, new name, old columns, new columns.
_INDEXES = (
    ("rollups", "ix_rollups_grain_tile", "ix_rollups_level_bucket", ["grain", "tile"], ["level", "bucket"]),
    (
        "usage_rollups",
        "ix_usage_rollups_grain_tile",
        "ix_usage_rollups_level_bucket",
        ["grain", "tile"],
        ["level", "bucket"],
    ),
    (
        "deliveries",
        "ix_deliveries_folded_into",
        "ix_deliveries_merged_into",
        ["folded_into"],
        ["merged_into"],
    ),
)


def upgrade() -> None:
    for table, old, new in _COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    for table, old, new, _, columns in _INDEXES:
        _rename_index(table, old, new, columns)
    for table in _ERROR_TABLES:
        op.add_column(table, sa.Column("error_code", sa.String(30), nullable=True))
        for text, code in _ERROR_CODES:
            rows = sa.table(table, sa.column("error", sa.Text), sa.column("error_code", sa.String))
            is_match = rows.c.error.contains(text, autoescape=True) & rows.c.error_code.is_(None)
            op.execute(rows.update().where(is_match).values(error_code=code))
    _add_kinds_of_claims()


def downgrade() -> None:
    _drop_kinds_of_claims()
    for table in _ERROR_TABLES:
        op.drop_column(table, "error_code")
    for table, old, new in reversed(_COLUMNS):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")
    for table, old, new, columns, _ in _INDEXES:
        _rename_index(table, new, old, columns)


def _add_kinds_of_claims() -> None:
    """Changes the primary key before the names, because a collector can have the name of a repository. The table is
    small: one row per repository and collector."""
    op.add_column("claims", sa.Column("kind", sa.String(20), nullable=False, server_default="repository"))
    op.execute("UPDATE claims SET kind = 'leader' WHERE name = '*chores'")
    op.execute("UPDATE claims SET kind = 'liveness' WHERE name LIKE '*alive/%'")
    _set_primary_key(["kind", "name"])
    op.execute("UPDATE claims SET name = 'leader' WHERE kind = 'leader'")
    op.execute("UPDATE claims SET name = holder WHERE kind = 'liveness'")
    with op.batch_alter_table("claims") as claims:
        claims.alter_column("kind", server_default=None)


def _drop_kinds_of_claims() -> None:
    op.execute("UPDATE claims SET name = '*chores' WHERE kind = 'leader'")
    op.execute("UPDATE claims SET name = '*alive/' || name WHERE kind = 'liveness'")
    _set_primary_key(["name"])
    op.drop_column("claims", "kind")


def _set_primary_key(columns: list[str]) -> None:
    with op.batch_alter_table("claims") as claims:
        claims.drop_constraint("pk_claims", type_="primary")
        claims.create_primary_key("pk_claims", columns)


def _rename_index(table: str, old: str, new: str, columns: list[str]) -> None:
    """Renames an index. SQLite cannot do that, so the index is created again in the migration's transaction."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
        return
    op.drop_index(old, table)
    op.create_index(new, table, columns)
