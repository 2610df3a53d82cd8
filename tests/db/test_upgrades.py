"""Migrations with rows in every table: nothing is lost that the revision knows, and nobody waits."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Engine, Table, event, inspect, text
from sqlalchemy.exc import IntegrityError

from db.definitions.time_buckets import day_of
from db.migrate import _with_lock_retries, current_revision, downgrade, upgrade
from db.migrations import online_ddl
from db.models import Base, Claim
from tests.builders import NOON
from tests.db.older import Rows, fill, read, tables_of
from tests.db.places import ROOT

REVISIONS = tuple(f"{number:04}" for number in range(1, 19))
# What migrations add by themselves: days whose sums are to be made, and the rule of ALERT_THRESHOLD.
ADDED_TO = {"rollup_marks", "alert_rules"}
# Old and new names of columns, by table.
RENAMED_BY_0014 = {
    "sync_states": {
        "relooked_at": "rescanned_at",
        "relooked_wide_at": "rescanned_wide_at",
        "relooked_deep_at": "rescanned_deep_at",
        "identified_at": "identity_checked_at",
    },
    "backfills": {"found_late": "late_runs"},
    "run_gaps": {"looks": "checks", "looked_at": "checked_at", "found_at": "detected_at"},
    "claims": {"held_until": "expires_at"},
    "runs": {"looked_at": "checked_at"},
    "rollups": {"grain": "level", "tile": "bucket"},
    "usage_rollups": {"grain": "level", "tile": "bucket"},
    "rollup_marks": {"hours": "hour_mask"},
    "alerts": {"told_at": "notified_at"},
    "deliveries": {"folded_into": "merged_into"},
    "channel_states": {"held_until": "circuit_open_until"},
}
LARGE = ("runs", "attempts", "jobs", "job_logs")


def test_what_every_revision_knows_is_the_same_at_the_head_and_back_at_the_first(engine: Engine) -> None:
    """Each revision adds rows of its own to every table that it has."""
    downgrade(engine, "base")
    written: Rows = {}
    tables: dict[str, list[Table]] = {}
    for place, revision in enumerate(REVISIONS, start=1):
        assert upgrade(engine, revision) == revision
        tables[revision] = tables_of(engine)
        GOING_FORWARD.get(revision, lambda _: None)(written)
        check(engine, tables[revision], written)
        for name, rows in fill(engine, tables[revision], range(place * 10 + 1, place * 10 + 3)).items():
            written.setdefault(name, {}).update(rows)
    speak_the_newest_words(engine, written)
    for revision in reversed(REVISIONS[:-1]):
        downgrade(engine, revision)
        GOING_BACK.get(f"{int(revision) + 1:04}", lambda _: None)(written)
        written = known(written, tables[revision])
        check(engine, tables[revision], written)
    # Messages about no alert are known from 0007 on.
    assert {name: len(rows) for name, rows in written.items()} == dict.fromkeys(written, 36) | {"deliveries": 23}
    assert upgrade(engine) == REVISIONS[-1]
    for going_forward in GOING_FORWARD.values():
        going_forward(written)
    check(engine, tables[REVISIONS[-1]], written)
    days = {(row["repository_id"], day_of(row["created_at"].replace(tzinfo=UTC))) for row in written["runs"].values()}
    assert days <= set(read(engine, tables[REVISIONS[-1]])["rollup_marks"])


def speak_the_newest_words(engine: Engine, written: Rows) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE job_logs SET state = 'pruned' WHERE job_id = 101"))
        connection.execute(text("UPDATE deliveries SET state = 'folded' WHERE id = 101"))
    written["job_logs"][101, 101]["state"] = "pruned"
    written["deliveries"][(101,)]["state"] = "folded"


def check(engine: Engine, tables: list[Table], written: Rows) -> None:
    found = read(engine, tables)
    for name, rows in written.items():
        assert {key: {column: found[name][key][column] for column in row} for key, row in rows.items()} == rows, name
        assert name in ADDED_TO or len(found[name]) == len(rows), name


def known(written: Rows, tables: list[Table]) -> Rows:
    """What of it these tables have a place for."""
    columns = {table.name: set(table.columns.keys()) for table in tables}
    return {
        name: {key: {column: row[column] for column in row if column in columns[name]} for key, row in rows.items()}
        for name, rows in written.items()
        if name in columns
    }


def _to_0014(written: Rows) -> None:
    for table, names in RENAMED_BY_0014.items():
        for row in written.get(table, {}).values():
            for old, new in names.items():
                if old in row:
                    row[new] = row.pop(old)
    written["claims"] = {
        ("repository", row["name"]): {"kind": "repository"} | row for row in written.get("claims", {}).values()
    }


def _from_0014(written: Rows) -> None:
    for table, names in RENAMED_BY_0014.items():
        for row in written[table].values():
            for old, new in names.items():
                if new in row:
                    row[old] = row.pop(new)
    for row in written["claims"].values():
        if row["kind"] == "liveness":
            row["name"] = f"*alive/{row['name']}"
    written["claims"] = {(row["name"],): row for row in written["claims"].values()}


def test_leaders_and_live_collectors_are_kinds_of_claims_and_were_names(engine: Engine) -> None:
    claims = [("repository", "host/7", "host/8"), ("leader", "leader", "host/7"), ("liveness", "host/7", "host/7")]
    before = [("*alive/host/7", "host/7"), ("*chores", "host/7"), ("host/7", "host/8")]
    with engine.begin() as connection:
        for kind, name, holder in claims:
            row = {"kind": kind, "name": name, "holder": holder, "expires_at": NOON}
            connection.execute(Claim.__table__.insert().values(row))  # type: ignore[attr-defined]
    for _ in range(2):
        downgrade(engine, "0013")
        with engine.begin() as connection:
            assert connection.execute(text("SELECT name, holder FROM claims ORDER BY holder, name")).all() == before
            with pytest.raises(IntegrityError), connection.begin_nested():
                connection.execute(text("INSERT INTO claims SELECT * FROM claims"))
        upgrade(engine)
        with engine.connect() as connection:
            query = "SELECT kind, name, holder FROM claims ORDER BY holder DESC, kind"
            assert connection.execute(text(query)).all() == claims
            assert inspect(connection).get_pk_constraint("claims")["constrained_columns"] == ["kind", "name"]
            assert [index["name"] for index in inspect(connection).get_indexes("claims")] == ["ix_claims_holder"]


def _reword(rows: dict[Any, dict[str, Any]], before: str, after: str) -> None:
    for row in rows.values():
        row["state"] = after if row["state"] == before else row["state"]


def _restore_actor(runs: dict[Any, dict[str, Any]]) -> None:
    for run in runs.values():
        run["actor"] = run.get("triggering_actor") or run["actor"]


def _drop(rows: dict[Any, dict[str, Any]], over: Callable[[dict[str, Any]], bool]) -> None:
    for key in [key for key, row in rows.items() if over(row)]:
        del rows[key]


def _without_long_channels(rows: Rows) -> None:
    for table in ("deliveries", "channel_states"):
        _drop(rows[table], lambda row: len(row["channel"]) > 20)


# What a revision changes in the rows that are there.
GOING_FORWARD: dict[str, Callable[[Rows], None]] = {"0014": _to_0014}
# What goes beyond the version before, by the revision that is left: that one knows no such rows or words.
GOING_BACK: dict[str, Callable[[Rows], None]] = {
    "0018": _without_long_channels,
    "0014": _from_0014,
    "0012": lambda rows: _restore_actor(rows["runs"]),
    "0010": lambda rows: _reword(rows["job_logs"], "pruned", "expired"),
    "0009": lambda rows: _reword(rows["deliveries"], "folded", "dead"),
    "0007": lambda rows: _drop(rows["deliveries"], lambda row: row["alert_id"] is None),
}


@pytest.fixture
def first(engine: Engine) -> Engine:
    """At the first revision, with rows in every table."""
    downgrade(engine, "0001")
    fill(engine, tables_of(engine), range(1, 5))
    return engine


postgresql_only = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@postgresql_only
def test_large_tables_are_never_written_anew_nor_kept_from_writers(first: Engine) -> None:
    files = _files(first)
    with statements(first) as said:
        upgrade(first)
        downgrade(first, "0001")
    assert _files(first) == files
    for statement in said:
        if any(f" ON {table} " in statement for table in LARGE):
            assert "INDEX CONCURRENTLY" in statement
        if any(statement.startswith(f"ALTER TABLE {table} ") for table in LARGE):
            # Any other change needs a look: NOT VALID and VALIDATE for constraints, portions for what is filled in.
            assert any(f" {word} COLUMN " in statement for word in ("ADD", "DROP", "RENAME"))
            # With a constant default PostgreSQL neither reads nor writes the rows.
            assert " NOT NULL" not in statement or " DEFAULT " in statement


@postgresql_only
def test_a_migration_that_waits_for_a_table_lets_others_go_first(first: Engine) -> None:
    """A backup reads for minutes; whoever writes meanwhile must not queue behind the migration that waits for it."""
    waits = threading.Event()
    event.listen(first, "handle_error", lambda _: waits.set())
    backup = first.connect()
    backup.execute(text("LOCK TABLE runs IN ACCESS SHARE MODE"))
    thread = threading.Thread(target=upgrade, args=(first,))
    thread.start()
    for _ in range(3):
        with first.begin() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '20s'"))
            assert writer.execute(text("UPDATE runs SET updated_at = now()")).rowcount == 4
    assert waits.wait(30)
    assert current_revision(first) == "0001"
    backup.close()
    thread.join()
    assert current_revision(first) == REVISIONS[-1]


@postgresql_only
def test_an_index_that_was_half_built_is_built_anew(first: Engine) -> None:
    upgrade(first, "0003")
    with first.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("UPDATE runs SET event = 'push'"))
        with pytest.raises(Exception, match="could not create unique index"):
            connection.execute(text("CREATE UNIQUE INDEX CONCURRENTLY ix_runs_actor_created_at ON runs (event)"))
    upgrade(first)
    with first.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")) == 0
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_two_programs_that_take_turns_on_a_large_file_the_slower_one_sees_that_all_is_done(
    first: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two indexes the write lock is given away, so that others write; another program may migrate then."""
    monkeypatch.setattr(online_ddl, "LARGE_TABLE_ROWS", 1)
    others: list[int] = []

    def migrate(*given: Any) -> None:
        if given[2] == "COMMIT" and not others:
            command = [sys.executable, "-m", "db", "upgrade"]
            environment = {**os.environ, "DATABASE_URL": database_url}
            others.append(subprocess.run(command, check=True, cwd=ROOT, env=environment).returncode)

    event.listen(first, "after_cursor_execute", migrate)
    assert upgrade(first) == REVISIONS[-1]
    assert others == [0]
    with first.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def _files(engine: Engine) -> dict[str, int]:
    """A table that is written anew gets another file."""
    with engine.connect() as connection:
        query = "SELECT relname, relfilenode FROM pg_class WHERE relname = ANY(:names)"
        return {row[0]: row[1] for row in connection.execute(text(query), {"names": list(LARGE)})}


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    said: list[str] = []

    def note(*given: Any) -> None:
        said.append(" ".join(given[2].split()))

    event.listen(engine, "before_cursor_execute", note)
    yield said
    event.remove(engine, "before_cursor_execute", note)
    assert any("CREATE INDEX" in each for each in said)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_try_that_failed_within_an_index_does_not_make_the_next_one_wait_without_end(engine: Engine) -> None:
    waits: list[str] = []

    def move(connection: Connection, _: Script) -> None:
        waits.append(str(connection.scalar(text("SHOW lock_timeout"))))
        if len(waits) == 1:
            connection.execute(text("SET lock_timeout = 0"))
            connection.commit()
            connection.execute(text("LOCK TABLE runs NOWAIT"))

    script = ScriptDirectory(str(ROOT / "db" / "migrations")).get_revision("head")
    with engine.begin() as other, engine.connect() as connection:
        other.execute(text("LOCK TABLE runs"))
        _with_lock_retries(connection, move, script)
        connection.invalidate()
    assert waits == ["1s", "1s"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_another_program_writes_for_long_is_waited_for(engine: Engine) -> None:
    downgrade(engine, "0009")
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout = 20"))
    engine.dispose()
    with engine.execution_options(writes=True).begin():
        thread = threading.Thread(target=upgrade, args=(engine,))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(30)
    assert current_revision(engine) == REVISIONS[-1]
