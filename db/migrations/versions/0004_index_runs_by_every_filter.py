"""An index for every filter of a list of runs, and for the state of default branches

Revision: 0004, after 0003.
"""

import sqlalchemy as sa

from db.migrations.online_ddl import create_index, drop_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
loses = "nothing."

_FILTERS = ("workflow_id", "branch", "event", "actor", "conclusion", "status")


def upgrade() -> None:
    for column in _FILTERS:
        create_index(f"ix_runs_{column}_created_at", "runs", [column, "created_at"])
    create_index("ix_runs_head_sha", "runs", ["head_sha"], postgresql_ops={"head_sha": "varchar_pattern_ops"})
    create_index(
        "ix_runs_default_branch",
        "runs",
        ["repository_id", "workflow_id", "created_at"],
        postgresql_where=sa.text("on_default_branch"),
        sqlite_where=sa.text("on_default_branch = 1"),
    )


def downgrade() -> None:
    drop_index("ix_runs_default_branch", "runs")
    drop_index("ix_runs_head_sha", "runs")
    for column in _FILTERS:
        drop_index(f"ix_runs_{column}_created_at", "runs")
