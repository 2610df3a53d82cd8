"""Jobs that GitHub never closed, of runs that are over."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from db.engine import session_scope, write_scope
from db.jobs.webhook_events import JobUpdate, store_events
from db.logs.log_queries import JobLogRow, list_logs
from db.repositories.repository_writes import get_repository
from db.runs.job_queries import JobRow, list_job_summaries, list_jobs
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs

LATE = NOON + timedelta(minutes=20)


def jobs(engine: Engine, number: int = 1) -> dict[int, JobRow]:
    with session_scope(engine) as session:
        listed = list_jobs(session, 100, number)
        summaries = list_job_summaries(session, 100, number)
        assert [vars(each).keys() - vars(summary).keys() for each, summary in zip(listed, summaries, strict=True)] == [
            {"steps"} for _ in listed
        ]
        assert all(vars(each).items() >= vars(summary).items() for each, summary in zip(listed, summaries, strict=True))
        return {each.id: each for each in listed}


def logs(engine: Engine) -> dict[int, JobLogRow]:
    with session_scope(engine) as session:
        return {each.job_id: each for each in list_logs(session, 100, 1)}


@pytest.mark.parametrize("status", ["in_progress", "queued", "waiting", "pending"])
def test_a_job_left_open_in_a_finished_run_ends_at_an_unknown_time(engine: Engine, status: str) -> None:
    add_repository(engine)
    store_runs(engine, run(conclusion="failure"))
    left_open = job(2, name="deploy", status=status, conclusion=None, end=None)
    store_jobs(engine, 100, job(1, conclusion="failure"), left_open, fetched_at=NOON + timedelta(minutes=3))
    assert not jobs(engine)[2].end_unknown
    assert logs(engine)[2].state is None
    store_jobs(engine, 100, job(1, conclusion="failure"), left_open, fetched_at=LATE)
    found = jobs(engine)
    assert (found[2].status, found[2].end_unknown, found[2].duration_seconds) == (status, True, None)
    assert (found[2].display_state, found[1].display_state) == ("end_unknown", "failure")
    assert not found[1].end_unknown
    assert (logs(engine)[2].state, logs(engine)[1].state) == ("missing", None)


def test_a_job_of_a_run_in_progress_is_running(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(status="in_progress", conclusion=None))
    store_jobs(engine, 100, job(1, status="in_progress", conclusion=None, end=None), fetched_at=LATE)
    assert (jobs(engine)[1].end_unknown, jobs(engine)[1].display_state) == (False, "in_progress")


def test_a_job_left_open_in_an_earlier_attempt_does_not_wait_for_the_next(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(attempt=2, status="in_progress", conclusion=None))
    left_open = job(1, status="in_progress", conclusion=None, end=None)
    again = job(2, attempt=2, status="in_progress", conclusion=None, end=None)
    store_jobs(engine, 100, left_open, again, attempts=(attempt(1, "failure"),), fetched_at=LATE)
    assert jobs(engine)[1].end_unknown
    assert not jobs(engine, 2)[2].end_unknown


def test_an_end_that_a_webhook_brings_later_counts(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run())
    left_open = job(2, name="deploy", status="in_progress", conclusion=None, end=None)
    store_jobs(engine, 100, job(1), left_open, fetched_at=LATE)
    with write_scope(engine) as session:
        store_events(session, get_repository(session, 1), [], [JobUpdate(100, job(2, name="deploy", end=50))])
    found = jobs(engine)[2]
    assert (found.end_unknown, found.duration_seconds) == (False, 45)
    assert logs(engine)[2].state is None


def test_a_report_left_open_has_no_log_to_wait_for(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run())
    report = job(
        3, name="JUnit", status="in_progress", conclusion=None, end=None, runner=None, labels=(), steps=(),
        html_url="https://github.com/acme/web/runs/3",
    )  # fmt: skip
    store_jobs(engine, 100, job(1), report, fetched_at=LATE)
    assert (jobs(engine)[3].phantom, list(logs(engine))) == (True, [1])
