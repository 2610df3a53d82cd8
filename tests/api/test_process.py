"""The API as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.notify.servers import free_port
from tests.programs import ROOT, Program, start

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@contextmanager
def running(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def forked(*command: str, **environment: str) -> Iterator[Program]:
    process = start(*command, environment=environment)
    try:
        yield process
    finally:
        process.close()


def ends(*command: str, **environment: str) -> tuple[int | None, str]:
    with forked(*command, **environment) as process:
        _, err = process.communicate(timeout=30)
        return process.returncode, err


def wait_for(url: str, process: subprocess.Popen[str] | Program) -> httpx.Response:
    # Reading the certificates for each try takes longer than most programs take to start.
    with httpx.Client(verify=False) as client:
        for _ in range(800):
            assert process.poll() is None
            try:
                return client.get(url)
            except httpx.TransportError:
                time.sleep(0.05)
    raise AssertionError(f"{url} never answered")


def test_it_starts_answers_and_stops_when_asked(database_url: str) -> None:
    port = free_port()
    with running("api", DATABASE_URL=database_url, API_PORT=str(port)) as process:
        assert wait_for(f"http://127.0.0.1:{port}/health", process).status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/api/runs").json() == {"items": [], "next": None}
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
    assert process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in err


def test_help_starts_nothing(database_url: str) -> None:
    with forked("api", "--help", DATABASE_URL="::") as process:
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "API_HOST and API_PORT" in " ".join(out.split())


def test_uvicorn_s_own_command_starts_it_too(database_url: str) -> None:
    port = free_port()
    with running(
        "uvicorn", "--factory", "api.main:create_app", "--port", str(port), DATABASE_URL=database_url
    ) as process:
        assert wait_for(f"http://127.0.0.1:{port}/health/ready", process).status_code == 200


def test_it_starts_without_a_migrated_database_and_says_so_once(database_url: str, tmp_path: Path) -> None:
    port = free_port()
    with forked("api", DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}", API_PORT=str(port)) as process:
        assert wait_for(f"http://127.0.0.1:{port}/health", process).status_code == 503
        for _ in range(3):
            assert httpx.get(f"http://127.0.0.1:{port}/api/runs").status_code == 503
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
    assert err.count("python -m db upgrade") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [("api",), ("uvicorn", "--factory", "api.main:create_app", "--port", "0")])
def test_a_setting_that_cannot_be_used_is_one_line_and_code_2(database_url: str, command: tuple[str, ...]) -> None:
    code, err = ends(*command, DATABASE_URL=database_url, REDIS_URL="http://:s3cr3t@host")
    assert code == 2
    assert err.strip() == "REDIS_URL: the value is not a Redis URL; use redis://:PASSWORD@HOST:6379/0."


def test_in_production_a_public_address_wants_keys(database_url: str) -> None:
    code, err = ends("api", DATABASE_URL=database_url, BACKEND_ENV="prod", API_HOST="0.0.0.0")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert err.startswith("API_KEYS: API_HOST=0.0.0.0 accepts connections from other machines")


@pytest.mark.parametrize(
    "command", [("api",), ("uvicorn", "--factory", "api.main:create_app", "--host", "127.0.0.1", "--port")]
)
def test_in_production_every_line_of_the_log_is_json(database_url: str, command: tuple[str, ...]) -> None:
    port = free_port()
    last = [str(port)] if len(command) > 1 else []
    with forked(
        *command, *last, DATABASE_URL=database_url, BACKEND_ENV="prod", API_PORT=str(port), API_KEYS="s3cr3t-key"
    ) as process:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        httpx.get(f"http://127.0.0.1:{port}/api/runs?actor=x", headers={"Authorization": "Bearer s3cr3t-key"})
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
    lines = [json.loads(line) for line in err.splitlines()]
    assert any(line["message"].startswith("GET /api/runs 200 in ") for line in lines)
    assert "s3cr3t" not in err
    assert "actor" not in err
