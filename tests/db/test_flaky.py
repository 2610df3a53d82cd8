"""What fails and then passes: which figures say how often, and which jobs are to blame, on both databases."""

import pytest
from sqlalchemy import Engine, update

from db.collection.sync_state import sync_state
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.models import Run
from health.insights.flaky import FlakyWorkflow, flakiness, flaky, flaky_workflows, summarize
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs
from tests.db.test_attention import DAY, HOUR

WINDOW = Window(NOON - 30 * DAY, NOON + HOUR)


def found(engine: Engine) -> FlakyWorkflow:
    with session_scope(engine) as session:
        (only,) = flaky(session, Scope(), WINDOW)
        return only


def flake(engine: Engine, run_id: int, minutes: float, *, optional_fails_again: bool | None = None) -> None:
    """`test` failed and then passed; with a third argument `lint`, which may fail, failed beside it."""
    store_runs(engine, run(run_id, minutes=minutes, attempt=2))
    jobs = [job(run_id * 10, name="test", conclusion="failure"),
            job(run_id * 10 + 1, name="test", attempt=2, start=70, end=120)]  # fmt: skip
    if optional_fails_again is not None:
        again = "failure" if optional_fails_again else "success"
        jobs += [job(run_id * 10 + 2, name="lint", conclusion="failure"),
                 job(run_id * 10 + 3, name="lint", attempt=2, conclusion=again, start=70, end=110)]  # fmt: skip
    store_jobs(engine, run_id, *jobs,
               attempts=(attempt(1, "failure"), attempt(2, "success", start=65, end=125)))  # fmt: skip


def test_a_job_that_failed_in_a_run_that_passed_is_not_the_flaky_one(engine: Engine) -> None:
    add_repository(engine)
    flake(engine, 1, -600, optional_fails_again=True)
    flake(engine, 2, -700)
    assert [(each.name, each.runs) for each in found(engine).jobs] == [("test", 2)]
    # It passed when it was run again, but fails in other runs that pass.
    flake(engine, 3, -800, optional_fails_again=False)
    store_runs(engine, run(4, minutes=-900))
    store_jobs(engine, 4, job(40, name="lint", conclusion="failure"), job(41, name="test"))
    assert [(each.name, each.runs) for each in found(engine).jobs] == [("test", 3)]


def test_the_share_of_rerun_failures_does_not_depend_on_how_many_are_rerun(engine: Engine) -> None:
    add_repository(engine)
    passed = [run(1_000 + k, minutes=-30 * k) for k in range(34)]
    failed = [run(2_000 + k, minutes=-30 * k - 5, conclusion="failure") for k in range(4)]
    in_vain = run(3_000, minutes=-77, conclusion="failure", attempt=2)
    store_runs(engine, *passed, *failed, in_vain)
    for number in range(3):
        flake(engine, number + 1, -50.0 * number - 7)
    only = found(engine)
    assert (only.flaky_runs, only.decided, only.rerun_failures) == (3, 42, 4)
    assert (only.rate, only.rate_per_rerun) == (pytest.approx(3 / 42), 0.75)
    assert only.estimate == pytest.approx(8 / 42 * 0.75)
    assert only.lower_bound < (only.rate or 0) < only.upper_bound
    assert only.is_flaky


def test_numerator_and_denominator_are_of_the_same_runs_however_many(engine: Engine) -> None:
    """More flaky runs than are looked at for jobs."""
    add_repository(engine)
    store_runs(engine, *(run(10_000 + k, minutes=-k, attempt=2 if k % 8 else 1) for k in range(6_400)))
    with write_scope(engine) as session:
        session.execute(update(Run).where(Run.attempt == 2).values(flaky=True, wasted_seconds=2.0))
    only = found(engine)
    assert (only.flaky_runs, only.decided, only.rate) == (5_600, 6_400, 0.875)
    assert (sum(only.by_day), only.wasted_seconds) == (5_600, 11_200.0)
    assert (only.last_run_id, only.last_at) == (10_001, NOON - HOUR / 60)


@pytest.mark.parametrize(
    ("flaky_runs", "rerun", "failed", "decided", "is_flaky"),
    [
        (1, 1, 2, 10, False),
        (2, 2, 9, 56, True),
        (6, 146, 290, 5_600, False),
        (28, 180, 340, 5_600, False),
        (11, 14, 30, 280, True),
        (0, 0, 0, 0, False),
    ],
    ids=["one is chance", "16 % at two a day", "0.2 % at 200 a day", "1 % at 200 a day", "5 % at 10 a day", "nothing"],
)
def test_called_by_the_rate_and_not_by_the_number_of_runs(
    flaky_runs: int, rerun: int, failed: int, decided: int, is_flaky: bool
) -> None:
    assert flakiness(flaky_runs, rerun, failed, decided).is_flaky is is_flaky


def test_the_previous_period_counts_workflows_that_are_not_flaky_any_more(engine: Engine) -> None:
    add_repository(engine)
    window = Window(NOON - 2 * DAY, NOON + HOUR)
    for number in range(3):
        flake(engine, number + 1, -60.0 * number)
    before = -7 * 24 * 60.0
    for number in range(2):
        flake(engine, number + 10, before - number)
    for number in range(5):
        flake(engine, number + 20, before - number)
    with write_scope(engine) as session:
        session.execute(update(Run).where(Run.id >= 20).values(workflow_id=6))
        sync_state(session, 1).complete_since = NOON - 30 * DAY
    with session_scope(engine) as session:
        found = flaky_workflows(session, Scope(), window)
    assert [(each.flaky_runs, each.before) for each in found.items] == [(3, 2)]
    assert (summarize(found).flaky_runs, summarize(found).before) == (3, 7)
