"""What an SQLite file holds is for its owner alone."""

import os
import stat
from pathlib import Path

from db.engine import make_engine
from db.migrate import upgrade


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_its_folder_and_its_journal_are_private(tmp_path: Path) -> None:
    usual = os.umask(0o022)
    try:
        engine = make_engine(f"sqlite:///{tmp_path}/data/health.db")
        upgrade(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (x)")
            files = sorted((tmp_path / "data").iterdir())
            assert {path.name for path in files} >= {"health.db", "health.db-wal"}
            assert {mode(path) for path in files} == {0o600}
    finally:
        os.umask(usual)
    assert mode(tmp_path / "data") == 0o700


def test_a_file_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    path.touch()
    path.chmod(0o660)
    upgrade(make_engine(f"sqlite:///{path}"))
    assert mode(path) == 0o660
