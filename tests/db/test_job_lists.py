"""Lists of jobs that hold fewer jobs than GitHub counts."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.collection.sync_state import sync_state
from db.definitions.records import JobRecord, RunDetailsRecord
from db.engine import session_scope, write_scope
from db.jobs.job_writes import store_run_details
from db.jobs.pending_jobs import job_lists_to_recheck, reopen_job_lists
from db.jobs.webhook_events import JobUpdate, store_events
from db.models import Run
from db.repositories.repository_writes import get_repository
from tests.builders import NOON, add_repository, job, run, store_runs

ENDED = NOON + timedelta(seconds=60)


@pytest.fixture(autouse=True)
def repository(engine: Engine) -> None:
    add_repository(engine)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def read_jobs(
    engine: Engine, *jobs: JobRecord, count: int | None, after: timedelta = timedelta(seconds=30), run_id: int = 100,
    attempt: int = 1,
) -> bool:  # fmt: skip
    """Stores an answer that came so long after the run's end; returns whether the run is asked for again."""
    with write_scope(engine) as session:
        detail = RunDetailsRecord(run_id, (), jobs, ENDED + after, attempt=attempt, job_count=count)
        store_run_details(session, get_repository(session, 1), [detail])
        return session.scalars(select(Run.details_pending).where(Run.id == run_id)).one()


def gaps(engine: Engine) -> list[dict[str, Any]]:
    with session_scope(engine) as session:
        return list(sync_state(session, 1).gaps)


def details(engine: Engine) -> list[str]:
    return [gap["detail"] for gap in gaps(engine)]


def due(engine: Engine, now: datetime) -> Sequence[int]:
    with session_scope(engine) as session:
        return job_lists_to_recheck(session, 1, now)


@pytest.mark.parametrize(("jobs", "count"), [((), 0), ((), 3), ((job(1),), 3), ((job(1), job(2, name="test")), 3)])
def test_a_list_that_is_short_right_after_the_end_is_read_again(
    engine: Engine, jobs: tuple[JobRecord, ...], count: int
) -> None:
    store_runs(engine, run(conclusion="failure"))
    assert read_jobs(engine, *jobs, count=count)
    (gap,) = gaps(engine)
    assert gap["kind"] == "job_lists"
    missing = count - len(jobs)
    assert ("no job listed" if not count else f"run 100: {missing} job{'s' if missing > 1 else ''}") in gap["detail"]
    assert not read_jobs(engine, job(1), job(2, name="test"), job(3, name="lint"), count=3)
    assert gaps(engine) == []


def test_jobs_that_webhooks_brought_are_not_missing(engine: Engine) -> None:
    store_runs(engine, run())
    with write_scope(engine) as session:
        store_events(session, get_repository(session, 1), [], [JobUpdate(100, job(2, name="test"))])
    assert not read_jobs(engine, job(1), count=2)
    assert gaps(engine) == []


def test_after_the_settle_time_a_short_list_becomes_a_gap_of_its_run(engine: Engine) -> None:
    store_runs(engine, run(seconds=60), run(101, minutes=30))
    assert read_jobs(engine, job(1), count=280, after=timedelta(minutes=14))
    assert not read_jobs(engine, job(1), count=280, after=timedelta(minutes=16))
    assert not read_jobs(engine, job(2), count=1, run_id=101, after=timedelta(hours=2))
    (gap,) = gaps(engine)
    assert "279 jobs" in gap["detail"]
    assert gap["since"] == gap["until"] == NOON.isoformat()


def test_a_job_that_is_missing_at_the_end_does_not_make_the_run_older(engine: Engine) -> None:
    store_runs(engine, run(seconds=7200))
    early = job(1, end=60)
    assert read_jobs(engine, early, count=2, after=timedelta(seconds=7150))


@pytest.mark.parametrize("conclusion", ["startup_failure", "action_required", "skipped", "stale"])
def test_a_run_that_may_end_without_jobs_is_not_asked_for_again(engine: Engine, conclusion: str) -> None:
    store_runs(engine, run(conclusion=conclusion))
    assert not read_jobs(engine, count=0)
    assert gaps(engine) == []


@pytest.mark.parametrize("conclusion", ["cancelled", "failure", "success"])
def test_an_empty_list_is_taken_after_the_settle_time(engine: Engine, conclusion: str) -> None:
    store_runs(engine, run(conclusion=conclusion))
    assert read_jobs(engine, count=0)
    assert not read_jobs(engine, count=0, after=timedelta(minutes=20))
    assert gaps(engine) == []


def test_jobs_of_the_first_attempt_alone_are_no_list_of_the_second(engine: Engine) -> None:
    store_runs(engine, run(attempt=2, started_at=NOON))
    assert read_jobs(engine, job(1), count=1, attempt=2)
    assert not read_jobs(engine, job(1), job(2, attempt=2, start=20), count=2, attempt=2)


def test_a_short_list_is_looked_at_again_after_growing_times(engine: Engine, session: Session) -> None:
    store_runs(engine, run())
    now = ENDED + timedelta(hours=1)
    for pause in (timedelta(hours=1), timedelta(hours=6), timedelta(days=1)):
        read_jobs(engine, job(1), count=2, after=now - ENDED)
        assert due(engine, now + pause - timedelta(seconds=1)) == []
        now += pause
        assert due(engine, now) == [100]
    with write_scope(engine) as writing:
        reopen_job_lists(writing, 1, [100])
    assert session.get_one(Run, (1, 100)).details_pending
    read_jobs(engine, job(1), count=2, after=now - ENDED)
    assert due(engine, now + timedelta(days=30)) == []
    assert len(details(engine)) == 1


def test_of_deleted_runs_nothing_is_missing(engine: Engine) -> None:
    store_runs(engine, run())
    read_jobs(engine, count=2, after=timedelta(hours=1))
    with write_scope(engine) as session:
        session.delete(session.get_one(Run, (1, 100)))
    with write_scope(engine) as session:
        reopen_job_lists(session, 1, [100])
    assert gaps(engine) == []


def test_many_short_lists_are_one_gap_of_bounded_size(engine: Engine) -> None:
    store_runs(engine, *(run(1000 + number, minutes=-number) for number in range(230)))
    with write_scope(engine) as session:
        found = [
            RunDetailsRecord(1000 + number, (), (), NOON + timedelta(days=1), job_count=2) for number in range(230)
        ]
        store_run_details(session, get_repository(session, 1), found)
    (gap,) = gaps(engine)
    assert (len(gap["runs"]), gap["older"]["runs"]) == (200, 30)
    assert "in 230 runs" in gap["detail"]
    assert "227 more runs" in gap["detail"]
    assert gap["since"] == (NOON - timedelta(minutes=229)).isoformat()


def test_a_job_that_comes_by_webhook_after_the_list_was_read_has_it_read_again(
    engine: Engine, session: Session
) -> None:
    store_runs(engine, run())
    assert not read_jobs(engine, job(1), count=1)

    def tell(news: JobRecord) -> frozenset[int]:
        with write_scope(engine) as writing:
            return store_events(writing, get_repository(writing, 1), [], [JobUpdate(100, news)]).runs_to_fetch

    assert tell(job(1)) == frozenset()
    assert tell(job(9, attempt=2, status="queued", conclusion=None, end=None)) == frozenset()
    assert tell(job(2, name="test")) == {100}
    assert session.get_one(Run, (1, 100)).details_pending
