from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from db.definitions.records import LogRecord
from db.engine import session_scope, write_scope
from db.logs import log_queries as queries
from db.logs.log_queries import list_logs
from db.logs.log_writes import store_log
from db.models import JobLog
from health.retention import prune_logs
from tests.api.conftest import MakeClient, TestClient
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs
from tests.causes import add_cause
from tests.kept import Kept


def fill(engine: Engine) -> None:
    """Run 1: a failed job (10), a passed one (11), a skipped one (12)."""
    add_repository(engine)
    store_runs(engine, run(1, conclusion="failure"))
    store_jobs(
        engine, 1, job(10, name="test", conclusion="failure"), job(11, name="lint\nnow"),
        job(12, name="deploy", conclusion="skipped", steps=()), attempts=(attempt(1, "failure"),),
    )  # fmt: skip


@pytest.fixture
def filled(make_client: MakeClient, engine: Engine, kept: Kept) -> TestClient:
    kept.fill(engine, fill)
    return make_client()


def keep(engine: Engine, job_id: int, **values: Any) -> None:
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(job_id=job_id, run_id=1, **values), NOON)


def stored(engine: Engine, job_id: int, text: str) -> None:
    keep(engine, job_id, state="stored", text=text, excerpt_first_line=2, excerpt=("boom",))


def test_a_log_that_is_not_stored_is_asked_for_once_and_answered_with_202(filled: TestClient, engine: Engine) -> None:
    for _ in range(2):
        answer = filled.get("/api/logs/1")
        assert answer.status_code == 202
        assert answer.headers["retry-after"] == "2"
        assert [(each["job_id"], each["state"]) for each in answer.json()["jobs"]] == [(10, "pending"), (11, "pending")]
    with session_scope(engine) as session:
        assert [row.state for row in list_logs(session, 1, 1)] == ["pending", "pending"]


def test_texts_of_many_jobs_are_left_out_beyond_a_size(
    filled: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the job which matters most is there, however long."""
    monkeypatch.setattr(queries, "MAX_TEXT_BYTES", 100)
    store_jobs(engine, 1, job(14, name="unit"), job(15, name="docs"))
    for job_id, text in ((10, "boom\n" * 30), (11, "lint\n" * 10), (14, "unit\n" * 10), (15, "d\n")):
        keep(engine, job_id, state="stored", text=text, size_bytes=len(text), excerpt_first_line=1, excerpt=("x",))
    jobs = {each["job_id"]: each for each in filled.get("/api/logs/1").json()["jobs"]}
    assert jobs[10]["text"] == "boom\n" * 30
    assert {each["text"] for number, each in jobs.items() if number != 10} == {None}
    assert {each["state"] for each in jobs.values()} == {"stored"}
    assert jobs[11]["excerpt"]["lines"] == ["x"]
    (one,) = filled.get("/api/logs/1?job_id=14").json()["jobs"]
    assert one["text"] == "unit\n" * 10
    plain = filled.get("/api/logs/1?format=text").text
    assert plain.count("boom") == 30
    assert "===== unit (success) =====\nOmitted from this response; request it with job_id=14.\n" in plain
    keep(engine, 10, state="stored", text="boom\n", size_bytes=5, excerpt_first_line=1, excerpt=("x",))
    jobs = {each["job_id"]: each for each in filled.get("/api/logs/1").json()["jobs"]}
    assert sorted(number for number, each in jobs.items() if each["text"]) == [10, 11, 15]


def test_a_job_whose_end_is_unknown_keeps_nobody_waiting(filled: TestClient, engine: Engine) -> None:
    left_open = job(13, name="publish", status="in_progress", conclusion=None, end=None)
    store_jobs(engine, 1, left_open, fetched_at=NOON + timedelta(minutes=20))
    stored(engine, 10, "one\nboom\n")
    stored(engine, 11, "fine\n")
    answer = filled.get("/api/logs/1")
    states = {each["job_id"]: each["state"] for each in answer.json()["jobs"]}
    assert (answer.status_code, states) == (200, {10: "stored", 11: "stored", 13: "missing"})
    jobs = {each["id"]: each for each in filled.get("/api/runs/1").json()["jobs"]}
    assert (jobs[13]["status"], jobs[13]["end_unknown"], jobs[13]["duration_seconds"]) == ("in_progress", True, None)
    assert not jobs[10]["end_unknown"]


def test_only_the_job_asked_for_is_fetched(filled: TestClient, engine: Engine) -> None:
    assert filled.get("/api/logs/1", params={"job_id": 11}).status_code == 202
    with session_scope(engine) as session:
        assert {row.job_id: row.state for row in list_logs(session, 1, 1)} == {10: None, 11: "pending"}


def test_stored_logs_are_answered_with_excerpt_and_text(filled: TestClient, engine: Engine) -> None:
    line = "FAILED test_a.py::test_one - boom"
    keep(engine, 10, state="stored", text="one\nboom\n", excerpt_first_line=2, excerpt=("boom",), error_line=line)
    keep(engine, 11, state="missing")
    answer = filled.get("/api/logs/1")
    assert answer.status_code == 200
    assert answer.json() == {
        "run_id": 1,
        "attempt": 1,
        "jobs": [
            {
                "job_id": 10, "name": "test", "conclusion": "failure", "state": "stored",
                "excerpt": {"first_line": 2, "lines": ["boom"]}, "text": "one\nboom\n",
                "cause": {
                    "line": line, "line_number": None, "class": "test", "tool": "pytest",
                    "subject": "test_a.py::test_one", "cause_id": None,
                },
            },
            {
                "job_id": 11, "name": "lint\nnow", "conclusion": "success", "state": "missing",
                "excerpt": {"first_line": None, "lines": []}, "text": None, "cause": None,
            },
        ],
    }  # fmt: skip


def test_the_first_cause_of_a_job_is_answered_as_it_is_stored(filled: TestClient, engine: Engine) -> None:
    stored(engine, 10, "one\nboom\n")
    with write_scope(engine) as session:
        session.execute(update(JobLog).where(JobLog.job_id == 10).values(error_line="x", fingerprint="f"))
        add_cause(session, 10, 1, kind="infrastructure", tool="runner", subject=None, line="lost", line_number=None)
        add_cause(session, 10, 1, 1, fingerprint="g")
    (cause,) = [job["cause"] for job in filled.get("/api/logs/1").json()["jobs"] if job["job_id"] == 10]
    assert cause == {
        "line": "lost", "line_number": None, "class": "infrastructure", "tool": "runner", "subject": None,
        "cause_id": "f",
    }  # fmt: skip


def test_text_holds_the_stored_logs_under_a_line_each(filled: TestClient, engine: Engine) -> None:
    stored(engine, 10, "one\n")
    stored(engine, 11, "two\n")
    answer = filled.get("/api/logs/1", params={"format": "text"})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "===== test (failure) =====\none\n\n===== lint now (success) =====\ntwo\n"


def test_logs_that_github_deleted_are_gone(filled: TestClient, engine: Engine) -> None:
    keep(engine, 10, state="expired")
    keep(engine, 11, state="expired")
    for parameters in ({}, {"format": "text"}):
        answer = filled.get("/api/logs/1", params=parameters)
        assert answer.status_code == 410
        assert answer.headers["content-type"] == "application/problem+json"
        assert [each["state"] for each in answer.json()["jobs"]] == ["expired", "expired"]


def test_one_stored_log_among_expired_ones_is_shown(filled: TestClient, engine: Engine) -> None:
    stored(engine, 10, "one\n")
    keep(engine, 11, state="expired")
    assert filled.get("/api/logs/1").status_code == 200
    assert filled.get("/api/logs/1?job_id=11").status_code == 410


@pytest.mark.parametrize(
    "path", ["2", "1?attempt=2", "1?job_id=12", "1?job_id=99", "1?attempt=2&job_id=10", str(2**70)]
)
def test_an_unknown_run_attempt_or_job_is_a_404(filled: TestClient, path: str) -> None:
    answer = filled.get(f"/api/logs/{path}")
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("There is no ")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("query", ["format=xml", "attempt=0", "attempt=x", "job_id=-1", "job_id=1e9", "job=10"])
def test_bad_parameters_are_named(filled: TestClient, query: str) -> None:
    answer = filled.get(f"/api/logs/1?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_job_that_still_runs_is_pending_but_not_asked_for(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1, status="in_progress", conclusion=None))
    store_jobs(engine, 1, job(10, status="in_progress", conclusion=None, end=None), attempts=(attempt(1, None),))
    answer = client.get("/api/logs/1")
    assert (answer.status_code, answer.json()["jobs"][0]["state"]) == (202, "pending")
    with session_scope(engine) as session:
        assert list_logs(session, 1, 1)[0].state is None


def test_jobs_that_are_not_known_yet_will_come(make_client: MakeClient, client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, status="queued", conclusion=None))
    soon = make_client(now=NOON + timedelta(minutes=5))
    assert soon.get("/api/logs/1").status_code == 202
    assert client.get("/api/logs/2").status_code == 202
    late = client.get("/api/logs/1")
    assert (late.status_code, late.json()["jobs"]) == (200, [])


def test_the_logs_of_an_earlier_attempt_are_its_own(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1, attempt=2))
    store_jobs(
        engine, 1, job(10, conclusion="failure"), job(20, attempt=2, start=100, end=120),
        attempts=(attempt(1, "failure"), attempt(2, "success", start=90, end=120)),
    )  # fmt: skip
    assert [each["job_id"] for each in client.get("/api/logs/1").json()["jobs"]] == [20]
    assert [each["job_id"] for each in client.get("/api/logs/1?attempt=1").json()["jobs"]] == [10]


def test_a_log_that_was_missing_yesterday_is_asked_for_once_more(filled: TestClient, engine: Engine) -> None:
    for job_id in (10, 11):
        keep(engine, job_id, state="missing")
    assert filled.get("/api/logs/1").status_code == 200
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(job_id=10, run_id=1, state="missing"), NOON - timedelta(hours=25))
    answer = filled.get("/api/logs/1")
    assert answer.status_code == 202
    assert {each["job_id"]: each["state"] for each in answer.json()["jobs"]} == {10: "pending", 11: "missing"}


def test_logs_that_were_deleted_for_their_age_are_gone(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1))
    store_jobs(engine, 1, job(9, conclusion="failure"))
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(9, 1, "stored", text="it failed", excerpt=("it failed",)), NOON)
    assert client.get("/api/logs/1").status_code == 200
    assert sum(prune_logs(engine, NOON + timedelta(days=1))) == 1
    answer = client.get("/api/logs/1")
    assert answer.status_code == 410
    assert "LOG_RETENTION_DAYS" in answer.json()["detail"]
    assert [(each["state"], each["excerpt"]["lines"]) for each in answer.json()["jobs"]] == [("pruned", ["it failed"])]
