"""Fill in who started runs, and have all roll-ups computed again

Revision: 0012, after 0011. `actor` of a run becomes who started it: earlier versions stored who re-ran it, which differs
only where there is a second attempt.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
loses = "nothing; runs show again who re-ran them instead of who started them."

_MARKS = """
INSERT INTO rollup_marks (repository_id, day, hours, changes)
SELECT repository_id, {day}, 16777215, 1 FROM runs WHERE true GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (repository_id, day) DO UPDATE SET hours = 16777215, changes = rollup_marks.changes + 1
"""
_DAY = {
    "postgresql": "CAST(floor(extract(epoch FROM created_at) / 86400) AS INTEGER)",
    "sqlite": "CAST(strftime('%s', created_at) AS INTEGER) / 86400",
}
_FIRST = (
    "(SELECT {column} FROM attempts WHERE attempts.repository_id = runs.repository_id "
    "AND attempts.run_id = runs.id AND attempts.attempt = 1)"
)


def upgrade() -> None:
    first_actor = _FIRST.format(column="actor")
    op.execute(
        f"UPDATE runs SET triggering_actor = actor, actor = COALESCE({first_actor}, actor) "  # noqa: S608
        "WHERE attempt > 1 AND triggering_actor IS NULL"
    )
    # Roll-ups of days whose runs are deleted cannot be computed again: what they do not count stays unknown.
    op.execute("UPDATE rollup_state SET complete_from = pruned_before")
    op.execute(_MARKS.format(day=_DAY[op.get_bind().dialect.name]))


def downgrade() -> None:
    op.execute("UPDATE runs SET actor = triggering_actor WHERE attempt > 1 AND triggering_actor IS NOT NULL")
