"""Writing runs and jobs: the state only moves forward, and a run's sums follow from its jobs."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.models import Attempt, Job, JobLog, Run
from db.store.events import JobNews, store_events
from db.store.logs import note_failed_try, store_log
from db.store.records import JobRecord, LogRecord, RepositoryRecord
from db.store.repositories import get_repository, upsert_repository
from db.store.retention import prune
from db.store.runs import mark_gone
from tests.builders import NOON, REPO, add_repository, attempt, job, run, store_jobs, store_runs


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


def test_the_same_answer_twice_changes_nothing(engine: Engine) -> None:
    assert store_runs(engine, run()).inserted == 1
    assert store_runs(engine, run()).changed == 0


def test_a_touched_run_without_news_changes_nothing(engine: Engine) -> None:
    store_runs(engine, run())
    assert store_runs(engine, run(updated_at=NOON + timedelta(days=400))).changed == 0


@pytest.mark.parametrize(
    "stale",
    [
        run(status="in_progress", conclusion=None, updated_at=NOON + timedelta(hours=1)),
        run(conclusion="failure", updated_at=NOON),
        run(attempt=1, conclusion="failure", status="queued"),
    ],
)
def test_a_stale_answer_does_not_take_a_run_back(engine: Engine, session: Session, stale: object) -> None:
    store_runs(engine, run())
    store_runs(engine, stale)  # type: ignore[arg-type]
    assert session.scalars(select(Run)).one().conclusion == "success"


def test_a_rerun_replaces_the_state_and_keeps_the_first_attempt(engine: Engine, session: Session) -> None:
    store_runs(engine, run(conclusion="failure"))
    store_runs(engine, run(attempt=2, conclusion="success", updated_at=NOON + timedelta(hours=2)))
    assert session.scalars(select(Run)).one().conclusion == "success"
    attempts = session.scalars(select(Attempt).order_by(Attempt.attempt)).all()
    assert [(each.attempt, each.conclusion) for each in attempts] == [(1, "failure"), (2, "success")]


def test_a_pull_request_from_a_forks_main_is_not_on_our_default_branch(engine: Engine, session: Session) -> None:
    store_runs(engine, run(1), run(2, event="pull_request"), run(3, from_fork=True), run(4, branch="feature"))
    on_main = session.scalars(select(Run.id).where(Run.on_default_branch)).all()
    assert on_main == [1]


def test_a_new_default_branch_moves_the_runs_with_it(engine: Engine, session: Session) -> None:
    store_runs(engine, run(1), run(2, branch="trunk"))
    with write_scope(engine) as writing:
        upsert_repository(writing, RepositoryRecord(1, "acme/web", "trunk", True, False, ""))
    assert session.scalars(select(Run.id).where(Run.on_default_branch)).all() == [2]


def test_a_renamed_repository_keeps_its_runs(engine: Engine, session: Session) -> None:
    store_runs(engine, run(1))
    with write_scope(engine) as writing:
        upsert_repository(writing, RepositoryRecord(1, "acme/site", "main", True, False, ""))
    assert session.scalars(select(Run.repository_id)).all() == [1]


def test_until_its_jobs_are_known_a_run_ends_when_first_seen_completed(engine: Engine, session: Session) -> None:
    store_runs(engine, run(seconds=90))
    assert session.scalars(select(Run)).one().duration_seconds == 90


def test_a_run_ends_with_the_last_of_its_own_jobs(engine: Engine, session: Session) -> None:
    store_runs(engine, run(seconds=90))
    phantom = job(3, end=900, start=900, runner=None, labels=(), steps=())
    store_jobs(engine, 100, job(1, start=7, end=40), job(2, start=12, end=70, name="test"), phantom)
    found = session.scalars(select(Run)).one()
    assert (found.duration_seconds, found.queue_seconds) == (70, 7)
    assert found.compute_seconds == 33 + 58
    assert session.get_one(Job, (1, 3)).phantom


def test_a_report_that_comes_late_and_a_job_without_a_matrix_are_told_apart(engine: Engine, session: Session) -> None:
    store_runs(engine, run(conclusion="failure"))
    nowhere = {"runner": None, "labels": (), "steps": (), "conclusion": "failure"}
    page = "https://github.com/acme/web"
    report = job(3, name="Jest", start=2100, end=2107, html_url=f"{page}/runs/3", **nowhere)
    unevaluated = job(4, name="test", start=71, end=71, html_url=f"{page}/actions/runs/100/job/4", **nowhere)
    store_jobs(engine, 100, job(1, start=7, end=70), report, unevaluated)
    assert (session.get_one(Job, (1, 3)).phantom, session.get_one(Job, (1, 4)).phantom) == (True, False)
    assert session.scalars(select(Run)).one().duration_seconds == 71


def test_copied_jobs_of_a_rerun_count_once(engine: Engine, session: Session) -> None:
    store_runs(engine, run(conclusion="failure"))
    store_runs(engine, run(attempt=2, started_at=NOON + timedelta(minutes=10), updated_at=NOON + timedelta(minutes=12)))
    passed, failed = job(1, name="lint"), job(2, name="test", conclusion="failure")
    copy = job(11, name="lint", attempt=2)
    again = job(12, name="test", attempt=2, start=610, end=700)
    store_jobs(engine, 100, passed, failed, copy, again, attempts=(attempt(1, "failure"),))
    found = session.scalars(select(Run)).one()
    assert session.get_one(Job, (1, 11)).copied
    assert found.compute_seconds == 60 + 60 + 90
    assert found.wasted_seconds == 120
    assert found.duration_seconds == 100
    assert found.queue_seconds == 10
    assert found.flaky


def test_a_run_that_failed_after_success_is_not_flaky(engine: Engine, session: Session) -> None:
    store_runs(engine, run(attempt=2, conclusion="failure"))
    store_jobs(engine, 100, job(1), attempts=(attempt(1, "success"),))
    assert not session.scalars(select(Run)).one().flaky


def test_skipped_and_queued_jobs_have_no_times_of_their_own(engine: Engine, session: Session) -> None:
    store_runs(engine, run())
    skipped = job(1, conclusion="skipped", start=1, end=-1_906_073)
    queued = job(2, status="queued", conclusion=None, start=2, end=None)
    store_jobs(engine, 100, skipped, queued, job(3, start=30))
    found = session.scalars(select(Run)).one()
    assert found.queue_seconds == 30
    assert session.get_one(Job, (1, 1)).duration_seconds is None
    assert session.get_one(Job, (1, 2)).queue_seconds is None


def test_a_finished_job_is_not_taken_back_and_keeps_its_steps(engine: Engine, session: Session) -> None:
    store_runs(engine, run())
    store_jobs(engine, 100, job(1))
    store_jobs(engine, 100, job(1, status="in_progress", conclusion=None, end=None))
    store_jobs(engine, 100, job(1, steps=()))
    stored = session.get_one(Job, (1, 1))
    assert (stored.status, len(stored.steps)) == ("completed", 1)


def test_a_runner_stays_known_when_github_no_longer_names_it(engine: Engine, session: Session) -> None:
    store_runs(engine, run())
    store_jobs(engine, 100, job(1, runner="linux-17", runner_id=4017, runner_group="Build machines"))
    store_jobs(engine, 100, job(1, runner=None, runner_id=None, runner_group=None), job(2, runner=None))
    stored = session.get_one(Job, (1, 1))
    assert (stored.runner, stored.runner_id, stored.runner_group) == ("linux-17", 4017, "Build machines")
    never = session.get_one(Job, (1, 2))
    assert (never.runner_id, never.runner_group) == (None, None)


def with_steps(done: int, **changed: object) -> JobRecord:
    """A job with three steps, so many of them over."""
    steps = [{"number": n, "name": "a step", "status": "completed" if n <= done else "queued"} for n in (1, 2, 3)]
    return job(1, steps=tuple(steps), **changed)


@pytest.mark.parametrize(("status", "conclusion"), [("in_progress", None), ("completed", "success")])
def test_a_step_that_is_over_is_not_taken_back(
    engine: Engine, session: Session, status: str, conclusion: str | None
) -> None:
    store_runs(engine, run(status="in_progress", conclusion=None))
    for done in (3, 1):
        store_jobs(engine, 100, with_steps(done, status=status, conclusion=conclusion))
    assert [step["status"] for step in session.get_one(Job, (1, 1)).steps] == ["completed"] * 3
    with write_scope(engine) as writing:
        news = JobNews(100, with_steps(2, status=status, conclusion=conclusion))
        store_events(writing, get_repository(writing, 1), [], [news])
    session.rollback()
    assert [step["status"] for step in session.get_one(Job, (1, 1)).steps] == ["completed"] * 3


def test_a_run_whose_end_is_known_is_not_gone(engine: Engine, session: Session) -> None:
    store_runs(engine, run(status="in_progress", conclusion=None))
    store_runs(engine, run())
    with write_scope(engine) as writing:
        mark_gone(writing, 1, 100)
    found = session.scalars(select(Run)).one()
    assert (found.conclusion, found.outcome, found.details_pending) == ("success", "success", True)


def test_costs_are_free_for_standard_runners_of_public_repositories(engine: Engine, session: Session) -> None:
    store_runs(engine, run())
    store_jobs(engine, 100, job(1, end=125))
    assert session.scalars(select(Run.cost_usd)).one() == pytest.approx(0.012)
    with write_scope(engine) as writing:
        upsert_repository(writing, RepositoryRecord(1, REPO.full_name, "main", False, False, ""))
    store_jobs(engine, 100, job(1, end=125))
    session.rollback()
    assert session.scalars(select(Run.cost_usd)).one() == 0


def test_jobs_still_unfinished_are_asked_for_again_for_a_while(engine: Engine, session: Session) -> None:
    store_runs(engine, run())
    late = job(1, status="in_progress", conclusion=None, end=None)
    store_jobs(engine, 100, late, fetched_at=NOON + timedelta(minutes=2))
    assert session.scalars(select(Run.details_pending)).one()
    store_jobs(engine, 100, late, fetched_at=NOON + timedelta(hours=2))
    session.rollback()
    assert not session.scalars(select(Run.details_pending)).one()


def test_a_stored_log_outlives_its_deletion_on_github(engine: Engine, session: Session) -> None:
    with write_scope(engine) as writing:
        store_log(writing, 1, LogRecord(7, 100, "stored", text="it failed: ü", excerpt=("it failed",)), NOON)
        store_log(writing, 1, LogRecord(7, 100, "expired"), NOON)
    assert session.scalars(select(JobLog.state)).one() == "stored"


def test_a_log_that_cannot_be_had_counts_as_missing_in_the_end(engine: Engine, session: Session) -> None:
    for _ in range(5):
        with write_scope(engine) as writing:
            note_failed_try(writing, 1, 7, 100, NOON)
    assert session.scalars(select(JobLog.state)).one() == "missing"


def test_pruning_takes_old_runs_and_all_that_hangs_on_them(engine: Engine, session: Session) -> None:
    store_runs(engine, run(1, minutes=-60 * 24 * 30), run(2))
    store_jobs(engine, 1, job(1))
    store_jobs(engine, 2, job(2))
    assert sum(prune(engine, NOON - timedelta(days=10), NOON)) == 1
    assert session.scalars(select(Run.id)).all() == [2]
    assert session.scalars(select(Job.id)).all() == [2]
