"""A database file that is damaged, a disk that is full or cannot be written, and no descriptors left: programs say one
clear line, never touch what is there, and go on when they can."""

import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from db.engine import make_engine
from tests import programs
from tests.builders import add_repository, run, store_runs
from tests.chaos.account import FULL, on
from tests.chaos.programs import finish, start
from tests.chaos.scene import Running, answers, collector_of, health, scene, until
from tests.notify.servers import free_port

PAGE = 4_096
NO_MOUNT = "no file system can be mounted here: that takes root and CAP_SYS_ADMIN"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "chaos", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(NO_MOUNT)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


# Damaged files


def _header(file: Path) -> None:
    _write(file, 0, b"no database at all")


def _middle(file: Path) -> None:
    """Every second page but the first ones, which hold the schema."""
    for page in range(8, file.stat().st_size // PAGE, 2):
        _write(file, page * PAGE, os.urandom(PAGE))


def _truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size // PAGE // 2 * PAGE + 100)


def _emptied(file: Path) -> None:
    _write(file, 0, b"\x00" * file.stat().st_size)


def _write(file: Path, place: int, what: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        opened.write(what)


DAMAGES = {"header": _header, "middle": _middle, "truncated": _truncated, "emptied": _emptied}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def filled(sqlite_template: Path, tmp_path: Path) -> Path:
    file = tmp_path / "filled.db"
    shutil.copy(sqlite_template, file)
    engine = make_engine(f"sqlite:///{file}")
    add_repository(engine)
    store_runs(engine, *(run(number, minutes=-number) for number in range(1, 300)))
    engine.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return file


@pytest.mark.parametrize("damage", DAMAGES if FULL else ["header", "middle", "truncated"])
def test_a_damaged_file_is_told_and_left_as_it_is(damage: str, filled: Path, tmp_path: Path) -> None:
    DAMAGES[damage](filled)
    before, size = digest(filled), filled.stat().st_size
    url = f"sqlite:///{filled}"
    nobody = f"http://127.0.0.1:{free_port()}"
    for command in ("sync", "", "doctor", "health") if FULL else ("sync",) if damage == "middle" else ("",):
        program = start(command, url, nobody)
        if command == "" and damage == "middle":
            # What the service needs to start can be read: it goes on, and says what it cannot do.
            time.sleep(2)
            program.terminate()
        code, said = finish(program, 30)
        lines = [line for line in said.splitlines() if str(filled) in line]
        assert "Traceback" not in said, said[-3_000:]
        if damage != "middle":
            assert code == 1, (command, said)
            assert lines, (command, said)
            assert "restore the file from a backup" in lines[0]
        assert (digest(filled), filled.stat().st_size) == (before, size), command
    if FULL or damage == "middle":
        the_api_tells_it(url)
        assert (digest(filled), filled.stat().st_size) == (before, size)


def the_api_tells_it(url: str) -> None:
    port = free_port()
    program = programs.start("api", environment={"DATABASE_URL": url, "API_PORT": str(port)})
    try:
        until(lambda: program.poll() is not None or answers_at_all(f"http://127.0.0.1:{port}/health"), 30, "told")
        if program.poll() is None:
            answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=20)
            assert (answer.status_code, answer.json()["status"]) == (503, "error"), answer.text
    finally:
        program.kill()
        program.communicate()


def answers_at_all(address: str) -> bool:
    try:
        httpx.get(address, timeout=5)
    except httpx.TransportError:
        return False
    return True


# Disks


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    try:
        yield
    finally:
        ballast.unlink()


def test_a_full_disk_is_told_and_everything_is_read_when_there_is_room(disk: Path, sqlite_template: Path) -> None:
    """Database and log lie on it."""
    file = disk / "data.db"
    shutil.copy(sqlite_template, file)
    engine = make_engine(url := f"sqlite:///{file}")
    with scene(engine, url, disk) as made, made.api() as api:
        collector = made.start("collector", "collector")
        made.wait_until_equal()
        made.happens("Before", "failure", "failure", "failure")
        made.wait_until_sent(1)
        with full(disk):
            made.happens("Meanwhile", "failure", "failure", "failure")
            made.happens("CI", *["success"] * 60)
            time.sleep(40 if FULL else 3)
            assert collector.poll() is None
            total = httpx.get(f"{api}/api/metrics", timeout=20)
            assert total.status_code in (200, 503), total.text
            if FULL:
                assert collector_of(api)["status"] != "ok"
        made.wait_until_equal()
        made.wait_until_sent(2)
        until(lambda: collector_of(api)["status"] == "ok", 60, "all well")
        assert made.end(collector)[0] == 0
        made.assert_each_sent_once()
        assert "Traceback" not in made.log("collector") + made.log("api")
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    engine.dispose()


def test_a_disk_that_cannot_be_written_ends_programs_with_one_line(disk: Path, filled: Path) -> None:
    file = disk / "data.db"
    shutil.copy(filled, file)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    before = digest(file)
    for command in ("sync", ""):
        code, said = finish(start(command, f"sqlite:///{file}", f"http://127.0.0.1:{free_port()}"), 60)
        lines = [line for line in said.splitlines() if str(file) in line]
        assert code == 1, said
        assert "Traceback" not in said, said[-3_000:]
        assert len(lines) == 1, said
        assert "be writable" in lines[0] or "readonly" in lines[0], said
    assert digest(file) == before
    assert [each.name for each in disk.iterdir()] == ["data.db"]


# Descriptors


@contextmanager
def without_descriptors(program: Running) -> Iterator[None]:
    """It may open no more than it has open now."""
    own = len(list(Path(f"/proc/{program.pid}/fd").iterdir()))
    before = resource.prlimit(program.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (own, before[1]))
    try:
        yield
    finally:
        resource.prlimit(program.pid, resource.RLIMIT_NOFILE, before)


@on("sqlite")
def test_without_descriptors_nothing_ends_and_everything_is_made_good(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    with scene(engine, database_url, tmp_path) as made, made.api() as api:
        collector = made.start("collector", "collector")
        made.wait_until_equal()
        with without_descriptors(collector):
            made.happens("Build", "failure", "failure", "failure")
            time.sleep(60 if FULL else 3)
            assert collector.poll() is None
        made.wait_until_equal()
        made.wait_until_sent(1)
        served = next(each for each in made.programs if each is not collector)
        with without_descriptors(served):
            for _ in range(5):
                answers(f"{api}/api/runs", 0.3)
            assert served.poll() is None
        until(lambda: answers(f"{api}/api/runs"), 20, "the API answers again")
        assert health(api)["status"] == "ok"
        assert made.end(collector)[0] == 0
        made.assert_each_sent_once()
        assert "Traceback" not in made.log("collector"), made.log("collector")[-3_000:]


@pytest.mark.skipif(not FULL, reason="the dashboard takes long to start: CHAOS=full runs it")
@on("sqlite")
def test_the_dashboard_answers_again_when_it_has_descriptors(engine: Engine, database_url: str, tmp_path: Path) -> None:
    port = free_port()
    with scene(engine, database_url, tmp_path) as made:
        address = f"http://127.0.0.1:{port}"
        server = made.execute_command(
            "app", "-m", "streamlit", "run", "app/main.py", "--server.port", str(port), "--server.address", "127.0.0.1"
        )
        until(lambda: answers(f"{address}/health/live"), 60, "the dashboard up")
        with without_descriptors(server):
            for _ in range(10):
                answers(f"{address}/", 0.5)
            assert server.poll() is None
        until(lambda: answers(f"{address}/health/ready"), 30, "the dashboard answers again")
        made.end(server)
