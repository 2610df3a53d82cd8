"""An SQLite file has one collector."""

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from collector.__main__ import main
from collector.claims import CollectorAlreadyRunning, acquire_file_lock
from db.engine import make_engine
from tests import programs
from tests.notify.servers import free_port
from tests.programs import Program


def start(file: Path, *arguments: str) -> Program:
    """A collector whose GitHub nobody answers for."""
    environment = {
        "DATABASE_URL": f"sqlite:///{file}", "GITHUB_REPOS": "acme/web",
        "GITHUB_API_URL": f"http://127.0.0.1:{free_port()}",
    }  # fmt: skip
    return programs.start("collector", *arguments, environment=environment, folder=file.parent)


def wait_for_lock(file: Path, process: Program) -> None:
    lock = Path(f"{file}-collector")
    for _ in range(600):
        if lock.exists() and f"process {process.pid} " in lock.read_text(encoding="utf-8"):
            return
        time.sleep(0.05)
    raise AssertionError("no collector has the file")


def test_a_second_collector_says_which_one_has_the_file_and_ends(tmp_path: Path, sqlite_template: Path) -> None:
    file = Path(shutil.copy(sqlite_template, tmp_path / "one.db"))
    first = start(file)
    try:
        wait_for_lock(file, first)
        (tmp_path / "link.db").symlink_to(file)
        for name in ("one.db", "link.db"):
            second = start(tmp_path / name)
            _, error = second.communicate(timeout=60)
            assert second.returncode == 1
            [line] = error.strip().splitlines()
            assert line.startswith(f"DATABASE_URL: {tmp_path / name} already has a collector (process {first.pid} on ")
        # Programs that read, and commands that end by themselves, go on.
        with make_engine(f"sqlite:///{file}").connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
        once = start(file, "sync")
        assert "already has a collector" not in once.communicate(timeout=60)[1]
        assert first.poll() is None
        # However it ends, the next one starts at once.
        first.kill()
        first.wait(10)
        third = start(file)
        try:
            wait_for_lock(file, third)
        finally:
            third.terminate()
            third.communicate(timeout=30)
    finally:
        first.close()


def test_the_lock_is_for_its_owner_alone_and_for_files(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/x.db")
    held = acquire_file_lock(engine)
    assert held
    assert Path(f"{tmp_path}/x.db-collector").stat().st_mode & 0o777 == 0o600
    held.close()
    assert acquire_file_lock(create_engine("sqlite://")) is None
    assert acquire_file_lock(create_engine("postgresql+psycopg2://nobody@127.0.0.1/x")) is None


def test_a_lock_that_says_nothing_is_named_so(tmp_path: Path) -> None:
    command = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('locked', flush=True); "
        "sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", command, f"{tmp_path}/x.db-collector"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(CollectorAlreadyRunning, match="unknown"):
        acquire_file_lock(make_engine(f"sqlite:///{tmp_path}/x.db"))
    other.communicate()
    held = acquire_file_lock(make_engine(f"sqlite:///{tmp_path}/x.db"))
    assert held
    held.close()


def test_a_file_system_without_locks_is_no_other_collector(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on NFS whose server has no lock service."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    file = Path(shutil.copy(sqlite_template, tmp_path / "x.db"))
    monkeypatch.setattr("fcntl.lockf", refuse)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}")
    monkeypatch.setenv("GITHUB_REPOS", "acme/web")
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    assert capsys.readouterr().err.strip() == (
        f"DATABASE_URL: cannot lock {file} by a file beside it: No locks available; its folder must be writable for "
        "this user, and on a file system with locks."
    )
