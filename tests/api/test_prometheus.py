from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from db.engine import write_scope
from db.store.records import RepositoryRecord, WorkflowRecord
from db.store.sync_state import beat, sync_state
from tests.api.conftest import NOW, TestClient
from tests.builders import add_repository, run, store_runs

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
    found = samples(client)
    here = {"repo": "acme/web", "workflow": "CI"}
    assert found["pipeline_health_runs_24h", labels(**here, conclusion="success")] == 1
    assert found["pipeline_health_runs_24h", labels(**here, conclusion="failure")] == 1
    assert found["pipeline_health_runs_24h", labels(**here, conclusion="cancelled")] == 0
    assert found["pipeline_health_success_ratio_24h", labels(**here)] == 0.5
    assert found["pipeline_health_duration_seconds_p50_24h", labels(**here)] == 60


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
        beat(session, NOW, {})
        state = sync_state(session, 1)
        state.synced_at, state.error = NOW, "GitHub answered 500"
    found = samples(client)
    assert found["pipeline_health_repository_error", labels(repo="acme/web")] == 1
    assert found["pipeline_health_synced_timestamp_seconds", labels(repo="acme/web")] == NOW.timestamp()
    assert found["pipeline_health_collector_seen_timestamp_seconds", ()] == NOW.timestamp()
    assert found["pipeline_health_database_up", ()] == 1


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
