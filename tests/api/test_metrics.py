from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from api import schemas
from core.formatting import iso_timestamp
from db.collection.sync_state import add_gap, sync_state
from db.definitions.records import RepositoryRecord, WorkflowRecord
from db.definitions.scope import DEFAULT_SPAN, Scope, Window
from db.engine import session_scope, write_scope
from health.metrics import service
from health.metrics.definitions.catalogue import display
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository, job, run, store_jobs, store_runs
from tests.causes import store_causes
from tests.kept import Kept

METRICS_FIELDS = {
    "commits", "compute_seconds", "cost_unknown_minutes", "cost_usd", "data", "duration_seconds",
    "failure_duration_seconds", "failure_rate", "failure_rate_without_infrastructure", "failures_without_cause",
    "first_attempts", "flaky_rate_per_rerun", "flaky_runs", "infrastructure_failures",
    "queue_seconds", "recovery_seconds", "rerun_rate", "rerun_rate_without_approvals", "runs",
    "success_duration_seconds", "success_rate", "success_rate_by_commit", "success_rate_first_attempt",
    "success_rate_without_infrastructure", "waste", "wasted_seconds"
}  # fmt: skip


def fill(engine: Engine) -> None:
    add_repository(engine)
    store_runs(
        engine, run(1, seconds=60), run(2, minutes=10, seconds=120, conclusion="failure"),
        run(3, minutes=20, seconds=180), run(4, minutes=30, conclusion="cancelled"),
        run(5, minutes=-24 * 60, conclusion="timed_out"),
    )  # fmt: skip


@pytest.fixture
def filled(make_client: MakeClient, engine: Engine, kept: Kept) -> TestClient:
    kept.fill(engine, fill)
    return make_client()


def test_without_runs_rates_are_null_and_counts_are_zero(client: TestClient) -> None:
    body = client.get("/api/metrics").json()
    assert set(body) == METRICS_FIELDS | {"display", "window"}
    assert body["runs"]["total"] == 0
    assert body["success_rate"] is None
    assert body["duration_seconds"] == {
        "mean": None,
        "p50": None,
        "p90": None,
        "p95": None,
        "n": 0,
        "p50_interval": None,
        "p95_interval": None,
    }


def test_the_figures_are_those_of_the_facade_and_of_the_catalogue(filled: TestClient, engine: Engine) -> None:
    body = filled.get("/api/metrics").json()
    with session_scope(engine) as session:
        window = Window(NOW - DEFAULT_SPAN, NOW)
        expected = service.snapshot(session, Scope(), window, failures=service.read_failures(session, Scope(), window))
    assert body["runs"] == vars(expected.runs)
    assert body["success_rate"] == expected.success_rate == 0.5
    for name in ("duration_seconds", "success_duration_seconds"):
        spread = vars(getattr(expected, name))
        assert body[name] == {key: list(value) if isinstance(value, tuple) else value for key, value in spread.items()}
    assert body["recovery_seconds"] == vars(expected.recovery_seconds)
    assert body["display"] == display(expected)


def test_rates_stand_beside_those_without_infrastructure_failures(filled: TestClient, engine: Engine) -> None:
    """Run 2 failed by infrastructure, run 5 has no cause; runs 1 and 3 passed."""
    store_jobs(engine, 2, job(7, conclusion="failure"))
    store_causes(engine, {7: ["infrastructure"]})
    body = filled.get("/api/metrics").json()
    names = "infrastructure_failures", "failures_without_cause", "success_rate", "failure_rate"
    assert [body[name] for name in names] == [1, 1, 0.5, 0.5]
    expected = {"success_rate_without_infrastructure": 2 / 3, "failure_rate_without_infrastructure": 1 / 3}
    assert {name: body[name] for name in expected} == pytest.approx(expected)
    assert body["display"]["success_rate_without_infrastructure"] == "66.7%"
    points = filled.get("/api/metrics/series").json()["points"]
    assert [point["success_rate_without_infrastructure"] for point in points[-2:]] == [None, 1.0]
    assert [point["failures_without_cause"] for point in points[-2:]] == [1, 0]
    (group,) = filled.get("/api/metrics/groups?by=workflow").json()["items"]
    compared = filled.get("/api/metrics/compare").json()["current"]
    for found in (group, compared):
        assert (found["infrastructure_failures"], found["success_rate_without_infrastructure"]) == (
            1,
            pytest.approx(2 / 3),
        )


def test_conclusions_count_as_the_contract_says(filled: TestClient) -> None:
    runs = filled.get("/api/metrics").json()["runs"]
    assert (runs["total"], runs["success"], runs["failure"], runs["cancelled"]) == (5, 2, 2, 1)


def test_a_series_has_a_point_for_every_bucket(filled: TestClient) -> None:
    body = filled.get("/api/metrics/series", params={"interval": "day", "since": "3d"}).json()
    assert body["interval"] == "day"
    assert [point["start"] for point in body["points"]] == [f"2026-11-{day}T00:00:00Z" for day in (15, 16, 17, 18)]
    assert [point["runs"]["total"] for point in body["points"]] == [0, 0, 1, 4]
    assert [point["success_rate"] for point in body["points"]] == [None, None, 0.0, 2 / 3]
    assert set(body["points"][0]) >= METRICS_FIELDS


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_series_of_too_many_points_is_refused_with_the_way_out(filled: TestClient) -> None:
    answer = filled.get("/api/metrics/series", params={"interval": "hour", "since": "400d"})
    assert answer.status_code == 422
    assert "longer interval" in answer.json()["detail"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("interval", ["month", "", "DAY"])
def test_an_unknown_interval_is_named_with_those_that_exist(filled: TestClient, interval: str) -> None:
    answer = filled.get("/api/metrics/series", params={"interval": interval})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "interval"
    assert "'week'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("repo", ["acme/web", "acme/api"]),
        ("workflow", ["CI", "CI"]),
        ("branch", ["main"]),
        ("event", ["push"]),
        ("actor", ["alice", None]),
        ("runner", [None]),
    ],
)
def test_groups_are_ordered_by_size(filled: TestClient, engine: Engine, by: str, keys: list[str | None]) -> None:
    add_repository(
        engine, RepositoryRecord(2, "acme/api", "main", True, False, "https://x.test"),
        WorkflowRecord(7, "CI", "ci", "active"),
    )  # fmt: skip
    store_runs(engine, run(9, workflow_id=7, actor=None), repository_id=2)
    items = filled.get("/api/metrics/groups", params={"by": by}).json()["items"]
    assert [item["key"] for item in items] == keys
    assert set(items[0]) >= METRICS_FIELDS
    if by == "workflow":
        assert [(item["repo"], item["workflow_id"]) for item in items] == [("acme/web", 5), ("acme/api", 7)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("query", ["", "?by=colour"])
def test_groups_need_to_know_by_what(filled: TestClient, query: str) -> None:
    answer = filled.get(f"/api/metrics/groups{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "by"


def test_groups_beyond_the_limit_are_one(filled: TestClient, engine: Engine) -> None:
    store_runs(engine, *(run(100 + number, branch=f"topic/{number}", conclusion="failure") for number in range(4)))
    whole = filled.get("/api/metrics/groups", params={"by": "branch"}).json()
    assert (len(whole["items"]), whole["total"], whole["rest"]) == (5, 5, None)
    body = filled.get("/api/metrics/groups", params={"by": "branch", "limit": 2}).json()
    assert body["items"] == whole["items"][:2]
    assert [item["key"] for item in body["items"]] == ["main", "topic/0"]
    assert (body["total"], body["rest"]["runs"]["failure"], body["rest"]["success_rate"]) == (5, 3, 0.0)
    assert set(body["rest"]) == METRICS_FIELDS


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("limit", ["0", "501", "-1", "many", ""])
def test_groups_have_a_limit_that_is_bounded(filled: TestClient, limit: str) -> None:
    answer = filled.get("/api/metrics/groups", params={"by": "branch", "limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "limit"


@pytest.mark.parametrize("path", ["/api/metrics/series?since=400d", "/api/metrics/groups?by=workflow&since=400d"])
def test_gaps_of_many_repositories_are_listed_once_for_all_items(filled: TestClient, engine: Engine, path: str) -> None:
    with write_scope(engine) as session:
        for number in range(40):
            since = NOW - timedelta(days=60 - number)
            add_gap(session, 1, "capped", f"{number}", since=since, until=since + timedelta(hours=1))
    answer = filled.get(path).json()
    items = answer["items"] if "items" in answer else answer["points"]
    assert len([gap for gap in answer["data"]["gaps"] if gap["kind"] == "capped"]) == 40
    listed = items[0]["data"]["gaps"]
    assert listed[:10] == answer["data"]["gaps"][:10]
    (more,) = listed[10:]
    assert (more["repo"], more["kind"]) == ("*", "more")
    assert more["detail"].startswith(f"{len(answer['data']['gaps']) - 10} more gaps")
    assert all(item["data"] == items[0]["data"] for item in items)


def test_a_narrow_window_reads_only_its_runs(filled: TestClient) -> None:
    body = filled.get("/api/metrics", params={"since": (NOW - timedelta(hours=8)).isoformat(), "until": "5h"}).json()
    assert body["runs"]["total"] == 4


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/api/metrics/series?interval=hour", schemas.Series),
        ("/api/metrics/groups?by=workflow", schemas.Groups),
        ("/api/metrics/groups?by=repo&limit=1", schemas.Groups),
    ],
)
def test_what_is_sent_past_the_model_is_what_the_model_says(
    filled: TestClient, engine: Engine, path: str, schema: type[schemas.Schema]
) -> None:
    with write_scope(engine) as session:
        add_gap(session, 1, "capped", "more than 1,000", since=NOW, until=NOW)
    sent = filled.get(path).json()
    assert schema.model_validate(sent).model_dump(mode="json") == sent


def test_figures_are_compared_with_the_same_weekdays_and_hours(client: TestClient, engine: Engine) -> None:
    add_repository(engine)
    weeks = [-7 * 24 * 60, 0]
    store_runs(
        engine,
        *(run(100 * (1 + place) + number, minutes=minutes - 1 - number, seconds=60 * (1 + place))
          for place, minutes in enumerate(weeks) for number in range(12)),
        *(run(300 + number, minutes=-24 * 60 - number, seconds=9, conclusion="failure") for number in range(30)),
    )  # fmt: skip
    with write_scope(engine) as session:
        sync_state(session, 1).complete_since = NOW - timedelta(days=90)
    body = client.get("/api/metrics/compare?since=8h").json()
    assert body["comparable"] is True
    assert (body["current"]["runs"]["total"], body["previous"]["runs"]["total"]) == (12, 12)
    assert body["previous_window"]["until"] == iso_timestamp(NOW - timedelta(days=7))
    assert body["changes"]["success_rate"]["text"] == "0.0 pp"
    assert body["changes"]["success_rate"]["verdict"] == "undecided"
    median = body["changes"]["success_duration_p50"]
    assert (median["text"], median["n"], median["n_before"], median["verdict"]) == ("+100.0%", 12, 12, "worse")
    assert body["duration_change"]["ratio"] == pytest.approx(2.0)
    assert (body["duration_change"]["workflows"], body["duration_change"]["share"]) == (1, 1.0)


def test_without_the_previous_period_nothing_is_compared(filled: TestClient) -> None:
    body = filled.get("/api/metrics/compare?since=30d").json()
    assert (body["comparable"], body["previous"], body["duration_change"]) == (False, None, None)
    assert set(body["changes"].values()) == {None}
    assert filled.get("/api/metrics/compare?interval=day").status_code == 422


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/metrics", 15),
        ("/api/metrics/compare", 28),
        ("/api/metrics/series", 13),
        ("/api/metrics/groups?by=workflow", 15),
        ("/api/insights/flaky", 9),
        ("/api/insights/failures", 18),
    ],
)
def test_completeness_is_read_once_for_a_request(filled: TestClient, path: str, most: int) -> None:
    filled.get("/api/runs")
    statements: list[str] = []
    event.listen(filled.app.state.reader.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))  # type: ignore[attr-defined]
    assert filled.get(path).status_code == 200
    read = [each for each in statements if not each.startswith("BEGIN")]
    tables = ("details_pending", "FROM backfills", "FROM run_gaps", "SELECT heartbeats.seen_at")
    assert [sum(table in each for each in read) for table in tables] == [1, 1, 1, 1]
    assert len(read) <= most
