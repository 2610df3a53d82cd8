"""People and commits of runs, runners of jobs, first attempts, reasons of waste, and collectors that stopped

Revision: 0011, after 0010. Columns have constant defaults, so that no table is rewritten; 0012 fills them.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from db.sql import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
loses = "authors and messages of commits, who re-ran a run, and the reasons of wasted minutes."

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _column(name: str, kind: Any, default: Any = None) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=default is None, server_default=default)


def _columns() -> dict[str, list[sa.Column[Any]]]:
    return {
        "runs": [
            _column("triggering_actor", sa.String(200)),
            _column("commit_author", sa.String(200)),
            _column("commit_message", sa.Text()),
            _column("first_outcome", sa.String(20)),
            _column("reruns", sa.Integer(), "0"),
            _column("failed_then_rerun", sa.Boolean(), sa.false()),
            _column("wasted_flaky_seconds", sa.Float(), "0"),
            _column("wasted_cancelled_seconds", sa.Float(), "0"),
            _column("wasted_superseded_seconds", sa.Float(), "0"),
            _column("defect_seconds", sa.Float(), "0"),
            _column("unpriced_minutes", sa.Integer(), "0"),
            _column("never_started", sa.Integer(), "0"),
        ],
        "jobs": [_column("runner_id", _ID), _column("runner_group", sa.Text())],
        "rollups": [
            _column("success_duration", sa.Float(), "0"),
            _column("first_success", sa.Integer(), "0"),
            _column("first_failure", sa.Integer(), "0"),
            _column("rerun_unapproved", sa.Integer(), "0"),
            _column("failed_then_rerun", sa.Integer(), "0"),
            _column("never_started", sa.Integer(), "0"),
            _column("unpriced_minutes", _ID, "0"),
            _column("wasted_flaky", sa.Float(), "0"),
            _column("wasted_cancelled", sa.Float(), "0"),
            _column("wasted_superseded", sa.Float(), "0"),
            _column("defect", sa.Float(), "0"),
            _column("success_durations", sa.LargeBinary()),
        ],
        "usage_rollups": [
            _column("unpriced_minutes", _ID, "0"),
            _column("never_started", _ID, "0"),
            _column("flaky", sa.Float(), "0"),
            _column("defect", sa.Float(), "0"),
        ],
        "rollup_state": [_column("complete_from", UtcDateTime())],
        "sync_states": [_column("actions_missing_since", UtcDateTime())],
        "heartbeats": [_column("stopped_at", UtcDateTime())],
    }


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)


def downgrade() -> None:
    for table, columns in reversed(_columns().items()):
        with op.batch_alter_table(table) as batch_op:
            for column in columns:
                batch_op.drop_column(column.name)
