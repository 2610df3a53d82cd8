"""Writing runs and jobs: the state only moves forward, and a run's sums follow from its jobs."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.definitions.records import JobRecord, LogRecord, RepositoryRecord
from db.engine import write_scope
from db.jobs.webhook_events import JobUpdate, store_events
from db.logs.log_writes import record_failed_fetch, store_log
from db.models import Attempt, Job, JobLog, Run
from db.repositories.repository_writes import get_repository, upsert_repository
from db.runs.run_writes import mark_deleted
from health.retention import prune
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


NOBODY = {"runner": None, "runner_id": None, "runner_group": None, "steps": ()}


@pytest.mark.parametrize("runner", [None, ""])
@pytest.mark.parametrize(("start", "conclusion"), [(0, "cancelled"), (7200, "cancelled"), (1, "failure")])
def test_a_job_that_no_runner_took_used_nothing(
    engine: Engine, session: Session, runner: str | None, start: float, conclusion: str
) -> None:
    """GitHub gives it a started_at: when it was queued, or when it was cancelled."""
    store_runs(engine, run(conclusion=conclusion))
    waited = job(1, start=start, end=7200, conclusion=conclusion, **{**NOBODY, "runner": runner})
    store_jobs(engine, 100, waited)
    found, stored = session.scalars(select(Run)).one(), session.get_one(Job, (1, 1))
    assert (stored.duration_seconds, stored.queue_seconds, found.queue_seconds) == (None, None, None)
    assert (found.compute_seconds, found.wasted_seconds, found.cost_usd, found.unpriced_minutes) == (0, 0, 0, 0)
    assert (found.never_started, stored.has_started) == (1, False)


def test_a_runs_first_start_is_that_of_a_job_that_a_runner_took(engine: Engine, session: Session) -> None:
    store_runs(engine, run(conclusion="cancelled"))
    store_jobs(
        engine, 100, job(1, start=0, end=500, name="gpu", conclusion="cancelled", **NOBODY), job(2, start=40, end=90),
        job(3, start=1, end=2, name="later", conclusion="skipped", **NOBODY),
        # Steps, or an id, are as good as a name.
        job(4, start=30, end=60, name="old", **(NOBODY | {"steps": ({"number": 1, "name": "Set up job"},)})),
        job(5, start=35, end=95, name="id", **(NOBODY | {"runner_id": 9})),
    )  # fmt: skip
    found = session.scalars(select(Run)).one()
    assert (found.queue_seconds, found.compute_seconds, found.never_started) == (30, 50 + 30 + 60, 1)


def test_a_queued_job_that_github_never_closed_never_started(engine: Engine, session: Session) -> None:
    store_runs(engine, run(1, conclusion="failure"), run(2, status="in_progress", conclusion=None))
    for run_id in (1, 2):
        store_jobs(engine, run_id, job(run_id, status="queued", conclusion=None, start=0, end=None, **NOBODY))
    counts = {row.id: row.never_started for row in session.execute(select(Run.id, Run.never_started))}
    assert counts == {1: 1, 2: 0}


def test_waste_has_reasons_and_a_defect_is_found(engine: Engine, session: Session) -> None:
    ends = {1: "failure", 2: "cancelled", 3: "success"}
    store_runs(engine, *(run(number, conclusion=end) for number, end in ends.items()), run(4, conclusion="failure"))
    store_runs(engine, run(4, attempt=2))
    for number, end in ends.items():
        store_jobs(engine, number, job(number, end=65, conclusion=end))
    store_jobs(engine, 4, job(40, conclusion="failure"), job(41, attempt=2, start=600, end=630),
               attempts=(attempt(1, "failure"),))  # fmt: skip
    columns = (Run.wasted_seconds, Run.wasted_flaky_seconds, Run.wasted_cancelled_seconds,
               Run.wasted_superseded_seconds, Run.defect_seconds)  # fmt: skip
    rows = [tuple(row) for row in session.execute(select(*columns).order_by(Run.id))]
    assert rows == [(60, 0, 0, 0, 60), (60, 0, 60, 0, 0), (0, 0, 0, 0, 0), (60, 60, 0, 0, 0)]


def test_minutes_without_a_known_price_are_not_in_a_runs_cost(engine: Engine, session: Session) -> None:
    store_runs(engine, run())
    service = {"labels": ("ubicloud-standard-4",), "runner": "vm-x", "runner_group": "Default"}
    store_jobs(engine, 100, job(1, end=66), job(2, end=245, name="arm", **service))
    found = session.scalars(select(Run)).one()
    assert (found.cost_usd, found.unpriced_minutes) == (pytest.approx(0.012), 4)


def test_dependabots_own_runs_cost_nothing(engine: Engine, session: Session) -> None:
    store_runs(engine, run(1, event="dynamic", actor="dependabot[bot]"), run(2, event="push", actor="dependabot[bot]"))
    for run_id in (1, 2):
        store_jobs(engine, run_id, job(run_id))
    assert session.scalars(select(Run.cost_usd).order_by(Run.id)).all() == [0, pytest.approx(0.006)]
    assert session.scalars(select(Run.id).where(Run.is_free)).all() == [1]


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
        news = JobUpdate(100, with_steps(2, status=status, conclusion=conclusion))
        store_events(writing, get_repository(writing, 1), [], [news])
    session.rollback()
    assert [step["status"] for step in session.get_one(Job, (1, 1)).steps] == ["completed"] * 3


def test_a_run_whose_end_is_known_is_not_gone(engine: Engine, session: Session) -> None:
    store_runs(engine, run(status="in_progress", conclusion=None))
    store_runs(engine, run())
    with write_scope(engine) as writing:
        mark_deleted(writing, 1, 100)
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
            record_failed_fetch(writing, 1, 7, 100, NOON)
    assert session.scalars(select(JobLog.state)).one() == "missing"


def test_pruning_takes_old_runs_and_all_that_hangs_on_them(engine: Engine, session: Session) -> None:
    store_runs(engine, run(1, minutes=-60 * 24 * 30), run(2))
    store_jobs(engine, 1, job(1))
    store_jobs(engine, 2, job(2))
    assert sum(prune(engine, NOON - timedelta(days=10), NOON)) == 1
    assert session.scalars(select(Run.id)).all() == [2]
    assert session.scalars(select(Job.id)).all() == [2]
