"""GET /api/logs/search: results, pages, streams, invalid requests, and what could not be searched."""

import json
import threading
from typing import Any

import pytest
from sqlalchemy import Engine, update

from db.definitions.records import LogRecord
from db.engine import write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.models import JobLog
from health.log_search.index import create_segment, index_logs
from tests.api.conftest import TestClient
from tests.builders import NOON, job, run, store_jobs, store_runs
from tests.causes import add_cause

TEXT = "2026-11-18T12:00:00Z npm test\n2026-11-18T12:00:01Z \x1b[31mError: connect\x1b[0m ECONNREFUSED {}\nbye\n"


@pytest.fixture
def logs(client: TestClient, engine: Engine) -> TestClient:
    """Three failed runs with logs, of which one is older than 30 days, and one whose log expired."""
    for number, days in ((1, 1), (2, 2), (3, 40), (4, 1)):
        store_runs(engine, run(number, minutes=-days * 1440, conclusion="failure", branch=("main", "dev")[number % 2]))
        store_jobs(engine, number, job(number * 10, conclusion="failure", name=f"test ({number})"))
        state, text = (LogState.EXPIRED, None) if number == 4 else (LogState.STORED, TEXT.format(f"10.0.0.{number}"))
        with write_scope(engine) as session:
            store_log(session, 1, LogRecord(number * 10, number, state, text), NOON)
    index_logs(engine, seconds=20)
    assert create_segment(engine, logs=3)
    return client


def test_a_result_names_run_job_line_and_positions(logs: TestClient) -> None:
    body = logs.get("/api/logs/search", params={"q": "connect econnrefused", "context": "2"}).json()
    first, second = body["items"]
    assert first["run"] == {
        "id": 1, "repo": "acme/web", "workflow": "CI", "workflow_id": 5, "run_number": 1, "attempt": 1,
        "title": "a change", "event": "push", "branch": "dev", "conclusion": "failure",
        "created_at": "2026-11-17T12:00:00Z",
    }  # fmt: skip
    assert first["job"] == {"id": 10, "name": "test (1)", "conclusion": "failure"}
    assert (first["matching_lines"], first["all_lines_read"], second["run"]["id"]) == (1, True, 2)
    assert first["lines"] == [
        {
            "line": 2, "text": "Error: connect ECONNREFUSED 10.0.0.1", "offset": 0, "positions": [[7, 27]],
            "before": ["npm test"], "after": ["bye"],
        }
    ]  # fmt: skip
    assert body["logs"] == {
        "stored": 2, "excluded_by_index": 0, "read": 2, "unread": 0, "unindexed": 0, "unreadable": [], "unfinished": [],
        "unclassified": None,
    }  # fmt: skip
    assert body["failed_jobs_without_log"] == {
        "expired": 1, "pruned": 0, "missing": 0, "pending": 0, "not_requested": 0
    }  # fmt: skip
    assert (body["next"], body["partial"]) == (None, False)


def test_filters_and_pages(logs: TestClient) -> None:
    def found(**params: str) -> list[int]:
        return [item["run"]["id"] for item in logs.get("/api/logs/search", params=params).json()["items"]]

    assert found(regex=r"10\.0\.0\.\d$", since="90d") == [1, 2, 3]
    assert found(q="econnrefused", case="1") == []
    assert found(q="ECONNREFUSED", branch="main") == [2]
    assert found(q="ECONNREFUSED", job="test (2)") == [2]
    assert found(q="ECONNREFUSED", job="test") == [1, 2]
    assert found(q="ECONNREFUSED", workflow="Deploy") == []
    page = logs.get("/api/logs/search", params={"q": "connect", "since": "90d", "limit": "2"}).json()
    assert (len(page["items"]), page["logs"]["unread"], page["partial"]) == (2, 1, False)
    assert found(q="connect", since="90d", limit="2", cursor=page["next"]) == [3]


def test_logs_are_selected_by_the_class_of_their_cause(logs: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        add_cause(session, 20, 2, kind="infrastructure")
        add_cause(session, 20, 2, 1, kind="test")
        add_cause(session, 30, 3, kind="timeout")

    def search(*classes: str, job: str = "test") -> dict[str, Any]:
        params = {"q": "connect", "since": "90d", "class": list(classes), "job": job}
        body: dict[str, Any] = logs.get("/api/logs/search", params=params).json()
        return body

    body = search("infrastructure", "timeout")
    assert [item["run"]["id"] for item in body["items"]] == [2, 3]
    assert (body["logs"]["stored"], body["logs"]["unclassified"]) == (2, 1)
    assert search("timeout", job="test (2)")["logs"]["unclassified"] == 0
    assert search("test")["items"] == [], "only the first cause of a job counts"


def test_a_stream_has_one_line_for_each_log_and_a_summary(logs: TestClient) -> None:
    response = logs.get("/api/logs/search", params={"q": "connect", "format": "ndjson"})
    *items, last = [json.loads(line) for line in response.text.splitlines()]
    body = logs.get("/api/logs/search", params={"q": "connect"}).json()
    assert response.headers["content-type"] == "application/x-ndjson"
    assert items == body.pop("items")
    for each in (body, last["summary"]):
        assert each.pop("window")
    assert last["summary"] == body


@pytest.mark.parametrize(
    ("query", "parameter", "message"),
    [
        ("", "q", "expected either q, a text, or regex, a regular expression"),
        ("q=a&regex=b", "q", "expected either q"),
        ("q=%20", "q", "expected 1 to 200 characters that are not blank"),
        (f"q={'x' * 201}", "q", "got 201"),
        ("q=a%00b", "q", "cannot be searched for"),
        ("regex=(a", "regex", "invalid regular expression: missing ): (a"),
        ("regex=a(%3F%3Db)", "regex", "invalid perl operator"),
        ("regex=x*", "regex", "matches every line"),
        ("regex=((a{100}){100}){100}", "regex", "invalid repetition size"),
        (r"regex=\pL{1,100}x", "regex", "too complex"),
        (r"regex=a\Cb", "regex", r"\C is not supported"),
        ("q=a&cursor=nonsense", "cursor", "not issued by this API"),
        ("q=a&case=perhaps", "case", ""),
        ("q=a&limit=0", "limit", ""),
        ("q=a&repo=acme/none", "repo", "not monitored"),
        ("q=a&class=flaky", "class", "'infrastructure'"),
        ("q=a&query=b", "query", "unknown parameter"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_invalid_request_is_one_line(client: TestClient, query: str, parameter: str, message: str) -> None:
    response = client.get(f"/api/logs/search?{query}")
    (error,) = response.json()["errors"]
    assert (response.status_code, error["parameter"]) == (422, parameter)
    assert message in error["message"]
    assert "\n" not in error["message"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_concurrent_searches_are_limited(client: TestClient) -> None:
    cost = client.app.state.concurrency_limits.cost_of("GET", "/api/logs/search")  # type: ignore[attr-defined]
    cost.pool.acquire(3)
    response = client.get("/api/logs/search?q=text")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    cost.pool.release(3)
    threads = [threading.Thread(target=client.get, args=("/api/logs/search?q=text",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each request has returned its units.
    assert client.get("/api/logs/search?q=text&format=ndjson").status_code == 200
    cost.pool.acquire(3)
    cost.pool.release(3)


def test_damaged_logs_are_named_and_counted(logs: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        session.execute(update(JobLog).where(JobLog.job_id == 10).values(content=b"damaged"))
    body = logs.get("/api/logs/search", params={"q": "connect"}).json()
    assert [item["run"]["id"] for item in body["items"]] == [2]
    assert body["logs"]["unreadable"] == [{"repo": "acme/web", "run_id": 1, "job_id": 10, "job": "test (1)"}]
    response = logs.get("/api/logs/1")
    assert (response.status_code, response.json()["jobs"][0]["state"]) == (200, "unreadable")
    assert logs.get("/api/logs/1?format=text").status_code == 200
