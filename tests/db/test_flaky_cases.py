"""The evidence of flaky runs, and the history of a failure cause and of durations, on both databases."""

from datetime import timedelta

from sqlalchemy import Engine

from db.definitions.records import AttemptRecord, LogRecord, RunDetailsRecord
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import LogState
from db.jobs.job_writes import store_run_details
from db.logs.log_writes import store_log
from db.repositories.repository_writes import get_repository
from db.runs.run_queries import get_run
from health.insights.causes.queries import runs_by_day
from health.insights.flaky_cases import attempt_evidence, flaky_cases
from health.metrics.definitions.step_comparison import compare_steps, is_housekeeping
from health.metrics.workflows import usual_duration
from tests.builders import NOON, add_repository, job, roll_up, run, store_runs

WINDOW = Window(NOON - timedelta(days=1), NOON + timedelta(days=1))


def _flaky(engine: Engine, number: int, *, failures: int = 1) -> None:
    """The first attempt failed with `failures` jobs and one that is allowed to fail, the second passed."""
    at = NOON + timedelta(minutes=number)
    store_runs(engine, run(number, minutes=number, attempt=2))
    attempts = tuple(
        AttemptRecord(k, "completed", ended, at, at + timedelta(minutes=3), "alice")
        for k, ended in ((1, "failure"), (2, "success"))
    )
    jobs = [job(number * 100 + k, name=f"e2e ({k})", at=at, conclusion="failure") for k in range(failures)]
    jobs += [
        job(number * 100 + 50, name="optional", at=at, conclusion="failure"),
        job(number * 100 + 51, name="optional", at=at + timedelta(minutes=1), attempt=2, conclusion="failure"),
        job(number * 100 + 52, name="e2e (0)", at=at + timedelta(minutes=1), attempt=2),
    ]
    with write_scope(engine) as session:
        store_run_details(session, get_repository(session, 1), [RunDetailsRecord(number, attempts, tuple(jobs), at)])
        store_log(
            session,
            1,
            LogRecord(number * 100, number, LogState.EXPIRED, error_line=f"boom {number}", fingerprint="f"),
            at,
        )


def test_every_flaky_run_has_its_attempts_jobs_and_lines(engine: Engine) -> None:
    add_repository(engine)
    _flaky(engine, 1)
    _flaky(engine, 2, failures=8)
    store_runs(engine, run(3, minutes=5))
    with session_scope(engine) as session:
        cases = flaky_cases(session, Scope(), WINDOW)
        one = attempt_evidence(session, 1)
        limited = flaky_cases(session, Scope(), WINDOW, limit=1)
        assert attempt_evidence(session, 999) == []
        assert flaky_cases(session, Scope(branches=("other",)), WINDOW).items == []
    assert ([case.run.id for case in cases.items], cases.total) == ([2, 1], 2)
    assert ([case.run.id for case in limited.items], limited.total) == ([2], 2)
    first, second = cases.items[1].attempts
    assert [first, second] == one
    assert ((first.attempt, first.failed), (second.attempt, second.failed)) == ((1, True), (2, False))
    assert [(listed.name, listed.line) for listed in first.jobs] == [("e2e (0)", "boom 1")]
    assert second.jobs == []
    many = cases.items[0].attempts[0]
    assert (len(many.jobs), many.more_jobs, many.jobs[0].line) == (5, 3, "boom 2")


def test_runs_with_a_cause_are_counted_by_day(engine: Engine) -> None:
    add_repository(engine)
    _flaky(engine, 1)
    _flaky(engine, 2)
    roll_up(engine)
    with session_scope(engine) as session:
        assert runs_by_day(session, "f", WINDOW) == [0, 2, 0]
        assert runs_by_day(session, "other", WINDOW) == [0, 0, 0]


def test_the_usual_duration_is_of_successful_runs_before(engine: Engine) -> None:
    add_repository(engine)
    ended = ["success"] * 9 + ["failure"]
    store_runs(
        engine,
        *(run(k + 1, minutes=k * 10, conclusion=word) for k, word in enumerate(ended)),
        run(20, minutes=300, status="in_progress", conclusion=None),
    )
    with write_scope(engine) as session:
        repository = get_repository(session, 1)
        for k, word in enumerate(ended):
            at = NOON + timedelta(minutes=10 * k)
            ran = job((k + 1) * 100, at=at, start=0, end=60 + k if word == "success" else 5, conclusion=word)
            store_run_details(session, repository, [RunDetailsRecord(k + 1, (), (ran,), at)])
    with session_scope(engine) as session:
        running, early = get_run(session, 20), get_run(session, 3)
        assert running is not None
        assert early is not None
        usual = usual_duration(session, running)
        assert usual is not None
        assert usual.runs == 9
        assert 60 <= usual.p50 <= 68
        assert usual.p50 <= usual.p95 <= 68
        assert usual_duration(session, early) is None


def test_steps_are_compared_by_name_and_order() -> None:
    def step(name: str, first: int, last: int, conclusion: str = "success") -> dict[str, object]:
        return {"name": name, "conclusion": conclusion, "started_at": f"2026-11-23T11:00:{first:02d}Z",
                "completed_at": f"2026-11-23T11:00:{last:02d}Z"}  # fmt: skip

    before = [step("Set up job", 0, 1), step("Test", 1, 5), step("Test", 5, 6), step("Gone", 6, 7)]
    after = [step("Set up job", 0, 3), step("New", 3, 4), step("Test", 4, 30), step("Test", 30, 31, "skipped")]
    steps = compare_steps([before, after])
    assert [each.name for each in steps] == ["Set up job", "New", "Test", "Test", "Gone"]
    assert [each.states[-1].delta_seconds if each.states[-1] else None for each in steps] == [
        2.0,
        None,
        22.0,
        None,
        None,
    ]
    assert [each.housekeeping for each in steps] == [True, False, False, False, False]
    assert compare_steps([[], []]) == []


def test_only_steps_of_the_runner_are_housekeeping() -> None:
    names = {"Checkout", "Run actions/cache@v4", "Post Checkout", "Post results"}
    assert is_housekeeping("Post Checkout", names)
    assert is_housekeeping("Post Run actions/cache@v4", names)
    assert is_housekeeping("Complete job", names)
    assert not is_housekeeping("Post results", names)
    assert not is_housekeeping("Checkout", names)
