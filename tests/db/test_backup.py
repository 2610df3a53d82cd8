"""Backups and restoring them: what was saved comes back row by row, and nothing else is lost on the way."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from db.__main__ import main
from db.backup import postgresql
from db.backup.backups import backup, restore
from db.backup.contents import BackupError
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import current_revision, downgrade, head_revision, upgrade
from db.models import Alert, Attempt, JobLog, Target
from tests.builders import NOON, add_repository
from tests.db.everything import PER_TABLE, fill_everything, rows_of
from tests.db.places import (
    WRITER,
    NewDatabase,
    add_tools_to_path,
    keep_writing,
    number_of_targets,
    start,
    unwatched,
    url_of,
)


@pytest.fixture(autouse=True)
def tools(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    return add_tools_to_path(engine, monkeypatch)


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
    add_logs(engine, megabytes=10)
    told: list[int] = []
    with start(WRITER, url_of(engine)) as writer:

        def watch(done: int, _total: int) -> None:
            told.append(done)
            assert len(set(told)) == len(told), "it began again"
            keep_writing(engine, writer)

        try:
            keep_writing(engine, writer)
            backup(engine, file, watch)
            keep_writing(engine, writer)
        finally:
            writer.kill()
    assert len(told) >= 3 or engine.dialect.name == "postgresql"
    there = new(engine.dialect.name)
    restore(there, file, unwatched)
    with Session(there) as session:
        attempts = session.scalars(select(Attempt.run_id).order_by(Attempt.run_id)).all()
    assert list(attempts) == list(range(1, number_of_targets(there) + 1))
    assert 3 <= len(attempts) < number_of_targets(engine)


def add_logs(engine: Engine, megabytes: int) -> None:
    with Session(engine) as session, session.begin():
        for number in range(megabytes):
            log = JobLog(repository_id=1, job_id=number, run_id=1, state="stored", requested_at=NOON)
            log.content = os.urandom(1_000_000)
            session.add(log)


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
    with pytest.raises(BackupError, match=r"backup exists; .*--overwrite"):
        backup(engine, file, unwatched)
    assert file.read_text() == "precious"
    backup(engine, file, unwatched, overwrite=True)
    there = new(engine.dialect.name)
    upgrade(there)
    with Session(there) as session, session.begin():
        session.add(Target(name="acme/web", checked_at=NOON))
    with pytest.raises(BackupError, match=r"not empty \(targets\); add --overwrite"):
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
        with pytest.raises((BackupError, DatabaseUnavailable)) as told:
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
    with pytest.raises(BackupError, match=r"9999.*update this program first"):
        backup(engine, file.with_name("newer"), unwatched)
    if engine.dialect.name == "postgresql":
        postgresql.backup(engine, file)
    with pytest.raises(BackupError, match=r"backup is at revision 9999.*update this program first"):
        restore(engine, file, unwatched, overwrite=True)


def test_what_is_no_backup_of_this_product_is_refused(engine: Engine, file: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"backup: cannot be read: No such file"):
        restore(engine, file, unwatched)
    file.write_text("something else")
    with pytest.raises(BackupError, match="is not a backup of Pipeline Health"):
        restore(engine, file, unwatched)
    if engine.dialect.name == "sqlite":
        file.unlink()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE runs (id INTEGER)")
    else:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE jobs")
        postgresql.backup(engine, file)
    with pytest.raises(BackupError, match="is not a backup of Pipeline Health"):
        restore(engine, file, unwatched)


def test_a_backup_of_the_other_kind_says_how_to_go_on(engine: Engine, file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"PGDMP\x01" if engine.dialect.name == "sqlite" else b"SQLite format 3\x00" + bytes(100))
    with pytest.raises(BackupError, match="python -m db copy"):
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
            with pytest.raises(BackupError, match="is the database itself"):
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
        with pytest.raises(BackupError, match="there is no file"):
            backup(make_engine(f"sqlite:///{tmp_path}/typo.db"), file, unwatched)
        assert not (tmp_path / "typo.db").exists()

    def test_a_damaged_database_is_told_to_be_moved_away(self, engine: Engine, tmp_path: Path, file: Path) -> None:
        fill_everything(engine)
        backup(engine, file, unwatched)
        destroy(engine)
        (tmp_path / "test.db").write_bytes(b"no database at all" * 500)
        with pytest.raises(DatabaseUnavailable, match="moved away first"):
            restore(engine, file, unwatched, overwrite=True)
