from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.api.conftest import TestClient
from tests.builders import NOON, attempt, job, run, store_jobs, store_runs
from tests.causes import store_causes

RUN_FIELDS = {
    "id", "repo", "workflow", "workflow_id", "run_number", "attempt", "title", "event", "branch", "head_sha", "actor",
    "status", "conclusion", "created_at", "started_at", "completed_at", "duration_seconds", "queue_seconds", "html_url",
}  # fmt: skip


def test_runs_are_listed_newest_first_with_the_fields_of_the_contract(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, minutes=5, seconds=90))
    body = client.get("/api/runs").json()
    assert [item["id"] for item in body["items"]] == [2, 1]
    assert body["next"] is None
    first = body["items"][0]
    assert set(first) >= RUN_FIELDS
    assert (first["repo"], first["workflow"], first["outcome"]) == ("acme/web", "CI", "success")
    assert first["created_at"] == "2026-11-18T12:05:00Z"
    assert first["duration_seconds"] == 90


def test_pages_follow_one_another_while_new_runs_arrive(client: TestClient, engine: Engine) -> None:
    store_runs(engine, *(run(number, minutes=number) for number in range(1, 8)))
    first = client.get("/api/runs", params={"limit": 3}).json()
    store_runs(engine, run(99, minutes=60))
    second = client.get("/api/runs", params={"limit": 3, "cursor": first["next"]}).json()
    third = client.get("/api/runs", params={"limit": 3, "cursor": second["next"]}).json()
    seen = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert third["next"] is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("cursor", ["nonsense", "MjAyNg", "é", "=" * 100])
def test_a_cursor_that_is_not_ours_is_named(client: TestClient, cursor: str) -> None:
    answer = client.get("/api/runs", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "cursor"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("limit", ["0", "501", "ten", "-1", "1e3"])
def test_a_limit_out_of_bounds_is_named(client: TestClient, limit: str) -> None:
    answer = client.get("/api/runs", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "limit"


@pytest.mark.parametrize(("words", "found"), [("cart", [1]), ("CART", [1]), ("#2", [2]), ("50%", []), ("_", [])])
def test_text_is_searched_for_as_it_is_written(
    client: TestClient, engine: Engine, words: str, found: list[int]
) -> None:
    store_runs(engine, run(1, title="fix the cart"), run(2, title="other"))
    assert [item["id"] for item in client.get("/api/runs", params={"q": words}).json()["items"]] == found


def test_a_run_shows_its_attempts_and_the_jobs_of_the_latest_one(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1, attempt=2, conclusion="success", started_at=NOON + timedelta(seconds=100)))
    store_jobs(
        engine, 1, job(10, conclusion="failure"), job(11, attempt=2, start=105, end=160),
        attempts=(attempt(1, "failure"), attempt(2, "success", start=100, end=160)),
    )  # fmt: skip
    body = client.get("/api/runs/1").json()
    assert [each["attempt"] for each in body["attempts"]] == [1, 2]
    assert [each["id"] for each in body["jobs"]] == [11]
    assert body["jobs"][0]["steps"] == [
        {
            "number": 1,
            "name": "Set up job",
            "status": None,
            "conclusion": None,
            "started_at": None,
            "completed_at": None,
        }
    ]
    earlier = client.get("/api/runs/1", params={"attempt": 1}).json()
    assert [(each["id"], each["conclusion"]) for each in earlier["jobs"]] == [(10, "failure")]


@pytest.mark.parametrize("path", ["/api/runs/5", "/api/runs/1?attempt=9", f"/api/runs/{2**80}", "/api/runs/-1"])
def test_what_is_not_there_is_a_404_problem(client: TestClient, engine: Engine, path: str) -> None:
    store_runs(engine, run(1))
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("There is no ")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_run_id_that_is_no_number_is_named(client: TestClient) -> None:
    answer = client.get("/api/runs/latest")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "run_id"


def test_a_run_is_found_by_who_started_it_and_names_its_author_and_who_ran_it_again(
    client: TestClient, engine: Engine
) -> None:
    store_runs(
        engine,
        run(7, attempt=2, triggering_actor="bob", commit_author="Hana Sato", commit_message="Round half\n\nBooks."),
    )
    assert client.get("/api/runs", params={"actor": "bob"}).json()["items"] == []
    (found,) = client.get("/api/runs", params={"actor": "alice"}).json()["items"]
    assert (found["actor"], found["triggering_actor"]) == ("alice", "bob")
    assert (found["commit_author"], found["commit_message"]) == ("Hana Sato", "Round half\n\nBooks.")
    assert client.get("/api/runs/7").json()["attempts"][0]["actor"] == "bob"
    exported = client.get("/api/export/runs", params={"format": "csv"}).text
    assert '"Round half\n\nBooks."' in exported


def test_jobs_of_a_run_are_listed_page_by_page(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1, attempt=2, conclusion="failure"))
    first = [job(number) for number in range(1, 4)]
    second = [
        job(number, attempt=2, conclusion="failure" if number % 3 == 1 else "success") for number in range(10, 17)
    ]
    store_jobs(engine, 1, *first, *second, attempts=(attempt(1, "failure"), attempt(2, "failure")))
    whole = client.get("/api/runs/1").json()["jobs"]
    pages, cursor = [], {}
    for _ in range(3):
        page = client.get("/api/runs/1/jobs", params={"limit": 3, **cursor}).json()
        assert page["attempt"] == 2
        pages.append([each["id"] for each in page["items"]])
        assert page["items"][0] == next(each for each in whole if each["id"] == page["items"][0]["id"])
        cursor = {"cursor": page["next"]}
    assert pages == [[10, 11, 12], [13, 14, 15], [16]]
    assert cursor == {"cursor": None}
    asked = client.get("/api/runs/1/jobs", params={"conclusion": ["failure", "timed_out"], "limit": 2}).json()
    assert ([each["id"] for each in asked["items"]], asked["next"]) == ([10, 13], 13)
    assert [each["id"] for each in client.get("/api/runs/1/jobs?attempt=1").json()["items"]] == [1, 2, 3]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [("limit=501", 422, "limit"), ("cursor=x", 422, "cursor"), ("conclusion=odd", 422, "conclusion"),
     ("page=2", 422, "page"), ("attempt=3", 404, None)],
)  # fmt: skip
def test_what_a_page_of_jobs_cannot_be_is_named(
    client: TestClient, engine: Engine, query: str, status: int, parameter: str | None
) -> None:
    store_runs(engine, run(1))
    answer = client.get(f"/api/runs/1/jobs?{query}")
    assert answer.status_code == status
    assert [each["parameter"] for each in answer.json().get("errors") or []] == ([parameter] if parameter else [])
    assert client.get("/api/runs/2/jobs").status_code == 404


def test_runs_are_filtered_by_the_class_of_the_cause_of_their_latest_attempt(
    client: TestClient, engine: Engine
) -> None:
    """Run 1: the copy of a job of the first attempt; 2: a test, and infrastructure only as its second cause; 3: passed
    when it was re-run; 4: one job of each class."""
    again = {"attempt": 2, "started_at": NOON + timedelta(seconds=100)}
    store_runs(engine, run(1, conclusion="failure", **again), run(2, conclusion="failure"), run(3, **again),
               run(4, conclusion="failure"))  # fmt: skip
    attempts = attempt(1, "failure"), attempt(2, "failure", start=100, end=160)
    failed = {"conclusion": "failure"}
    store_jobs(engine, 1, job(10, **failed), job(11, attempt=2, **failed), attempts=attempts)
    store_jobs(engine, 2, job(20, **failed))
    store_jobs(engine, 3, job(30, **failed), job(31, attempt=2, start=105, end=160),
               attempts=(attempt(1, "failure"), attempt(2, "success", start=100, end=160)))  # fmt: skip
    store_jobs(engine, 4, job(40, **failed), job(41, name="lint", **failed))
    store_causes(engine, {10: ["infrastructure"], 20: ["test", "infrastructure"], 30: ["infrastructure"],
                          40: ["infrastructure"], 41: ["test"]})  # fmt: skip

    def listed(*classes: str) -> set[int]:
        return {item["id"] for item in client.get("/api/runs", params={"class": list(classes)}).json()["items"]}

    assert listed("infrastructure") == {1, 4}
    assert listed("test") == {2, 4}
    assert listed("test", "infrastructure") == {1, 2, 4}
    assert listed("lint") == set()
    assert client.get("/api/runs?class=tset").json()["errors"][0]["parameter"] == "class"
