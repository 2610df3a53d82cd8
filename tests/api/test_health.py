import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text

from core import VERSION
from db.collection.sync_state import record_heartbeat, sync_state
from db.definitions.records import RepositoryRecord
from db.engine import make_engine, session_scope, write_scope
from db.migrate import head_revision, upgrade
from db.models import Claim, JobLog
from db.repositories.repository_writes import record_target
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository, job, run, store_jobs, store_runs
from tests.completeness_rows import add, delivery


def collector(engine: Engine, *, ago: float = 1, **detail: Any) -> None:
    """Its last sign of life, so many seconds before now."""
    with write_scope(engine) as session:
        record_heartbeat(session, NOW - timedelta(seconds=ago), detail)


def check(client: TestClient) -> tuple[int, str, str]:
    answer = client.get("/health")
    body = answer.json()
    return answer.status_code, body["status"], body["checks"]["collector"]["detail"]


def test_all_is_well_while_the_collector_shows_signs_of_life(client: TestClient, engine: Engine) -> None:
    collector(engine, state="idle", poll_seconds=300)
    body = client.get("/health").json()
    assert body["status"] == "ok"
    assert (body["version"], body["schema_revision"]) == (VERSION, head_revision())
    assert body["checks"]["database"] == {"status": "ok", "detail": "reachable and migrated"}
    assert body["checks"]["collector"]["seen_at"] == "2026-11-18T17:59:59Z"


def test_a_collector_that_never_ran_is_degraded(client: TestClient) -> None:
    assert check(client) == (200, "degraded", "The collector has not run yet; start it with python -m collector.")


@pytest.mark.parametrize(("ago", "status"), [(959, "ok"), (961, "degraded")])
def test_silence_for_three_polls_and_a_minute_is_degraded(
    client: TestClient, engine: Engine, ago: float, status: str
) -> None:
    collector(engine, ago=ago, state="idle", poll_seconds=300)
    assert check(client)[1] == status


def test_work_that_hangs_is_named_with_its_beginning(client: TestClient, engine: Engine) -> None:
    since = NOW - timedelta(minutes=17)
    collector(engine, state="idle", beat_seconds=5, poll_seconds=300, work="look", work_since=since.isoformat())
    line = f"The collector has made no progress since {since:%H:%M} UTC (look)."
    assert check(client) == (200, "degraded", line)
    # Who is not heard of either does not hang.
    collector(engine, ago=60, state="idle", beat_seconds=5, poll_seconds=300, work="look", work_since=since.isoformat())
    assert "has not been seen for 60 s" in check(client)[2]


def test_where_the_collector_names_no_interval_the_setting_counts(make_client: MakeClient, engine: Engine) -> None:
    collector(engine, ago=500, state="idle")
    assert check(make_client())[1] == "ok"
    assert check(make_client(poll_interval_minutes=0.5))[1] == "degraded"


@pytest.mark.parametrize("state", ["error", "waiting"])
def test_what_the_collector_complains_of_is_passed_on_in_one_line(
    client: TestClient, engine: Engine, state: str
) -> None:
    collector(engine, state=state, message="rate limit\nused up")
    assert check(client) == (200, "degraded", "rate limit used up")


def test_a_repository_or_name_that_cannot_be_read_is_named_with_the_reason(client: TestClient, engine: Engine) -> None:
    collector(engine, state="idle")
    with write_scope(engine) as session:
        sync_state(session, 1).error = "GitHub answered 500"
        record_target(session, "acme/gone", None, "not found", NOW)
    assert check(client) == (200, "degraded", "acme/web: GitHub answered 500; acme/gone: not found")


def test_the_collectors_that_share_the_work_are_told(client: TestClient, engine: Engine) -> None:
    collector(engine, state="idle")
    with write_scope(engine) as session:
        record_heartbeat(session, NOW, {"state": "waiting", "message": "rate limit\nused up"}, name="collector/two/7")
    held = NOW + timedelta(seconds=20)
    claims = ("liveness", "two/7"), ("repository", "acme/web")
    add(engine, *[Claim(kind=kind, name=name, holder="two/7", expires_at=held) for kind, name in claims])
    assert client.get("/health").json()["checks"]["collector"]["collectors"] == [
        {"name": "two/7", "alive": True, "seen_at": "2026-11-18T18:00:00Z", "repositories": 1, "state": "waiting",
         "message": "rate limit used up"},
    ]  # fmt: skip


def test_deliveries_that_wait_are_told_and_degrade_it_after_five_minutes(client: TestClient, engine: Engine) -> None:
    def inbox() -> dict[str, Any]:
        return dict(client.get("/health").json()["checks"]["inbox"])

    collector(engine, state="idle")
    well = {"status": "ok", "detail": "deliveries are applied as they arrive"}
    assert inbox() == {**well, "waiting": 0, "failed": 0, "oldest_seconds": None}
    add(
        engine, delivery("a", "failed", NOW - timedelta(hours=1)), delivery("b", received_at=NOW - timedelta(minutes=5))
    )
    assert inbox() == {**well, "waiting": 1, "failed": 1, "oldest_seconds": 300.0}
    add(engine, delivery("c", received_at=NOW - timedelta(minutes=6)))
    line = "2 webhook deliveries waiting, the oldest for 6 min; polling continues"
    assert inbox() == {"status": "degraded", "detail": line, "waiting": 2, "failed": 1, "oldest_seconds": 360.0}
    assert client.get("/health").json()["status"] == "degraded"
    assert client.get("/health").status_code == 200


def test_the_questions_of_health_do_not_grow_with_what_is_stored(client: TestClient, engine: Engine) -> None:
    """A load balancer asks every few seconds: runs are neither counted nor read."""
    asked: list[str] = []
    event.listen(client.app.state.reader.primary, "before_cursor_execute", lambda *given: asked.append(given[2]))  # type: ignore[attr-defined]
    collector(engine, state="idle")
    client.get("/health")
    once = len(asked)
    for number in range(2, 12):
        add_repository(engine, RepositoryRecord(number, f"acme/r{number}", "main", True, False, ""))
    client.get("/health")
    assert len(asked) == 2 * once
    assert not [statement for statement in asked if "FROM runs" in statement or "job_logs" in statement]


def test_repositories_that_are_catching_up_are_never_called_read(client: TestClient, engine: Engine) -> None:
    collector(engine, state="idle", beat_seconds=5)
    line = "running, 1 of 1 repository is catching up: their counts, rates, durations and costs are provisional"
    assert check(client) == (200, "ok", line)
    add_repository(engine, RepositoryRecord(2, "acme/api", "main", True, False, ""))
    assert "running, 2 of 2 repositories are catching up" in check(client)[2]
    with write_scope(engine) as session:
        for number in (1, 2):
            state = sync_state(session, number)
            state.synced_at = state.complete_since = NOW
    assert check(client) == (200, "ok", "running, everything is collected")
    collector(engine, state="idle", beat_seconds=5, catching_up=1)
    body = client.get("/health").json()["checks"]["collector"]
    assert (body["catching_up"], body["repositories"], body["state"]) == (1, 2, "live")
    assert "1 of 2 repositories is catching up" in body["detail"]


def test_a_collector_that_was_stopped_is_told_apart_from_one_that_crashed(client: TestClient, engine: Engine) -> None:
    collector(engine, ago=31, state="idle", beat_seconds=5, poll_seconds=300, name="here")
    body = client.get("/health").json()["checks"]["collector"]
    assert (body["status"], body["state"], body["stopped_at"]) == ("degraded", "stale", None)
    assert body["detail"] == "The collector has not been seen for 31 s; is it running?"
    assert [(each["alive"], each["state"]) for each in body["collectors"]] == [(False, "stale")]
    with write_scope(engine) as session:
        record_heartbeat(session, NOW, {"beat_seconds": 5, "name": "here"}, stopped_at=NOW - timedelta(seconds=1))
    body = client.get("/health").json()["checks"]["collector"]
    assert (body["status"], body["state"], body["stopped_at"]) == ("degraded", "stopped", "2026-11-18T17:59:59Z")
    assert body["detail"] == "The collector stopped at 17:59 UTC; start it with python -m collector."
    (one,) = body["collectors"]
    assert (one["alive"], one["state"], one["stopped_at"]) == (False, "stopped", "2026-11-18T17:59:59Z")
    summary = client.get("/api/repositories").json()["summary"]
    assert "The collector stopped at 17:59 UTC." in summary["detail"]
    metrics = client.get("/metrics").text
    assert "pipeline_health_collector_stopped_timestamp_seconds 1.79" in metrics


def test_live_and_ready_answer(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").status_code == 200


def test_a_database_that_is_not_migrated_is_said_everywhere_and_recovers_by_itself(
    make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    client = make_client(database_url=url)
    line = "The database is not migrated; run `python -m db upgrade` (`make run` does so automatically)."
    health = client.get("/health")
    assert health.status_code == 503
    assert (health.json()["status"], health.json()["schema_revision"]) == ("error", None)
    assert health.json()["checks"]["database"]["detail"] == line
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
    for path in ("/api/runs", "/api/metrics", "/api/logs/1", "/api/alerts", "/api/repositories"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == line
    assert [record.message for record in caplog.records if record.name.startswith("api")] == [line]
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    assert client.get("/api/runs").status_code == 200
    assert client.get("/health/ready").status_code == 200


def test_one_that_works_goes_on_when_a_newer_version_migrates_and_a_new_one_refuses(
    client: TestClient, make_client: MakeClient, engine: Engine
) -> None:
    assert client.get("/api/runs").status_code == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert client.get("/api/runs?limit=7").status_code == 200
    check = client.get("/health").json()["checks"]["database"]
    assert check["status"] == "degraded"
    assert "of a newer version; update this program" in check["detail"]
    assert client.get("/health/ready").status_code == 200
    late = make_client()
    assert late.get("/api/runs").status_code == late.get("/health/ready").status_code == 503


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_server_that_goes_away_is_a_503_until_it_is_back(client: TestClient, engine: Engine) -> None:
    assert client.get("/api/runs").status_code == 200
    broken = make_engine("postgresql://nobody:s3cr3t@127.0.0.1:1/none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.app.state.reader, "primary", broken)  # type: ignore[attr-defined]
        answer = client.get("/api/runs?limit=7")
        assert answer.status_code == 503
        assert "is the server running" in answer.json()["detail"]
        assert "s3cr3t" not in answer.text
        assert client.get("/health").status_code == 503
        assert "pipeline_health_database_up 0.0" in client.get("/metrics").text
    assert client.get("/api/runs").status_code == 200


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_connections_that_the_server_closed_are_replaced(client: TestClient, engine: Engine) -> None:
    assert client.get("/api/runs").status_code == 200
    with engine.connect() as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert client.get("/api/runs").status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_loses_its_tables_is_said_in_plain_words(client: TestClient, engine: Engine) -> None:
    assert client.get("/api/runs").status_code == 200
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("ALTER TABLE runs RENAME TO old_runs"))
    answer = client.get("/api/runs?limit=7")
    assert answer.status_code == 503
    assert "not migrated" in answer.json()["detail"]


def test_a_fault_of_ours_is_a_500_without_a_trace_of_it(
    client: TestClient, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(client.app.state._state, "cache", None)  # type: ignore[attr-defined]
        answer = client.get("/api/metrics", headers={"X-Request-ID": "abc-1"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "abc-1" in answer.json()["detail"]
    assert "NoneType" not in answer.text
    assert any("abc-1" in record.message and record.exc_info for record in caplog.records)


def test_a_replica_answers_and_the_database_takes_what_is_asked_for(
    make_client: MakeClient, engine: Engine, database_url: str, tmp_path: Path
) -> None:
    replica = f"sqlite:///{tmp_path}/replica.db"
    copy = make_engine(replica)
    upgrade(copy)
    for each in (engine, copy):
        add_repository(each)
        store_runs(each, run(1))
        store_jobs(each, 1, job(9))
    store_runs(copy, run(2))
    client = make_client(database_replica_url=replica)
    replica_check = wait_for_replica(client)
    assert (replica_check["status"], replica_check["lag_seconds"]) == ("ok", 0.0)
    assert [each["id"] for each in client.get("/api/runs").json()["items"]] == [2, 1]
    assert client.get("/api/logs/1").status_code == 202
    with session_scope(engine) as asked, session_scope(copy) as untouched:
        assert asked.scalars(select(JobLog.job_id)).all() == [9]
        assert untouched.scalars(select(JobLog.job_id)).all() == []
    copy.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("engine")
def test_a_replica_that_is_away_is_named_and_the_database_answers(make_client: MakeClient) -> None:
    client = make_client(database_replica_url="postgresql://reader:s3cr3t@127.0.0.1:1/none")
    assert client.get("/api/runs").status_code == 200
    for _ in range(100):
        health = client.get("/health")
        checks = health.json()["checks"]
        if "DATABASE_REPLICA_URL: cannot use" in checks["replica"]["detail"]:
            break
        time.sleep(0.05)
    assert "DATABASE_REPLICA_URL: cannot use" in checks["replica"]["detail"]
    assert "s3cr3t" not in health.text
    assert health.status_code == 200
    assert (checks["database"]["status"], checks["replica"]["status"]) == ("ok", "degraded")


def wait_for_replica(client: TestClient) -> dict[str, Any]:
    for _ in range(100):
        check: dict[str, Any] = client.get("/health").json()["checks"]["replica"]
        if check["reads_from"] == "replica":
            return check
        time.sleep(0.05)
    raise AssertionError(check)


METRICS_KEY = "metrics-0123456789"


@pytest.mark.parametrize("kind", ["unreadable", "waiting"])
def test_names_are_told_only_with_the_metrics_key(make_client: MakeClient, engine: Engine, kind: str) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        message = "acme/secret-project: asked too often" if kind == "waiting" else ""
        state = {"state": "waiting" if message else "idle", "message": message}
        record_heartbeat(session, NOW, state)
        record_heartbeat(session, NOW, state, name="build-host-7/4242")
        if kind == "unreadable":
            sync_state(session, 1).error = "GitHub answered 500"
            record_target(session, "acme/gone", None, "not found", NOW)
    client = make_client(metrics_key=METRICS_KEY, api_keys="api-0123456789abcdef")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {METRICS_KEY}"}):
        answer = client.get("/health", headers=headers)
        assert answer.status_code == 200
        assert answer.json()["status"] == "degraded"
        assert not [each for each in ("acme", "build-host", "secret-project", "4242") if each in answer.text]
        assert "send METRICS_KEY for details" in answer.json()["checks"]["collector"]["detail"]
        assert client.get("/health/live", headers=headers).status_code == 200
        assert client.get("/health/ready", headers=headers).status_code == 200
    for key in (METRICS_KEY, "api-0123456789abcdef"):
        assert "acme/" in client.get("/health", headers={"Authorization": f"Bearer {key}"}).text
    # Without the setting all is told, as before.
    assert "acme/" in make_client().get("/health").text
