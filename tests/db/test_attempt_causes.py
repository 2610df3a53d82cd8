"""The causes of one attempt: their lines, other runs with them, and the verdict about each failed job."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event

from app.components import cause_marks
from db.definitions.records import LogRecord
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.runs.run_queries import get_run
from db.time_limit import TimeLimitExceeded
from health.insights.causes.attempt_causes import JobEvidence, RunReference, Verdict, attempt_causes
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs
from tests.causes import add_cause

NOW = NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


def failed_run(engine: Engine, number: int, fingerprint: str | None = "f", **changed: Any) -> None:
    """A failed run of one job, whose log names a cause."""
    values = {"conclusion": "failure", "branch": "feature", "minutes": -number} | changed
    store_runs(engine, run(number, **values))
    store_jobs(engine, number, job(number * 10, conclusion="failure", name="test"))
    add_log(engine, number * 10, number, fingerprint)


def add_log(engine: Engine, job_id: int, run_id: int, fingerprint: str | None) -> None:
    line = "E assert" if fingerprint else None
    log = LogRecord(job_id, run_id, LogState.EXPIRED, error_line=line, fingerprint=fingerprint)
    with write_scope(engine) as session:
        store_log(session, 1, log, NOON)


def evidence(engine: Engine, run_id: int, jobs: dict[int, str] | None = None, *, attempt: int = 1) -> JobEvidence:
    """About the first job."""
    jobs = jobs or {run_id * 10: "test"}
    with session_scope(engine) as session:
        shown = get_run(session, run_id)
        assert shown is not None
        return attempt_causes(session, shown, 1, attempt, jobs, NOW)[next(iter(jobs))]


def test_a_cause_is_new_until_an_earlier_run_has_it(engine: Engine) -> None:
    failed_run(engine, 5)
    known = evidence(engine, 5)
    assert (known.verdict, known.spread and known.spread.runs) == (Verdict.NEW, 1)
    assert [(cause.kind, cause.line) for cause in known.causes] == [("unknown", "E assert")], (
        "until causes are extracted"
    )
    failed_run(engine, 4)
    assert evidence(engine, 5).verdict is Verdict.NEW, "the first of both"
    later = evidence(engine, 4)
    assert (later.verdict, later.spread and later.spread.first_at) == (Verdict.SEEN, NOON - timedelta(minutes=5))
    failed_run(engine, 3, None)
    assert evidence(engine, 3).verdict is None


def test_a_job_that_passed_on_the_same_commit_is_flaky(engine: Engine) -> None:
    sha = "a" * 40
    failed_run(engine, 5, head_sha=sha)
    store_runs(engine, run(6, head_sha=sha, branch="feature"))
    store_jobs(engine, 6, job(60, name="lint"))
    assert evidence(engine, 5).verdict is Verdict.NEW, "another job passed"
    store_runs(engine, run(7, head_sha=sha, branch="feature"), run(8, head_sha="b" * 40))
    store_jobs(engine, 7, job(70, name="test"))
    store_jobs(engine, 8, job(80, name="test"))
    assert evidence(engine, 5).passed == RunReference(7, 7, 1)
    assert evidence(engine, 5).verdict is Verdict.FLAKY


def test_a_job_that_passed_in_another_attempt_is_flaky(engine: Engine) -> None:
    store_runs(engine, run(5, attempt=2, conclusion="failure"))
    jobs = (
        job(50, name="test", conclusion="failure"),
        job(51, name="lint", conclusion="failure"),
        job(52, name="test", attempt=2, start=100, end=160),
        job(53, name="lint", attempt=2, start=100, end=160, conclusion="failure"),
    )
    store_jobs(engine, 5, *jobs, attempts=(attempt(1, "failure"), attempt(2, "failure")))
    assert evidence(engine, 5, {50: "test"}).passed == RunReference(5, 5, 2)
    assert evidence(engine, 5, {51: "lint"}).verdict is None


def test_a_cause_of_the_default_branch_is_named(engine: Engine) -> None:
    failed_run(engine, 9)
    failed_run(engine, 5)
    failed_run(engine, 4, branch="main")
    shown = evidence(engine, 5)
    assert (shown.verdict, shown.failing) == (Verdict.DEFAULT_BRANCH, RunReference(4, 4, 1))
    assert evidence(engine, 4).failing is None, "a run of the default branch itself"
    failed_run(engine, 3, "other", branch="main")
    assert evidence(engine, 5).verdict is Verdict.SEEN, "the default branch fails with another cause now"


def test_causes_are_in_their_order_and_read_with_few_statements(engine: Engine) -> None:
    failed_run(engine, 5)
    with write_scope(engine) as session:
        for position, line in ((1, "second"), (0, "\x1b[31mfirst\x1b[0m"), (2, "third")):
            add_cause(session, 50, 5, position, line=line, subject=f"s{position}", line_number=position + 1)
    shown = evidence(engine, 5).causes
    assert [(cause.line, cause.subject, cause.line_number) for cause in shown] == [
        ("first", "s0", 1), ("second", "s1", 2), ("third", "s2", 3),
    ]  # fmt: skip
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    evidence(engine, 5)
    one = len(statements)
    names = {number: f"job {number}" for number in range(60, 79)}
    evidence(engine, 5, {50: "test"} | names)
    assert len(statements) == 2 * one


def test_without_time_to_count_the_runs_the_verdict_is_the_same(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed_run(engine, 5)
    failed_run(engine, 4)
    with write_scope(engine) as session:
        for number in (4, 5):
            add_cause(session, number * 10, number, at=NOON - timedelta(minutes=number))
    counted = evidence(engine, 4), evidence(engine, 5)

    @contextmanager
    def exceeded(*_: object) -> Iterator[None]:
        raise TimeLimitExceeded
        yield

    monkeypatch.setattr("health.insights.causes.attempt_causes.time_limit", exceeded)
    shown = evidence(engine, 4), evidence(engine, 5)
    assert [about.verdict for about in shown] == [about.verdict for about in counted] == [Verdict.SEEN, Verdict.NEW]
    assert [about.spread for about in shown] == [None, None]
    link = cause_marks.spread_link(shown[0], ZoneInfo("UTC"))
    assert 'href="failures?cause=f&amp;dates=2026-11-18..' in link
    assert ">all runs since 18 Nov" in link
