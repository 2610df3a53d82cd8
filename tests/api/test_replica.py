"""A streaming replica answers while it lives and keeps up, and nobody notices when it does not."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from db import replica as reading
from db.collection.sync_state import bump_data_version
from db.engine import make_engine, write_scope
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository, run, store_runs
from tests.db.places import tools_of
from tests.replicas import Replica

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
SILENCE = {"repos": ["*"], "ends_at": "2026-12-01T00:00:00Z", "comment": "moving house", "author": "alice"}


@pytest.fixture(scope="module")
def server(postgresql_url: str) -> Iterator[Replica]:
    engine = make_engine(postgresql_url)
    made = Replica(postgresql_url, tools_of(engine))
    engine.dispose()
    made.make()
    yield made
    made.remove()


@pytest.fixture
def replica(server: Replica, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    """Of the database under test, which has one run."""
    monkeypatch.setattr(reading, "CHECK_INTERVAL_SECONDS", 0.1)
    add_repository(engine)
    store(engine, 1)
    server.catch_up(place_of(engine))
    yield server
    server.kill()
    server.start()


@pytest.fixture
def answering(make_client: MakeClient, engine: Engine, replica: Replica) -> Callable[..., TestClient]:
    """A client of an API that reads from the replica."""

    def make(**settings: Any) -> TestClient:
        client = make_client(database_replica_url=replica.url(engine.url.database), **settings)
        wait_for(client, "replica")
        return client

    return make


def test_reads_go_to_the_replica_and_writes_to_the_database(answering: Callable[..., TestClient]) -> None:
    client = answering()
    asked = listen(client)
    assert ids(client) == [1]
    assert any("FROM runs" in each for each in asked["replica"])
    # Keys are read from the primary: a replica may lag behind a revocation.
    assert [each for each in asked["primary"] if "FROM api_keys" not in each] == []
    answer = client.post("/api/alerts/silences", json=SILENCE)
    assert answer.status_code == 201, answer.text
    assert any("INSERT INTO silences" in each for each in asked["primary"])
    # Who changed something sees it, whether the replica has it already or not.
    assert [each["comment"] for each in client.get("/api/alerts/silences").json()["items"]] == ["moving house"]
    wait_for(client, "replica")
    assert [each["comment"] for each in client.get("/api/alerts/silences").json()["items"]] == ["moving house"]


def test_a_replica_that_dies_is_not_missed_and_comes_back(
    answering: Callable[..., TestClient], engine: Engine, replica: Replica
) -> None:
    client = answering()
    assert ids(client) == [1]
    store(engine, 2)
    replica.kill()
    assert ids(client) == [2, 1]
    check = client.get("/health").json()["checks"]["replica"]
    assert (check["status"], check["reads_from"]) == ("degraded", "database")
    assert client.get("/health").status_code == client.get("/health/ready").status_code == 200
    replica.start()
    wait_for(client, "replica")
    assert ids(client) == [2, 1]


def test_a_replica_that_dies_within_a_question_does_not_spoil_the_answer(
    answering: Callable[..., TestClient], replica: Replica
) -> None:
    client = answering()
    event.listen(
        client.app.state.reader.replica,  # type: ignore[attr-defined]
        "before_cursor_execute",
        lambda *given: replica.kill() if "FROM runs" in given[2] else None,
    )
    asked = listen(client)
    assert ids(client) == [1]
    assert any("FROM runs" in each for each in asked["replica"])
    assert any("FROM runs" in each for each in asked["primary"])


@pytest.mark.parametrize(("path", "said"), [("/metrics", "pipeline_health_database_up 1.0"), ("/health", '"inbox"')])
def test_whoever_watches_does_not_take_its_death_for_the_databases(
    answering: Callable[..., TestClient], replica: Replica, path: str, said: str
) -> None:
    client = answering()
    of_replica = client.app.state.reader.replica  # type: ignore[attr-defined]
    event.listen(of_replica, "before_cursor_execute", lambda *_: replica.kill(), once=True)
    answer = client.get(path)
    assert (answer.status_code, said in answer.text) == (200, True), answer.text
    wait_for(client, "database")
    client.app.state.exporter._rendered_at = float("-inf")  # type: ignore[attr-defined]
    told = client.get("/metrics").text
    assert "pipeline_health_replica_answers 0.0" in told
    assert "\npipeline_health_replica_lag_seconds " not in told


def test_a_replica_that_lags_beyond_the_limit_is_left_until_it_is_near(
    answering: Callable[..., TestClient], engine: Engine, replica: Replica
) -> None:
    client = answering(database_replica_max_lag=1)
    replica.pause(str(engine.url.database))
    store(engine, 2)
    wait_for(client, "database")
    assert ids(client) == [2, 1]
    assert "more than DATABASE_REPLICA_MAX_LAG" in client.get("/health").json()["checks"]["replica"]["detail"]
    replica.resume(str(engine.url.database))
    wait_for(client, "replica")
    assert ids(client) == [2, 1]


def test_what_was_shown_is_not_taken_back_when_the_replica_returns(
    answering: Callable[..., TestClient], engine: Engine, replica: Replica
) -> None:
    """It is within its limit, and still it does not answer before it has all that was read meanwhile."""
    client = answering(database_replica_max_lag=3600)
    replica.kill()
    store(engine, 2)
    assert ids(client) == [2, 1]
    replica.start(delay="1h")
    wait_for_reason(client, "it is catching up")
    assert ids(client) == [2, 1]
    replica.kill()
    replica.start()
    wait_for(client, "replica")
    assert ids(client) == [2, 1]


def test_a_replica_that_falls_behind_what_it_showed_is_not_believed(
    answering: Callable[..., TestClient], engine: Engine, replica: Replica
) -> None:
    """A kept answer is of a version of the data, which never goes down."""
    client = answering(database_replica_max_lag=3600)
    assert ids(client) == [1]
    replica.pause(str(engine.url.database))
    store(engine, 2)
    reader = client.app.state.reader  # type: ignore[attr-defined]
    with reader.session() as session:
        assert reader.is_stale_read(session, 0) is True
    assert ids(client) == [2, 1]


def test_without_the_database_itself_the_replica_goes_on(
    make_client: MakeClient, engine: Engine, replica: Replica
) -> None:
    gone = "postgresql://nobody:s3cr3t@127.0.0.1:1/none"
    client = make_client(database_url=gone, database_replica_url=replica.url(engine.url.database))
    wait_for(client, "replica")
    assert ids(client) == [1]
    assert client.get("/health/ready").status_code == 200
    health = client.get("/health")
    assert (health.status_code, health.json()["checks"]["database"]["status"]) == (503, "error")
    assert "s3cr3t" not in health.text


def test_a_database_that_takes_questions_and_answers_none_is_not_waited_for(
    answering: Callable[..., TestClient], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHECK_TIMEOUT_SECONDS", 0.5)
    client = answering()
    with engine.connect() as connection:
        asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        pids = [int(pid) for pid in connection.scalars(text(asked))]
    if not all(Path(f"/proc/{pid}").exists() for pid in pids):
        pytest.skip("the server of TEST_DATABASE_URL is on another machine: its processes cannot be stopped")
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # Longer than it takes to see that nothing comes.
        time.sleep(3)
        assert ids(client) == [1]
        assert client.app.state.reader.status().from_replica  # type: ignore[attr-defined]
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_for(client, "replica")
    assert ids(client) == [1]


def store(engine: Engine, number: int) -> None:
    store_runs(engine, run(number))
    with write_scope(engine) as session:
        bump_data_version(session, NOW)


def place_of(engine: Engine) -> str:
    """Up to which all is written: the server of the tests may leave that for later."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = on"))
        connection.execute(text("SELECT pg_logical_emit_message(true, 'here', '')"))
    with engine.connect() as connection:
        return str(connection.scalar(text("SELECT pg_current_wal_lsn()")))


def ids(client: TestClient) -> list[int]:
    """Each time another question, so that none is answered from memory alone."""
    time.sleep(0.3)
    answer = client.get("/api/runs")
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


def listen(client: TestClient) -> dict[str, list[str]]:
    """Statements by who is asked; the looks at both have connections of their own."""
    said: dict[str, list[str]] = {"primary": [], "replica": []}
    for name, listed in said.items():
        engine = getattr(client.app.state.reader, name)  # type: ignore[attr-defined]
        event.listen(engine, "before_cursor_execute", lambda *given, listed=listed: listed.append(given[2]))
    return said


def wait_for(client: TestClient, source: str) -> None:
    _wait(client, lambda check: bool(check["reads_from"] == source))


def wait_for_reason(client: TestClient, reason: str) -> None:
    _wait(client, lambda check: reason in check["detail"])


def _wait(client: TestClient, there: Callable[[dict[str, Any]], bool]) -> None:
    for _ in range(200):
        check = client.get("/health").json()["checks"]["replica"]
        if there(check):
            return
        time.sleep(0.05)
    raise AssertionError(check)
