"""What waits or costs much leaves room for everything else."""

import shutil
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.errors import Problem
from api.limits import ChannelTestLimiter, ConcurrencyLimits, WorkPool
from tests.api.conftest import MakeClient
from tests.front.programs import API, Answer, Server, ask, serving

SILENCE = b'{"repos": ["*"], "duration_seconds": 60, "author": "t"}'
JSON = {"Content-Type": "application/json"}


def slowest_liveness(server: Server, seconds: float) -> float:
    ends, slowest = time.monotonic() + seconds, 0.0
    while time.monotonic() < ends:
        began = time.monotonic()
        assert ask(server, "GET", "/health/live").status == 200
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.05)
    return slowest


def test_a_lock_of_the_database_keeps_changes_waiting_and_nothing_else(tmp_path: Path, sqlite_template: Path) -> None:
    path = shutil.copy(sqlite_template, tmp_path / "locked.db")
    with serving(API, tmp_path, DATABASE_URL=f"sqlite:///{path}") as server, ThreadPoolExecutor(45) as pool:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        sent = [pool.submit(ask, server, "POST", "/api/alerts/silences", JSON, SILENCE) for _ in range(45)]
        assert slowest_liveness(server, 3) < 2
        answers: list[Answer] = [each.result() for each in sent]
        assert time.monotonic() - began < 12
        other.execute("ROLLBACK")
        other.close()
        assert {each.status for each in answers} == {503}
        assert all(int(each.headers["retry-after"]) > 0 for each in answers)
        told = {each.body for each in answers}
        assert any(b"Another program is writing" in each for each in told)
        assert any(b"Too many changes are in progress" in each for each in told)
        assert ask(server, "POST", "/api/alerts/silences", JSON, SILENCE).status == 201


def test_test_messages_wait_for_their_channel_and_nothing_else_for_them(stored_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with serving(API, tmp_path, DATABASE_URL=stored_url, ALERT_WEBHOOK_URL=address) as server:
            first = threading.Thread(target=ask, args=(server, "POST", "/api/alerts/test"), daemon=True)
            first.start()
            time.sleep(0.5)
            with ThreadPoolExecutor(60) as pool:
                sent = [pool.submit(ask, server, "POST", "/api/alerts/test") for _ in range(60)]
                assert slowest_liveness(server, 1) < 1
                answers = [each.result() for each in sent]
            assert {each.status for each in answers} <= {429, 503}
            assert all(int(each.headers["retry-after"]) > 0 for each in answers)


@pytest.fixture
def stored_url(tmp_path: Path, sqlite_template: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'stored.db')}"


def test_a_pool_refuses_what_finds_no_room_and_takes_it_afterwards() -> None:
    pool = WorkPool("things", 4, retry_seconds=3)
    with pool.acquired(3):
        with pytest.raises(Problem) as refused:
            pool.acquire(2)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "3"})
        pool.acquire(1)
        pool.release(1)
    pool.acquire(4)


def test_every_kind_of_work_that_waits_has_a_limit() -> None:
    loads = ConcurrencyLimits()
    limited = [
        ("POST", "/api/alerts/test"), ("POST", "/api/alerts/rules/replay"), ("PUT", "/api/alerts/rules/1"),
        ("DELETE", "/api/alerts/silences/1"), ("GET", "/api/metrics/groups"), ("GET", "/api/metrics/series"),
        ("GET", "/api/export/runs"), ("POST", "/api/cause-rules/preview"), ("POST", "/api/cause-rules"),
    ]  # fmt: skip
    for method, path in limited:
        assert loads.cost_of(method, path) is not None, path
    for method, path in (("GET", "/health/live"), ("POST", "/api/webhooks/github"), ("GET", "/api/runs")):
        assert loads.cost_of(method, path) is None


def test_a_channel_has_one_test_message_a_minute() -> None:
    times = ChannelTestLimiter()
    times.check_and_record(["slack"])
    times.check_and_record(["email"])
    with pytest.raises(Problem) as refused:
        times.check_and_record(["slack", "webhook"])
    assert refused.value.status == 429
    assert 0 < int(refused.value.headers["Retry-After"]) <= 60
    times.check_and_record(["webhook"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("engine")
def test_a_database_that_is_away_is_no_address_for_strangers(make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 500)
    client = make_client(database_url=f"sqlite:///{tmp_path}/broken.db")
    for path in ("/health", "/health/ready", "/api/badge/acme/web.svg"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "broken" not in answer.text
        assert "sqlite" not in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_readiness_reads_rows(make_client: MakeClient, database_url: str) -> None:
    client = make_client()
    assert client.get("/health/ready").status_code == 200
    with sqlite3.connect(database_url.removeprefix("sqlite:///")) as other:
        other.execute("DROP TABLE heartbeats")
    other.close()
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
