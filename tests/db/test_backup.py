"""Backups and restoring them: what was saved comes back row by row, and nothing else is lost on the way."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from db.__main__ import main
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import current_revision, downgrade, head_revision, upgrade
from db.models import Alert, Attempt, Base, Target
from db.moving import dumps
from db.moving.backups import backup, restore
from db.moving.contents import Refused
from tests.builders import NOON, add_repository
from tests.db.everything import PER_TABLE, fill_everything, rows_of
from tests.db.places import WRITER, add_tools_to_path, keep_writing, new_database, number_of_targets, start, url_of

NewDatabase = Callable[[str], Engine]


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    with ExitStack() as stack:
        yield lambda kind: stack.enter_context(new_database(kind, request, tmp_path))


@pytest.fixture(autouse=True)
def tools(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    return add_tools_to_path(engine, monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "backup"


@pytest.fixture(autouse=True)
def _folder(file: Path) -> None:
    file.parent.mkdir()


def unwatched(_done: int, _total: int) -> None:
    """For what nobody looks at."""


def program(folder: Path, name: str, script: str) -> Path:
    """A shell script of that name; returns the folder, for PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o700)
    return folder


def destroy(engine: Engine) -> None:
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if path:
        engine.dispose()
        for each in (path, f"{path}-wal", f"{path}-shm"):
            Path(each).unlink(missing_ok=True)
        return
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")


def test_what_was_destroyed_comes_back_row_by_row(engine: Engine, file: Path) -> None:
    fill_everything(engine)
    before = rows_of(engine)
    assert backup(engine, file, unwatched) == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == ["backup"]
    destroy(engine)
    assert restore(engine, file, unwatched) == head_revision()
    assert rows_of(engine) == before
    with Session(engine) as session, session.begin():
        alert = Alert(repository_id=1, rule="x", threshold="3", state="firing", opened_at=NOON)
        session.add(alert)
        session.flush()
        assert alert.id == PER_TABLE + 1


def test_a_new_database_takes_a_backup(engine: Engine, file: Path, new: NewDatabase) -> None:
    """Untouched since its migration, or not even there."""
    fill_everything(engine)
    backup(engine, file, unwatched)
    for migrated in (True, False):
        there = new(engine.dialect.name)
        if migrated:
            upgrade(there)
        restore(there, file, unwatched)
        assert rows_of(there) == rows_of(engine)


def test_a_backup_is_what_was_there_at_one_moment_while_another_program_writes(
    engine: Engine, file: Path, new: NewDatabase
) -> None:
    add_repository(engine)
    with start(WRITER, url_of(engine)) as writer:
        try:
            keep_writing(engine, writer)
            backup(engine, file, lambda done, total: keep_writing(engine, writer))
            keep_writing(engine, writer)
        finally:
            writer.kill()
    there = new(engine.dialect.name)
    restore(there, file, unwatched)
    with Session(there) as session:
        attempts = session.scalars(select(Attempt.run_id).order_by(Attempt.run_id)).all()
    assert list(attempts) == list(range(1, number_of_targets(there) + 1))
    assert 3 <= len(attempts) < number_of_targets(engine)


def test_a_backup_of_an_older_version_is_migrated(engine: Engine, file: Path) -> None:
    """Also over a database with tables that were not there yet."""
    fill_everything(engine)
    downgrade(engine, "0007")
    with engine.connect() as connection:
        before = connection.execute(text("SELECT id, title, created_at FROM runs ORDER BY id")).all()
    backup(engine, file, unwatched)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM runs WHERE id > 2"))
    assert restore(engine, file, unwatched, overwrite=True) == head_revision() == current_revision(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id, title, created_at FROM runs ORDER BY id")).all() == before


def test_nothing_is_overwritten_unasked(engine: Engine, file: Path, new: NewDatabase) -> None:
    fill_everything(engine)
    file.write_text("precious")
    with pytest.raises(Refused, match=r"backup exists; .*--overwrite"):
        backup(engine, file, unwatched)
    assert file.read_text() == "precious"
    backup(engine, file, unwatched, overwrite=True)
    there = new(engine.dialect.name)
    upgrade(there)
    with Session(there) as session, session.begin():
        session.add(Target(name="acme/web", checked_at=NOON))
    with pytest.raises(Refused, match=r"not empty \(targets\); add --overwrite"):
        restore(there, file, unwatched)
    assert number_of_targets(there) == 1
    restore(there, file, unwatched, overwrite=True)
    assert rows_of(there) == rows_of(engine)


def test_a_damaged_backup_changes_nothing(engine: Engine, file: Path) -> None:
    fill_everything(engine)
    backup(engine, file, unwatched)
    whole = file.read_bytes()
    before = rows_of(engine)
    for damaged in (whole[: len(whole) * 9 // 10], whole[:3000] + bytes(4000) + whole[7000:], whole[:40]):
        file.write_bytes(damaged)
        with pytest.raises((Refused, DatabaseUnavailable)) as told:
            restore(engine, file, unwatched, overwrite=True)
        assert "\n" not in str(told.value)
        assert rows_of(engine) == before


def test_a_backup_of_a_newer_version_is_refused(engine: Engine, file: Path) -> None:
    fill_everything(engine)
    if engine.dialect.name == "sqlite":
        backup(engine, file, unwatched)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.commit()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused, match=r"9999.*update this program first"):
        backup(engine, file.with_name("newer"), unwatched)
    if engine.dialect.name == "postgresql":
        dumps.backup(engine, file)
    with pytest.raises(Refused, match=r"backup is at revision 9999.*update this program first"):
        restore(engine, file, unwatched, overwrite=True)


def test_what_is_no_backup_of_this_product_is_refused(engine: Engine, file: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"backup: cannot be read: No such file"):
        restore(engine, file, unwatched)
    file.write_text("something else")
    with pytest.raises(Refused, match="no backup of Pipeline Health"):
        restore(engine, file, unwatched)
    if engine.dialect.name == "sqlite":
        file.unlink()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE runs (id INTEGER)")
    else:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE jobs")
        dumps.backup(engine, file)
    with pytest.raises(Refused, match="no backup of Pipeline Health"):
        restore(engine, file, unwatched)


def test_a_backup_of_the_other_kind_says_how_to_go_on(engine: Engine, file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"PGDMP\x01" if engine.dialect.name == "sqlite" else b"SQLite format 3\x00" + bytes(100))
    with pytest.raises(Refused, match="python -m db copy"):
        restore(engine, file, unwatched)


def test_the_command_names_what_it_did_and_what_it_refuses(
    engine: Engine, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_everything(engine)
    monkeypatch.setenv("DATABASE_URL", url_of(engine))
    assert main(["backup", str(file)]) == 0
    told = capsys.readouterr()
    assert str(file) in told.out
    assert told.err == ""
    for arguments in (["backup", str(file)], ["restore", str(file)], ["backup", "/nowhere/x"], ["backup", "/"]):
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
    assert main(["restore", str(file), "--overwrite"]) == 0
    assert head_revision() in capsys.readouterr().out


class TestSqlite:
    @pytest.fixture
    def database_url(self, tmp_path: Path, sqlite_template: Path) -> str:
        shutil.copy(sqlite_template, tmp_path / "test.db")
        return f"sqlite:///{tmp_path}/test.db"

    def test_the_database_itself_is_no_place_for_its_backup(self, engine: Engine, tmp_path: Path) -> None:
        fill_everything(engine)
        for act in (backup, restore):
            with pytest.raises(Refused, match="is the database itself"):
                act(engine, tmp_path / "test.db", unwatched, overwrite=True)
        assert len(rows_of(engine)["runs"]) == PER_TABLE

    def test_an_interrupted_backup_leaves_no_file(self, engine: Engine, file: Path) -> None:
        fill_everything(engine)

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            backup(engine, file, interrupt)
        assert os.listdir(file.parent) == []

    def test_a_backup_is_one_file_that_can_be_read_alone(self, engine: Engine, file: Path) -> None:
        fill_everything(engine)
        backup(engine, file, unwatched)
        file.chmod(0o400)
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (PER_TABLE,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert os.listdir(file.parent) == ["backup"]

    def test_programs_that_are_at_work_see_what_was_restored(self, engine: Engine, file: Path) -> None:
        fill_everything(engine)
        backup(engine, file, unwatched)
        reader = make_engine(url_of(engine))
        with reader.connect() as connection:
            connection.execute(text("DELETE FROM runs"))
            connection.commit()
            restore(engine, file, unwatched, overwrite=True)
            assert connection.scalar(text("SELECT count(*) FROM runs")) == PER_TABLE
        reader.dispose()

    def test_a_database_that_is_not_there_is_not_saved(self, tmp_path: Path, file: Path) -> None:
        with pytest.raises(Refused, match="there is no file"):
            backup(make_engine(f"sqlite:///{tmp_path}/typo.db"), file, unwatched)
        assert not (tmp_path / "typo.db").exists()

    def test_a_damaged_database_is_told_to_be_moved_away(self, engine: Engine, tmp_path: Path, file: Path) -> None:
        fill_everything(engine)
        backup(engine, file, unwatched)
        destroy(engine)
        (tmp_path / "test.db").write_bytes(b"no database at all" * 500)
        with pytest.raises(DatabaseUnavailable, match="moved away first"):
            restore(engine, file, unwatched, overwrite=True)


class TestPostgresql:
    @pytest.fixture
    def database_url(self, new: NewDatabase) -> str:
        made = new("postgresql")
        upgrade(made)
        return url_of(made)

    def test_the_password_is_in_no_argument(
        self, engine: Engine, tools: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill_everything(engine)
        for name in ("pg_dump", "pg_restore", "psql"):
            noted = f'echo "$0 $*" >> {tmp_path}/arguments; echo "$PGPASSWORD" >> {tmp_path}/passwords'
            program(tmp_path / "wrappers", name, f'{noted}; exec {tools}/{name} "$@"')
        monkeypatch.setenv("PATH", str(tmp_path / "wrappers"), prepend=os.pathsep)
        for hidden in (engine.url.set(password="hunter2"), engine.url.update_query_dict({"password": "hunter2"})):
            own = make_engine(hidden.render_as_string(hide_password=False))
            backup(own, file, unwatched, overwrite=True)
            restore(own, file, unwatched, overwrite=True)
            own.dispose()
        assert "hunter2" not in (tmp_path / "arguments").read_text()
        assert (tmp_path / "passwords").read_text().split().count("hunter2") >= 8
        assert len(rows_of(engine)["runs"]) == PER_TABLE

    @pytest.mark.parametrize("name", ["pg_dump", "psql"])
    def test_programs_that_are_older_than_the_server_are_refused_with_the_remedy(
        self, engine: Engine, file: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill_everything(engine)
        if name == "psql":
            backup(engine, file, unwatched)
        old = program(tmp_path / "old", name, f"echo '{name} (PostgreSQL) 12.22'")
        monkeypatch.setenv("PATH", str(old), prepend=os.pathsep)
        told = rf"{name} here is of PostgreSQL 12, the server of \d+: install postgresql-client-\d+"
        with pytest.raises(Refused, match=told):
            (backup if name == "pg_dump" else restore)(engine, file, unwatched, overwrite=True)
        assert file.exists() == (name == "psql")

    def test_a_backup_that_fails_leaves_no_file(
        self, engine: Engine, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full = program(
            tmp_path / "full",
            "pg_dump",
            'echo "pg_dump (PostgreSQL) 99.1"; echo "error: no space" >&2; exit $(($# - 1))',
        )
        monkeypatch.setenv("PATH", str(full), prepend=os.pathsep)
        fill_everything(engine)
        with pytest.raises(DatabaseUnavailable, match=r"pg_dump: .*no space"):
            backup(engine, file, unwatched)
        assert os.listdir(file.parent) == []

    def test_programs_that_are_missing_are_told_with_the_remedy(
        self, engine: Engine, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(Refused, match=r"pg_dump is not installed: install postgresql-client-\d+"):
            backup(engine, file, unwatched)

    def test_what_else_is_in_the_database_is_left_alone(self, engine: Engine, file: Path) -> None:
        fill_everything(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE of_others AS SELECT 1 AS one")
        backup(engine, file, unwatched)
        before = rows_of(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO of_others VALUES (2)")
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
        restore(engine, file, unwatched, overwrite=True)
        assert rows_of(engine) == before
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT sum(one) FROM of_others").scalar() == 3
