"""The causes of one attempt: their lines, other runs with them, and the verdict about each failed job."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event

from app.components import cause_marks
from db.collection.sync_state import sync_state
from db.definitions.records import LogRecord
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.models import CauseAlias, JobLog
from db.runs.run_queries import get_run
from db.time_limit import TimeLimitExceeded
from health.insights.causes.attempt_causes import JobEvidence, Verdict, attempt_causes
from health.insights.causes.evidence_queries import RunReference
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.finding_queries import CauseSpread
from health.insights.fingerprints import EARLIER_LENGTH
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs
from tests.causes import add_cause

NOW = NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)
    complete_since(engine, NOON - timedelta(days=30))


def complete_since(engine: Engine, moment: datetime | None) -> None:
    with write_scope(engine) as session:
        sync_state(session, 1).complete_since = moment


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
        names = {job_id: (name,) for job_id, name in jobs.items()}
        return attempt_causes(session, shown, 1, attempt, names, NOW)[next(iter(jobs))]


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


@pytest.mark.parametrize("since", [None, NOON - timedelta(days=6)])
def test_a_cause_is_new_only_if_all_runs_of_the_week_before_are_stored(engine: Engine, since: datetime | None) -> None:
    failed_run(engine, 5)
    complete_since(engine, since)
    shown = evidence(engine, 5)
    assert shown.verdict is Verdict.FIRST_STORED
    assert ">no earlier stored run</span>" in cause_marks.verdict_mark(shown, 5)
    failed_run(engine, 4)
    assert evidence(engine, 4).verdict is Verdict.SEEN


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


def test_a_job_that_passed_before_its_first_failure_is_not_flaky(engine: Engine) -> None:
    """What a scheduled run downloads may have changed."""
    same = {"head_sha": "a" * 40, "event": "schedule"}
    store_runs(engine, run(9, minutes=-9, **same))
    store_jobs(engine, 9, job(90, name="test"))
    for number in (8, 7):
        failed_run(engine, number, **same)
    assert [evidence(engine, number).verdict for number in (8, 7)] == [Verdict.NEW, Verdict.SEEN]
    store_runs(engine, run(6, minutes=-6, **same))
    store_jobs(engine, 6, job(60, name="test"))
    failed_run(engine, 5, **same)
    assert [evidence(engine, number).passed for number in (8, 5)] == [RunReference(6, 6, 1)] * 2


def test_a_pass_for_another_event_is_none_of_the_same_tree(engine: Engine) -> None:
    """A run of a pull request tests the merge with the target branch."""
    failed_run(engine, 5, head_sha="a" * 40, event="pull_request")
    store_runs(engine, run(4, head_sha="a" * 40, event="push"))
    store_jobs(engine, 4, job(40, name="test"))
    assert evidence(engine, 5).verdict is Verdict.NEW


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


def test_jobs_with_one_cause_are_flaky_if_all_of_them_passed(engine: Engine) -> None:
    """30 jobs of a matrix fail; in the second attempt one of them passes, in the third all but one, then all."""
    number, every = 5, range(30)
    store_runs(engine, run(number, attempt=4, branch="feature"))
    jobs = [
        job(1_000 * tried + k, name=f"test ({k})", attempt=tried, start=100 * tried, end=100 * tried + 60,
            conclusion="success" if k < passing else "failure")
        for tried, passing in ((1, 0), (2, 1), (3, 29), (4, 30)) for k in every
    ]  # fmt: skip
    attempts = [attempt(tried, "success" if tried == 4 else "failure") for tried in (1, 2, 3, 4)]
    add = {2: "1 of 30 jobs passed in", 3: "29 of 30 jobs passed, the last one in", 4: "30 of 30 jobs passed, the last"}
    for tried, text in add.items():
        store_jobs(engine, number, *jobs[: 30 * tried], attempts=tuple(attempts[:tried]))
        add_log(engine, 1_000, number, "f")
        with session_scope(engine) as session:
            shown = get_run(session, number)
            assert shown is not None
            names = {1_000: [f"test ({k})" for k in every]}
            (about,) = attempt_causes(session, shown, 1, 1, names, NOW).values()
        assert about.passed == RunReference(number, number, tried)
        assert about.verdict is (Verdict.FLAKY if tried == 4 else Verdict.NEW)
        mark = cause_marks.verdict_mark(about, number)
        assert text in mark
        assert mark.count("on the same commit") == 1
        assert ("flaky" in mark) == (tried == 4)


def test_a_cause_of_the_default_branch_is_named(engine: Engine) -> None:
    failed_run(engine, 9)
    failed_run(engine, 6, branch="main")
    failed_run(engine, 5)
    failed_run(engine, 4, branch="main")
    shown = evidence(engine, 5)
    assert (shown.verdict, shown.failing) == (Verdict.DEFAULT_BRANCH, RunReference(4, 4, 1))
    assert evidence(engine, 4).failing is None, "a run of the default branch itself"
    failed_run(engine, 3, "other", branch="main")
    assert evidence(engine, 5).verdict is Verdict.SEEN, "the default branch fails with another cause now"


def test_a_failure_that_reached_the_default_branch_later_is_of_the_run(engine: Engine) -> None:
    """A pull request fails and is merged: its commit broke the default branch. That it failed with the cause long ago,
    before its last success, does not matter."""
    failed_run(engine, 9, branch="main")
    store_runs(engine, run(8, minutes=-8))
    failed_run(engine, 5)
    failed_run(engine, 4, branch="main")
    assert (evidence(engine, 5).failing, evidence(engine, 5).verdict) == (None, Verdict.SEEN)
    failed_run(engine, 7, "other", branch="main")
    assert evidence(engine, 5).failing is None, "the default branch failed with another cause before"
    failed_run(engine, 6, branch="main")
    assert evidence(engine, 5).failing == RunReference(4, 4, 1)


def test_the_default_branch_fails_with_all_causes_of_its_last_attempt(engine: Engine) -> None:
    failed_run(engine, 6, branch="main")
    failed_run(engine, 5)
    store_runs(engine, run(4, minutes=-4, attempt=2, conclusion="failure"))
    both = job(40, conclusion="failure", name="test"), job(41, conclusion="failure", name="test", attempt=2)
    store_jobs(engine, 4, *both, attempts=(attempt(1, "failure"), attempt(2, "failure")))
    add_log(engine, 40, 4, "f")
    add_log(engine, 41, 4, "other")
    assert evidence(engine, 5).failing is None, "only an earlier attempt has the cause"
    with write_scope(engine) as session:
        add_cause(session, 41, 4, fingerprint="other")
        add_cause(session, 41, 4, 1)
    assert evidence(engine, 5).failing == RunReference(4, 4, 2)


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


def test_a_run_with_an_earlier_fingerprint_has_the_same_cause(engine: Engine, limits: list[bool]) -> None:
    """While logs are extracted again, older ones still have it; the run of number 4 has both."""
    for number, name in ((6, "old"), (5, "f"), (4, "f")):
        failed_run(engine, number, name, branch="main" if number == 6 else "feature")
    store_jobs(engine, 4, job(40, conclusion="failure", name="test"), job(41, conclusion="failure", name="lint"))
    add_log(engine, 41, 4, "old")
    with write_scope(engine) as session:
        session.add(CauseAlias(fingerprint="old", current="f"))
    for exceeded in ([False], [True, False]):
        limits[:] = exceeded
        shown = evidence(engine, 5)
        assert shown.failing == RunReference(6, 6, 1)
        assert (shown.is_first, shown.first_at) == (False, NOON - timedelta(minutes=6))
    for number in (5, 6):
        limits[:] = [False]
        assert evidence(engine, number).spread == CauseSpread(3, 1, NOON - timedelta(minutes=6))


@pytest.mark.parametrize(("fingerprint", "version"), [("g", CAUSE_VERSION - 1), ("0" * EARLIER_LENGTH, None)])
def test_no_cause_is_new_while_logs_of_an_earlier_version_are_stored(
    engine: Engine, fingerprint: str, version: int | None
) -> None:
    failed_run(engine, 5)
    assert evidence(engine, 5).verdict is Verdict.NEW
    failed_run(engine, 6, fingerprint)
    with write_scope(engine) as session:
        log = session.get_one(JobLog, (1, 60))
        log.cause_version, log.fetched_at = version, NOON
    assert evidence(engine, 5).verdict is Verdict.FIRST_STORED


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the next queries with a time limit exceed it; the last value applies to all later ones."""
    exceeded = [False]

    @contextmanager
    def limit(*_: object) -> Iterator[None]:
        if exceeded.pop(0) if len(exceeded) > 1 else exceeded[0]:
            raise TimeLimitExceeded
        yield

    monkeypatch.setattr("health.insights.causes.attempt_causes.time_limit", limit)
    return exceeded


def test_without_time_to_count_the_runs_the_verdict_is_the_same(engine: Engine, limits: list[bool]) -> None:
    failed_run(engine, 5)
    failed_run(engine, 4)
    with write_scope(engine) as session:
        for number in (4, 5):
            add_cause(session, number * 10, number, at=NOON - timedelta(minutes=number))
    counted = evidence(engine, 4), evidence(engine, 5)
    limits[:] = [True, False] * 2
    shown = evidence(engine, 4), evidence(engine, 5)
    assert [about.verdict for about in shown] == [about.verdict for about in counted] == [Verdict.SEEN, Verdict.NEW]
    assert [about.spread for about in shown] == [None, None]
    link = cause_marks.spread_link(shown[0], ZoneInfo("UTC"))
    assert 'href="failures?cause=f&amp;dates=2026-11-18..' in link
    assert ">all runs with this line since 18 Nov" in link


@pytest.mark.parametrize("earlier", ["log", "position", "green"])
def test_without_time_the_first_run_is_the_one_that_would_be_counted(
    engine: Engine, limits: list[bool], earlier: str
) -> None:
    """The earlier run has the cause in a log whose causes are not extracted, at another position, or in a job that was
    allowed to fail."""
    failed_run(
        engine,
        5,
        "other" if earlier == "position" else "f",
        **({"conclusion": "success"} if earlier == "green" else {}),
    )
    failed_run(engine, 4)
    with write_scope(engine) as session:
        add_cause(session, 40, 4, at=NOON - timedelta(minutes=4))
        if earlier == "position":
            add_cause(session, 50, 5, fingerprint="other", at=NOON - timedelta(minutes=5))
        if earlier != "log":
            position = 1 if earlier == "position" else 0
            add_cause(session, 50, 5, position, at=NOON - timedelta(minutes=5))
    counted = evidence(engine, 4)
    assert counted.verdict is (Verdict.NEW if earlier == "green" else Verdict.SEEN)
    limits[:] = [True, False]
    shown = evidence(engine, 4)
    assert (shown.verdict, shown.first_at) == (counted.verdict, counted.first_at)
    limits[:] = [True]
    assert evidence(engine, 4).verdict is None
