"""Which job a run failed of, and what failed in runs that did not."""

from datetime import timedelta

from sqlalchemy import Engine

from db.definitions.records import LogRecord, WorkflowRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.jobs.decisive_failures import jobs_allowed_to_fail
from db.logs.log_queries import failure_cause, list_logs
from db.logs.log_writes import store_log
from db.runs.run_queries import get_run, list_runs
from health.insights.causes.attempt_causes import JobEvidence, attempt_causes
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.causes.identity import fingerprint
from health.insights.causes.queries import cause_runs, causes
from health.insights.finding_queries import CauseSpread
from tests.builders import NOON, REPO, WORKFLOW, add_repository, attempt, job, run, store_jobs, store_runs

BAD, CUT = {"conclusion": "failure"}, {"conclusion": "cancelled"}
WINDOW = Window(NOON.replace(day=1), NOON.replace(day=28))


def name(engine: Engine, run_id: int, job_id: int, line: str) -> None:
    record = LogRecord(
        job_id, run_id, "stored", line, error_line=line, fingerprint=fingerprint(line), cause_version=CAUSE_VERSION
    )
    with write_scope(engine) as session:
        store_log(session, 1, record, NOON)


def order(engine: Engine, run_id: int, number: int = 1) -> list[int]:
    with session_scope(engine) as session:
        return [row.job_id for row in list_logs(session, run_id, number)]


def test_a_cancelled_sibling_never_stands_before_the_job_that_failed(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, **BAD), run(2, **CUT))
    store_jobs(
        engine, 1, job(11, name="a", **CUT), job(12, name="b"), job(13, name="c", conclusion="timed_out"),
        job(14, name="d", **BAD), job(15, name="e", conclusion="neutral"), attempts=(attempt(1, "failure"),),
    )  # fmt: skip
    store_jobs(engine, 2, job(21, name="a"), job(22, name="b", **CUT), attempts=(attempt(1, "cancelled"),))
    assert order(engine, 1) == [14, 13, 11, 15, 12]
    assert order(engine, 2) == [22, 21]


def test_a_job_that_may_fail_stands_behind_the_one_that_decided(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, minutes=-60), run(2, **BAD))
    store_jobs(engine, 1, job(11, name="nightly", **BAD), job(12, name="unit"), attempts=(attempt(1, "success"),))
    store_jobs(
        engine, 2, job(21, name="nightly", **BAD), job(22, name="unit", **BAD), attempts=(attempt(1, "failure"),)
    )
    name(engine, 2, 21, "error: of a nightly compiler")
    name(engine, 2, 22, "error: of the change")
    assert order(engine, 2) == [22, 21]
    with session_scope(engine) as session:
        assert jobs_allowed_to_fail(session, 2) == {"nightly"}
        assert failure_cause(session, 2, 1) == ("error: of the change", fingerprint("error: of the change"))


def test_the_cause_of_an_attempt_without_a_failed_job_is_that_of_the_one_cut_off(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, **BAD), run(2, **CUT))
    store_jobs(engine, 1, job(11, **CUT), attempts=(attempt(1, "failure"),))
    store_jobs(engine, 2, job(21, **CUT), attempts=(attempt(1, "cancelled"),))
    name(engine, 1, 11, "The job has exceeded the maximum execution time of 5m0s")
    name(engine, 2, 21, "error: before somebody cancelled it")
    with session_scope(engine) as session:
        assert failure_cause(session, 1, 1)[0] == "The job has exceeded the maximum execution time of 5m0s"
        assert failure_cause(session, 2, 1) == (None, None)


def test_what_fails_in_a_green_attempt_is_no_cause_of_failures(engine: Engine) -> None:
    """Run 1 is green, run 2 failed and then passed, run 3 passed and failed when run again, run 4 failed."""
    add_repository(engine)
    line, key = "error[E0658]: use of an unstable feature", fingerprint("error[E0658]: use of an unstable feature")
    store_runs(
        engine,
        run(1, minutes=-90),
        run(2, minutes=-60, attempt=2),
        run(3, minutes=-30, attempt=2, **BAD),
        run(4, **BAD),
    )
    store_jobs(engine, 1, job(10, **BAD), attempts=(attempt(1, "success"),))
    store_jobs(engine, 2, job(20, **BAD), job(21, attempt=2), attempts=(attempt(1, "failure"), attempt(2, "success")))
    store_jobs(
        engine, 3, job(30, **BAD), job(31, attempt=2, **BAD), attempts=(attempt(1, "success"), attempt(2, "failure"))
    )
    store_jobs(engine, 4, job(40, **BAD), attempts=(attempt(1, "failure"),))
    for job_id in (10, 20, 30):
        name(engine, job_id // 10, job_id, line)
    with session_scope(engine) as session:
        found = causes(session, Scope(), WINDOW, NOON)
        assert [(each.line, each.runs, each.jobs) for each in found.items] == [(line, 1, 1)]
        assert found.items[0].first_at == found.items[0].last_at
        assert (found.looked_at, found.unnamed) == (1, 2)
        one = cause_runs(session, key or "", Scope(), WINDOW, NOON)
        assert one is not None
        assert [row.id for row, _ in one.runs] == [2]
        only_green = Window(WINDOW.since, one.cause.first_at)
        assert cause_runs(session, key or "", Scope(), only_green, NOON) is None


def test_the_cause_of_a_run_says_how_many_others_failed_of_it(engine: Engine) -> None:
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Nightly", "nightly.yml", "active"))
    line = "error: no port is left"
    for run_id, minutes, workflow in ((1, -60, 5), (2, -30, 5), (3, -10, 6), (4, -5, 5)):
        store_runs(engine, run(run_id, minutes=minutes, workflow_id=workflow, **BAD))
        store_jobs(engine, run_id, job(run_id * 10, **BAD), attempts=(attempt(1, "failure"),))
        name(engine, run_id, run_id * 10, line if run_id < 4 else "error: another one")
    store_runs(engine, run(5, minutes=-90))
    store_jobs(engine, 5, job(50, **BAD), attempts=(attempt(1, "success"),))
    name(engine, 5, 50, line)

    def about(run_id: int) -> JobEvidence:
        with session_scope(engine) as session:
            row = get_run(session, run_id)
            assert row is not None
            return attempt_causes(session, row, 1, 1, {run_id * 10: ("build",)}, NOON)[run_id * 10]

    assert about(2).fingerprint == fingerprint(line)
    assert about(2).spread == CauseSpread(3, 2, NOON - timedelta(minutes=60))
    assert about(4).spread == CauseSpread(1, 1, NOON - timedelta(minutes=5))
    assert about(5).spread == about(2).spread, "a job of a successful attempt is not counted"


def test_flaky_runs_can_be_searched(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1, title="is flaky"), run(2, attempt=2, title="a fix"), run(3, attempt=2, title="b"))
    for run_id in (2, 3):
        both = attempt(1, "failure"), attempt(2, "success")
        store_jobs(engine, run_id, job(run_id * 10, **BAD), job(run_id * 10 + 1, attempt=2), attempts=both)

    def found(text: str) -> list[int]:
        with session_scope(engine) as session:
            return sorted(row.id for row in list_runs(session, Scope(), WINDOW, text=text).items)

    assert found("is:flaky") == found(" IS:flaky ") == [2, 3]
    assert found("fix is:flaky") == [2]
    assert found("flaky") == [1]
    assert found("nothing is:flaky") == []
