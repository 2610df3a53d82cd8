"""Which logs are fetched next, when a failed try is repeated, and what is known of those that are not kept."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.records import LogRecord
from db.engine import session_scope, write_scope
from db.logs.log_queries import LogStateCounts, log_gaps
from db.logs.log_writes import MAX_ATTEMPTS, MAX_TEMPORARY_FAILURES, record_failed_fetch, request_logs, store_log
from db.logs.pending_logs import PendingLog, finished_jobs, pending_logs
from db.models import JobLog
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs

DAY = 24 * 60


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


def add_job(engine: Engine, job_id: int, *, days: float = 0, conclusion: str = "failure", **changed: Any) -> None:
    """A run of one job, both of that id, created so many days ago."""
    begun = NOON - timedelta(days=days)
    store_runs(engine, run(job_id, minutes=-days * DAY, conclusion=conclusion))
    made = job(job_id, at=begun, conclusion=conclusion, **changed)
    store_jobs(engine, job_id, made, attempts=(attempt(1, conclusion),))


def wanted(engine: Engine, collect: str = "failed", now: datetime = NOON, **more: Any) -> list[PendingLog]:
    with session_scope(engine) as session:
        return pending_logs(session, 1, collect=collect, now=now, limit=more.pop("limit", 100), **more)


def ids(engine: Engine, collect: str = "failed", now: datetime = NOON, **more: Any) -> list[int]:
    return [each.job_id for each in wanted(engine, collect, now, **more)]


def lost(job_id: int) -> LogRecord:
    return LogRecord(job_id, job_id, "missing", error_line="the runner was lost", fingerprint="f")


def fail(engine: Engine, job_id: int, now: datetime, **more: Any) -> None:
    with write_scope(engine) as session:
        record_failed_fetch(session, 1, job_id, job_id, now, **more)


def ask(engine: Engine, job_id: int, now: datetime = NOON) -> list[int]:
    with write_scope(engine) as session:
        return request_logs(session, 1, job_id, [job_id], now)


def row(engine: Engine, job_id: int) -> JobLog:
    with Session(engine) as session:
        found = session.get(JobLog, (1, job_id))
        assert found is not None
        return found


def test_what_was_asked_for_comes_first_then_today_then_what_is_soon_gone(engine: Engine) -> None:
    add_job(engine, 1, days=85)
    add_job(engine, 2, days=40)
    add_job(engine, 3, days=0.5)
    add_job(engine, 4, days=0.1)
    add_job(engine, 5, days=88)
    add_job(engine, 6, days=91)
    add_job(engine, 7, days=20)
    add_job(engine, 8, days=0.1, conclusion="success")
    add_job(engine, 9, days=86, conclusion="success")
    add_job(engine, 10, days=200, conclusion="success")
    ask(engine, 10)
    assert ids(engine, "none") == [10]
    assert ids(engine, "failed") == [10, 4, 3, 1, 5, 7, 2]
    assert ids(engine, "all") == [10, 4, 3, 1, 5, 7, 2, 9, 8]
    assert ids(engine, "all", limit=3) == [10, 4, 3]


def test_only_own_jobs_that_are_over_are_wanted(engine: Engine) -> None:
    store_runs(engine, run(1, conclusion="failure"))
    store_jobs(
        engine, 1, job(1, conclusion="failure", name="a"), job(2, status="in_progress", conclusion=None, name="b"),
        job(3, conclusion="skipped", name="c"), job(4, conclusion="timed_out", name="d"),
        job(5, conclusion="failure", runner=None, labels=(), steps=(), start=0, end=0, name="report"),
        attempts=(attempt(1, "failure"),),
    )  # fmt: skip
    assert sorted(ids(engine)) == sorted(ids(engine, "all")) == [1, 4]
    assert ask(engine, 2) == [2]
    assert 2 not in ids(engine)
    with session_scope(engine) as session:
        assert [each.id for each in finished_jobs(session, 1, 1, 1)] == [1, 4]


def test_a_wanted_log_tells_when_its_step_failed_and_whether_the_attempt_is_over(engine: Engine) -> None:
    ends = {"conclusion": "success", "started_at": "2026-11-18T12:00:05Z", "completed_at": "2026-11-18T12:00:06Z"}
    failed = {"conclusion": "failure", "started_at": "2026-11-18T12:00:06Z", "completed_at": "2026-11-18T12:00:09Z"}
    later = failed | {"started_at": "2026-11-18T12:00:09Z"}
    steps = ({"number": 1} | ends, {"number": 2} | failed, {"number": 3} | later)
    add_job(engine, 1, steps=steps, name="test")
    store_runs(engine, run(2, conclusion=None, status="in_progress"))
    store_jobs(engine, 2, job(2, conclusion="failure"), attempts=(attempt(1, None),))
    over, going_on = sorted(wanted(engine), key=lambda each: each.job_id)
    assert over == PendingLog(
        1, 1, 1, "test", failed=True, attempt_completed=True, step=("2026-11-18T12:00:06", "2026-11-18T12:00:09"),
        workflow_id=5, created_at=run(1).created_at,
    )  # fmt: skip
    assert not over.succeeded
    assert (going_on.attempt_completed, going_on.step) == (False, None)


def test_a_job_that_was_cut_off_is_wanted_where_it_is_why_the_attempt_failed(engine: Engine) -> None:
    """As GitHub ends jobs whose time is over, and jobs that no runner took."""
    step = {"number": 1, "conclusion": "cancelled", "started_at": "2026-11-18T12:00:05Z",
            "completed_at": "2026-11-18T12:00:59Z"}  # fmt: skip
    for run_id, conclusion in ((1, "failure"), (2, "cancelled"), (3, "failure"), (4, "failure")):
        store_runs(engine, run(run_id, conclusion=conclusion))
    cut = {"conclusion": "cancelled"}
    store_jobs(engine, 1, job(11, name="a", steps=(step,), **cut), job(12, name="b"), attempts=(attempt(1, "failure"),))
    store_jobs(engine, 2, job(21, **cut), attempts=(attempt(1, "cancelled"),))
    store_jobs(
        engine, 3, job(31, name="a", **cut), job(32, name="b", conclusion="failure"), attempts=(attempt(1, "failure"),)
    )
    store_jobs(engine, 4, job(41, runner=None, steps=(), **cut), attempts=(attempt(1, "failure"),))
    found = {each.job_id: each for each in wanted(engine)}
    assert found.keys() == {11, 32, 41}
    assert all(each.failed for each in found.values())
    assert found[11].step == ("2026-11-18T12:00:05", "2026-11-18T12:00:59")
    assert {each.job_id for each in wanted(engine, "all") if each.failed} == {11, 32, 41}
    assert ask(engine, 31) == [31]
    assert not next(each for each in wanted(engine, "none") if each.job_id == 31).failed


def test_tries_are_repeated_at_growing_distances_until_the_log_counts_as_missing(engine: Engine) -> None:
    add_job(engine, 1)
    now = NOON
    for wait in (timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1)):
        fail(engine, 1, now)
        assert ids(engine, now=now + wait) == []
        now += wait + timedelta(seconds=1)
        assert ids(engine, now=now) == [1]
    fail(engine, 1, now)
    assert row(engine, 1).state == "missing"
    assert ids(engine, now=now + timedelta(days=1)) == []


def test_when_github_is_down_tries_go_on_for_a_day(engine: Engine) -> None:
    add_job(engine, 1)
    for number in range(MAX_TEMPORARY_FAILURES):
        assert number == 0 or row(engine, 1).state == "pending"
        fail(engine, 1, NOON, max_attempts=MAX_TEMPORARY_FAILURES)
        assert ids(engine, now=NOON + timedelta(minutes=59)) == ([1] if number < 3 else [])
        assert ids(engine, now=NOON + timedelta(minutes=61)) == ([1] if number < MAX_TEMPORARY_FAILURES - 1 else [])
    assert row(engine, 1).state == "missing"


def test_a_missing_log_may_be_asked_for_again_after_a_day_and_gets_one_more_try(engine: Engine) -> None:
    add_job(engine, 1)
    for _ in range(MAX_ATTEMPTS):
        fail(engine, 1, NOON, record=lost(1))
    assert ask(engine, 1, NOON + timedelta(hours=23)) == []
    later = NOON + timedelta(hours=25)
    assert ask(engine, 1, later) == [1]
    assert ask(engine, 1, later) == []
    (again,) = wanted(engine, "none", later)
    assert again.cause_known
    fail(engine, 1, later)
    assert (row(engine, 1).state, row(engine, 1).error_line) == ("missing", "the runner was lost")


@pytest.mark.parametrize("state", ["stored", "expired"])
def test_a_log_that_is_stored_or_gone_is_not_asked_for_again(engine: Engine, state: str) -> None:
    add_job(engine, 1)
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(1, 1, state), NOON)
    assert ask(engine, 1, NOON + timedelta(days=30)) == []
    fail(engine, 1, NOON + timedelta(days=30))
    assert row(engine, 1).state == state


def test_a_known_cause_outlives_its_log(engine: Engine) -> None:
    add_job(engine, 1)
    fail(engine, 1, NOON, record=lost(1))
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(1, 1, "expired"), NOON)
    kept = row(engine, 1)
    assert (kept.state, kept.error_line, kept.fingerprint) == ("expired", "the runner was lost", "f")
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(1, 1, "stored", text="x", error_line="boom"), NOON)
    assert (row(engine, 1).error_line, row(engine, 1).fingerprint) == ("boom", None)


def test_gaps_count_the_logs_of_failed_jobs_by_state(engine: Engine) -> None:
    for number, state in enumerate(("stored", "stored", "expired", "missing", "pending"), start=1):
        add_job(engine, number, days=number)
        with write_scope(engine) as session:
            store_log(session, 1, LogRecord(number, number, state), NOON)
    add_job(engine, 6)
    add_job(engine, 7, days=95)
    add_job(engine, 8, conclusion="success")
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(8, 8, "stored"), NOON)
    with session_scope(engine) as session:
        assert log_gaps(session, 1) == LogStateCounts(stored=2, expired=1, missing=1, pending=3)
        assert log_gaps(session, 1, now=NOON) == LogStateCounts(stored=2, expired=2, missing=1, pending=2)
        assert log_gaps(session, 2) == LogStateCounts()
