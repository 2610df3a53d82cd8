"""Logs: found, kept, cut, expired, and their cause named."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector.logs import budget, buffer
from db.engine import session_scope, write_scope
from db.logs.log_queries import list_logs
from db.logs.log_writes import request_logs
from db.models import JobLog
from tests.collector.conftest import REPO, GitHub, jobs_of
from tests.collector.syncing import fetch_logs, sync

FAILING = "\ufeff" + "\r\n".join(
    f"2026-11-18T12:00:{number:02d}.1234567Z {line}"
    for number, line in enumerate(
        (
            "##[group]Run pytest --error-for-skips",
            "\x1b[36;1mpytest\x1b[0m",
            "##[endgroup]",
            "collected 3 items",
            "E       AssertionError: assert 3 == 4",
            "FAILED tests/test_sum.py::test_three - AssertionError: assert 3 == 4",
            "##[error]Process completed with exit code 1.",
            "Post job cleanup.",
        )
    )
)


@pytest.fixture
def failed_run(engine: Engine, github: GitHub) -> int:
    run = github.world.add_run(REPO, "CI", conclusion="failure", jobs=2, created_at=github.clock() - timedelta(hours=1))
    for job in jobs_of(github):
        github.world.set_log(job, FAILING)
    sync(engine, github.url, (REPO,), clock=github.clock)
    return run


def test_only_the_failed_jobs_log_is_fetched_and_its_cause_is_kept(
    engine: Engine, github: GitHub, failed_run: int
) -> None:
    assert fetch_logs(engine, github.url, clock=github.clock) == 1
    with session_scope(engine) as session:
        passed, failed = sorted(list_logs(session, failed_run, 1), key=lambda row: row.job_id)
    assert (passed.state, failed.state) == (None, "stored")
    assert failed.error_line == "FAILED tests/test_sum.py::test_three - AssertionError: assert 3 == 4"
    assert failed.excerpt[(failed.excerpt_first_line or 1) - 1 + 5] == failed.error_line
    assert failed.text is not None
    assert "\r" not in failed.text
    assert not failed.text.startswith("\ufeff")


def test_a_log_that_was_asked_for_is_fetched_even_if_none_are_collected(
    engine: Engine, github: GitHub, failed_run: int
) -> None:
    with session_scope(engine) as session:
        wanted = [row.job_id for row in list_logs(session, failed_run, 1)]
    with write_scope(engine) as session:
        request_logs(session, 1001, failed_run, wanted, github.clock())
    with Session(engine) as reading:
        owner = reading.scalars(select(JobLog.repository_id)).first()
    assert owner == 1001
    assert fetch_logs(engine, github.url, clock=github.clock, collect="none") == 2


def test_an_expired_log_is_noted_once_and_not_asked_for_again(engine: Engine, github: GitHub, failed_run: int) -> None:
    github.world.expire_logs(failed_run)
    assert fetch_logs(engine, github.url, clock=github.clock) == 0
    github.asked()
    fetch_logs(engine, github.url, clock=github.clock)
    assert github.asked() == []
    with Session(engine) as session:
        assert session.scalars(select(JobLog.state)).all() == ["expired"]


def test_a_log_not_there_yet_is_tried_again_later(engine: Engine, github: GitHub, failed_run: int) -> None:
    github.world.faults.add("jobs/.*/logs", status=404)
    assert fetch_logs(engine, github.url, clock=github.clock) == 0
    github.clock.forward(minutes=1)
    assert fetch_logs(engine, github.url, clock=github.clock) == 1


def test_of_a_huge_log_head_and_tail_are_kept_and_the_cut_is_marked(
    engine: Engine, github: GitHub, failed_run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "HEAD_BYTES", 1_000)
    monkeypatch.setattr(buffer, "TAIL_BYTES", 70_000)
    middle = "\n".join(f"line {number}" for number in range(60_000))
    for job in jobs_of(github):
        github.world.set_log(job, "the head\n" + middle + "\n" + FAILING)
    fetch_logs(engine, github.url, clock=github.clock)
    with session_scope(engine) as session:
        row = next(row for row in list_logs(session, failed_run, 1) if row.state == "stored")
    assert row.truncated
    assert row.text is not None
    assert row.text.startswith("the head")
    assert "left out" in row.text
    assert len(row.text) < 250_000
    assert row.error_line is not None
    assert row.error_line.startswith("FAILED")


def test_when_the_runner_died_the_cause_comes_from_the_annotations(
    engine: Engine, github: GitHub, failed_run: int
) -> None:
    for job in jobs_of(github):
        github.world.set_log(job, "2026-11-18T12:00:00.0000000Z everything fine so far\n")
    github.world.runs[failed_run].attempts[-1].cause = "runner_lost"
    fetch_logs(engine, github.url, clock=github.clock)
    with session_scope(engine) as session:
        row = next(row for row in list_logs(session, failed_run, 1) if row.state == "stored")
    assert row.error_line is not None
    assert "lost communication" in row.error_line


def test_beyond_its_cpu_time_a_log_has_no_excerpt_and_is_stored(
    engine: Engine, github: GitHub, failed_run: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(budget, "CPU_BUDGET", 0.0)
    fetch_logs(engine, github.url, clock=github.clock)
    with session_scope(engine) as session:
        row = next(each for each in list_logs(session, failed_run, 1) if each.state == "stored")
    assert row.text
    assert FAILING.splitlines()[-1] in row.text
    assert not row.excerpt
    assert "no excerpt of the log of job" in caplog.text
