from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, event

from db.collection.counters import CounterName, CounterRegistry, SummaryName, TimestampName
from db.collection.sync_state import record_heartbeat, sync_state
from db.definitions.records import RepositoryRecord, WorkflowRecord
from db.engine import write_scope
from db.enums import CompletenessState, GapKind
from db.logs.log_writes import request_logs
from db.models import ChannelState, Claim
from db.repositories.repository_writes import record_target
from health.alerts.storage.outbox import enqueue
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs
from tests.causes import store_causes
from tests.completeness_rows import add, backfill, delivery, mark_complete, run_gap

REPOS = ("acme/web", "acme/api")
Sample = tuple[str, tuple[tuple[str, str], ...]]


def samples(client: TestClient) -> dict[Sample, float]:
    """Every sample by its name and labels; a series that stands there twice fails."""
    found: dict[Sample, float] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def labels(**named: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(named.items()))


def test_the_last_day_is_there_by_repository_workflow_and_conclusion(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, conclusion="timed_out"), run(3, minutes=-60 * 24 * 2))
    store_jobs(engine, 2, job(7, end=60, conclusion="failure"))
    store_causes(engine, {7: ["infrastructure"]})
    found = samples(client)
    here = {"repo": "acme/web", "workflow": "CI"}
    assert found["pipeline_health_runs_24h", labels(**here, conclusion="success")] == 1
    assert found["pipeline_health_runs_24h", labels(**here, conclusion="failure")] == 1
    assert found["pipeline_health_runs_24h", labels(**here, conclusion="cancelled")] == 0
    assert found["pipeline_health_success_ratio_24h", labels(**here)] == 0.5
    assert found["pipeline_health_duration_seconds_p50_24h", labels(**here)] == 60
    assert found["pipeline_health_success_ratio_first_attempt_24h", labels(**here)] == 0.5
    assert found["pipeline_health_success_duration_seconds_p50_24h", labels(**here)] == 60
    assert found["pipeline_health_success_ratio_without_infrastructure_24h", labels(**here)] == 1.0
    assert found["pipeline_health_infrastructure_failures_24h", labels(**here)] == 1
    assert found["pipeline_health_failures_without_cause_24h", labels(**here)] == 0


def test_infrastructure_failures_are_absent_while_no_cause_is_known(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, conclusion="failure"))
    found, here = samples(client), labels(repo="acme/web", workflow="CI")
    assert found["pipeline_health_failures_without_cause_24h", here] == 1
    assert ("pipeline_health_infrastructure_failures_24h", here) not in found
    assert ("pipeline_health_success_ratio_without_infrastructure_24h", here) not in found


def test_names_from_outside_do_not_break_the_format(client: TestClient, engine: Engine) -> None:
    add_repository(
        engine, RepositoryRecord(1, "acme/web", "main", True, False, ""),
        WorkflowRecord(5, 'say "hi"\n\\{x="1"}', "a", "active"),
    )  # fmt: skip
    store_runs(engine, run(1))
    named = labels(repo="acme/web", workflow='say "hi"\n\\{x="1"}')
    assert samples(client)["pipeline_health_success_ratio_24h", named] == 1


def test_two_workflows_of_one_name_are_two_series(client: TestClient, engine: Engine) -> None:
    add_repository(
        engine, RepositoryRecord(1, "acme/web", "main", True, False, ""), WorkflowRecord(5, "CI", "a", "active"),
        WorkflowRecord(6, "CI", "b", "active"),
    )  # fmt: skip
    store_runs(engine, run(1), run(2, workflow_id=6))
    found = samples(client)
    for workflow in ("CI (5)", "CI (6)"):
        assert found["pipeline_health_success_ratio_24h", labels(repo="acme/web", workflow=workflow)] == 1


def test_the_state_of_collection_is_there(client: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOW, {})
        state = sync_state(session, 1)
        state.synced_at, state.error = NOW, "GitHub answered 500"
    found = samples(client)
    assert found["pipeline_health_repository_error", labels(repo="acme/web")] == 1
    assert found["pipeline_health_synced_timestamp_seconds", labels(repo="acme/web")] == NOW.timestamp()
    assert found["pipeline_health_collector_seen_timestamp_seconds", ()] == NOW.timestamp()
    assert found["pipeline_health_database_up", ()] == 1


def test_how_complete_everything_is_is_there_in_totals(client: TestClient, engine: Engine) -> None:
    add_repository(engine, RepositoryRecord(2, "acme/api", "main", True, False, ""))
    store_runs(engine, run(1), run(2, conclusion="failure"))
    store_jobs(engine, 2, job(2, conclusion="failure"))
    mark_complete(engine)
    mark_complete(engine, 2, error="GitHub has blocked it (451)")
    add(
        engine,
        run_gap(118, 121),
        run_gap(130, 130),
        run_gap(7, 8, "absent"),
        backfill(started_at=NOW - timedelta(minutes=10)),
    )
    with write_scope(engine) as session:
        record_target(session, "acme/gone", None, "not found (404)", NOON)
        request_logs(session, 1, 2, [2], NOON)
    found = samples(client)
    states = {state: found["pipeline_health_repositories", labels(state=state)] for state in CompletenessState}
    assert states == {"complete": 0, "archived": 0, "no_actions": 0, "catching_up": 0, "gaps": 1, "failing": 1}
    kinds = {kind: found["pipeline_health_gaps", labels(kind=kind)] for kind in GapKind}
    assert kinds == {
        "error": 1, "capped": 0, "unreadable": 1, "run_numbers": 1, "history": 1, "jobs": 1, "job_lists": 0,
    }  # fmt: skip
    assert found["pipeline_health_repositories_unreadable", ()] == 1
    assert found["pipeline_health_run_numbers", labels(state="open")] == 5
    assert found["pipeline_health_run_numbers", labels(state="absent")] == 2
    assert found["pipeline_health_runs_stored", ()] == 2
    assert found["pipeline_health_runs_without_jobs", ()] == 1
    assert found["pipeline_health_logs", labels(state="pending")] == 1
    assert found["pipeline_health_history_read_ratio", ()] == 0.25
    assert found["pipeline_health_history_left_seconds", ()] == 1800
    complete_now = {repo: found["pipeline_health_repository_complete", labels(repo=repo)] for repo in REPOS}
    assert complete_now == {"acme/web": 0, "acme/api": 0}
    since = found["pipeline_health_complete_since_timestamp_seconds", labels(repo="acme/api")]
    assert since == (NOON - timedelta(days=30)).timestamp()


def test_where_nothing_is_missing_history_is_read_and_nothing_waits(client: TestClient, engine: Engine) -> None:
    mark_complete(engine)
    found = samples(client)
    assert found["pipeline_health_repository_complete", labels(repo="acme/web")] == 1
    assert found["pipeline_health_history_read_ratio", ()] == 1
    assert found["pipeline_health_inbox_waiting", ()] == 0
    assert not [name for name, _ in found if "inbox_oldest" in name or "collector_seen" in name]


def test_the_inbox_and_the_collectors_at_work_are_there(client: TestClient, engine: Engine) -> None:
    received = NOW - timedelta(minutes=4)
    held = NOW + timedelta(seconds=20)
    add(engine, *[delivery(name, state, received) for name, state in (("a", "pending"), ("b", "failed"))])
    add(engine, *[Claim(kind="liveness", name=name, holder=name, expires_at=held) for name in ("one/1", "two/1")])
    found = samples(client)
    assert found["pipeline_health_inbox_waiting", ()] == 1
    assert found["pipeline_health_inbox_failed", ()] == 1
    assert found["pipeline_health_inbox_oldest_timestamp_seconds", ()] == received.timestamp()
    assert found["pipeline_health_webhook_timestamp_seconds", ()] == received.timestamp()
    assert found["pipeline_health_collectors", ()] == 2


def test_what_waits_for_channels_is_there_and_zero_where_nothing_does(client: TestClient, engine: Engine) -> None:
    written = NOW - timedelta(minutes=7)
    with write_scope(engine) as session:
        record_heartbeat(session, NOW, {"channels": ["slack", "email"]})
        enqueue(session, None, "test", {"slack": {}, "gone": {}}, written)
        enqueue(session, None, "test", {"slack": {}}, NOW)
        session.add(ChannelState(channel="slack", failures=4))
    found = samples(client)
    waiting = {
        name: found["pipeline_health_outbox_waiting", labels(channel=name)] for name in ("slack", "email", "gone")
    }
    assert waiting == {"slack": 2, "email": 0, "gone": 1}
    assert found["pipeline_health_outbox_lag_seconds", labels(channel="slack")] == 420
    assert found["pipeline_health_outbox_lag_seconds", labels(channel="email")] == 0
    assert found["pipeline_health_channel_failures", labels(channel="slack")] == 4


def test_collectors_are_counted_apart_and_an_hour_that_is_over_is_full_again(
    client: TestClient, engine: Engine
) -> None:
    for name, minutes in (("one/1", 5), ("two/1", -5)):
        counters = CounterRegistry()
        counters.increment(CounterName.SYNCS, "ok", 3)
        counters.increment(CounterName.NOTIFICATIONS, "slack/sent")
        counters.observe(SummaryName.SYNC, 1.5)
        counters.set_timestamp(TimestampName.SYNC, NOW)
        reset = (NOW + timedelta(minutes=minutes)).isoformat()
        limit = {"limit": 5000, "remaining": 40, "reserve": 500, "reset_at": reset}
        with write_scope(engine) as session:
            record_heartbeat(session, NOW, {"tally": counters.as_dict(), "rate_limit": limit}, name=f"collector/{name}")
    with write_scope(engine) as session:
        record_heartbeat(session, NOW, {"tally": counters.as_dict()})
        record_heartbeat(
            session,
            NOW,
            {"tally": {"counts": [], "took": {"sync": "x"}, "last": {"sync": "?"}}},
            name="collector/odd/1",
        )
    found = samples(client)
    for name in ("one/1", "two/1"):
        assert found["pipeline_health_syncs_total", labels(collector=name, result="ok")] == 3
        assert found["pipeline_health_sync_duration_seconds_sum", labels(collector=name)] == 1.5
        assert found["pipeline_health_sync_success_timestamp_seconds", labels(collector=name)] == NOW.timestamp()
        sent = labels(collector=name, channel="slack", result="sent")
        assert found["pipeline_health_notifications_total", sent] == 1
    assert found["pipeline_health_syncs_total", labels(collector="odd/1", result="ok")] == 0
    assert ("pipeline_health_syncs_total", labels(collector="main", result="ok")) not in found
    remaining = "pipeline_health_github_rate_limit_remaining"
    assert (found[remaining, labels(collector="one/1")], found[remaining, labels(collector="two/1")]) == (40, 5000)


def test_an_upgrade_is_over_when_the_collectors_before_it_are_gone(client: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOW - timedelta(hours=20), {"version": "0.0.9"}, name="collector/before/1")
        record_heartbeat(session, NOW, {"version": "0.1.0"}, name="collector/after/1")
    versions = [dict(named) for name, named in samples(client) if name == "pipeline_health_collector_info"]
    assert versions == [{"collector": "after/1", "version": "0.1.0"}]


def test_many_who_scrape_cost_as_much_as_one(client: TestClient, engine: Engine) -> None:
    """And runs are counted no more often than every few minutes."""
    asked: list[str] = []
    event.listen(client.app.state.reader.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))  # type: ignore[attr-defined]
    store_runs(engine, run(1))
    first = client.get("/metrics").text
    once = len(asked)
    for _ in range(3):
        assert "pipeline_health_runs_stored 1.0" in client.get("/metrics").text
    assert len(asked) == once
    client.app.state.exporter._rendered_at = float("-inf")  # type: ignore[attr-defined]
    client.get("/metrics")
    again = asked[once:]
    assert 0 < len(again) < 40
    counting = [each for each in again if "count(*)" in each and "FROM runs" in each and "details_pending" not in each]
    assert counting == []
    assert "pipeline_health_build_info" in first


def test_what_grows_with_the_repositories_is_one_series_each(
    client: TestClient, make_client: MakeClient, engine: Engine
) -> None:
    def count(client: TestClient) -> int:
        return len([name for name, _ in samples(client) if "http" not in name and "process" not in name])

    mark_complete(engine)
    before = count(client)
    for number in range(2, 12):
        add_repository(engine, RepositoryRecord(number, f"acme/r{number}", "main", True, False, ""))
        mark_complete(engine, number)
        add(engine, *[run_gap(first, first, repository_id=number) for first in range(1, 40, 2)])
    # Synced, error, complete and complete since.
    # Another process: this one keeps what it said for some seconds.
    assert count(make_client()) - before == 10 * 4


def test_the_process_and_its_requests_are_measured_by_route_not_by_path(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1))
    for path in ("/api/runs/1", "/api/runs/2", "/nope/1", "/nope/2"):
        client.get(path)
    found = samples(client)
    assert found["process_resident_memory_bytes", ()] > 0
    routes = {dict(named)["route"] for name, named in found if name == "pipeline_health_http_requests_total"}
    assert routes == {"/api/runs/{run_id}", "unknown"}


def test_two_apps_in_one_process_count_apart(client: TestClient, make_client: object, engine: Engine) -> None:
    client.get("/api/runs")
    other = make_client()  # type: ignore[operator]
    assert not [name for name, _ in samples(other) if name == "pipeline_health_http_requests_total"]


def test_metrics_want_their_key_where_one_is_set(make_client: MakeClient, engine: Engine) -> None:
    add_repository(engine)
    client = make_client(metrics_key="metrics-0123456789")
    for headers in ({}, {"Authorization": "Bearer metrics-012345678"}, {"Authorization": "Bearer "}):
        answer = client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "acme" not in answer.text
    answer = client.get("/metrics", headers={"Authorization": "Bearer metrics-0123456789"})
    assert answer.status_code == 200
    assert "pipeline_health_database_up 1.0" in answer.text
    # It opens nothing else.
    locked = make_client(metrics_key="metrics-0123456789", api_keys="api-0123456789abcdef")
    assert locked.get("/api/runs", headers={"Authorization": "Bearer metrics-0123456789"}).status_code == 401
    assert locked.get("/metrics", headers={"Authorization": "Bearer api-0123456789abcdef"}).status_code == 200
