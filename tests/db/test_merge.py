"""Reports of attempts, runs and jobs that arrive in any order, and more than once."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.collection.claims import lock_repositories
from db.definitions.records import AttemptRecord, JobRecord, RunDetailsRecord, RunRecord
from db.engine import write_scope
from db.jobs.job_writes import store_run_details
from db.jobs.webhook_events import JobUpdate, store_events
from db.models import Attempt, Job, Run
from db.repositories.repository_writes import get_repository
from db.runs.merge import merge_attempt, merge_job
from db.runs.run_writes import upsert_runs
from tests.builders import NOON, add_repository, job, run

SECOND = timedelta(seconds=1)


def columns(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


def of_run(status: str, seconds: int, conclusion: str | None = None, **more: Any) -> RunRecord:
    return run(7, status=status, conclusion=conclusion, updated_at=NOON + seconds * SECOND, **more)


ATTEMPT_REPORTS: tuple[AttemptRecord | RunRecord, ...] = (
    of_run("queued", 0, started_at=None),
    of_run("in_progress", 5, triggering_actor="alice"),
    of_run("completed", 60, "cancelled", triggering_actor=None),
    # GitHub answers without a conclusion for a while, and corrects a conclusion.
    of_run("completed", 61, None),
    of_run("completed", 90, "failure", triggering_actor="alice"),
    AttemptRecord(1, "completed", "failure", NOON + SECOND, NOON + 70 * SECOND, "bob"),
)


def test_an_attempt_is_the_same_after_every_order_of_its_reports() -> None:
    for order in permutations(ATTEMPT_REPORTS):
        attempt = Attempt(repository_id=1, run_id=7, attempt=1)
        for reported in order:
            merge_attempt(attempt, reported)
        assert (attempt.status, attempt.conclusion, attempt.actor) == ("completed", "failure", "bob"), order
        assert attempt.first_completed_at == NOON + 70 * SECOND, order
        assert attempt.started_at == NOON + SECOND, order
        assert not any(merge_attempt(attempt, again) for again in ATTEMPT_REPORTS), order


def report(status: str, **more: Any) -> JobRecord:
    steps = more.pop("steps", ())
    values = {"status": status, "conclusion": None, "completed_at": None, "runner": None, "runner_id": None}
    return job(9, steps=tuple({"status": word} for word in steps), **(values | more))


JOB_REPORTS = (
    report("queued", started_at=None, labels=()),
    report("in_progress", runner="one", runner_id=5, steps=("in_progress", "queued")),
    report("in_progress", runner="one", runner_id=5, steps=("completed", "in_progress")),
    report("completed", conclusion="success", completed_at=NOON + 60 * SECOND, runner="one", steps=("completed",) * 2),
    # GitHub drops steps, runner and labels of an old job.
    report("completed", conclusion="success", completed_at=NOON + 60 * SECOND, labels=(), html_url=None),
)


def test_a_job_is_the_same_after_every_order_of_its_reports() -> None:
    for order in permutations(JOB_REPORTS):
        row = Job(repository_id=1, id=9, run_id=7, labels=[], steps=[])
        for reported in order:
            merge_job(row, reported)
        assert (row.status, row.conclusion, row.completed_at) == ("completed", "success", NOON + 60 * SECOND), order
        assert (row.runner, row.runner_id, row.labels) == ("one", 5, list(JOB_REPORTS[3].labels)), order
        assert row.html_url == JOB_REPORTS[0].html_url
        assert [step["status"] for step in row.steps] == ["completed", "completed"], order
        assert not any(merge_job(row, again) for again in JOB_REPORTS), order


def polled(engine: Engine) -> None:
    with write_scope(engine) as session:
        upsert_runs(session, get_repository(session, 1), [of_run("completed", 60, "failure", triggering_actor="alice")])


def details(engine: Engine) -> None:
    with write_scope(engine) as session:
        record = AttemptRecord(1, "completed", "failure", NOON, NOON + 62 * SECOND, "alice")
        store_run_details(
            session, get_repository(session, 1), [RunDetailsRecord(7, (record,), (JOB_REPORTS[3],), NOON + 90 * SECOND)]
        )


def delivered(engine: Engine) -> None:
    with write_scope(engine) as session:
        repository = lock_repositories(session, [1])[1]
        runs = [of_run("in_progress", 4, triggering_actor=None), of_run("in_progress", 5, triggering_actor="alice")]
        store_events(session, repository, runs, [JobUpdate(7, JOB_REPORTS[1])])


@pytest.mark.parametrize("order", list(permutations((polled, details, delivered))))
def test_polling_details_and_deliveries_store_the_same_rows_in_every_order(engine: Engine, order: Any) -> None:
    add_repository(engine)
    for source in order:
        source(engine)
    # Details of a run that is not stored yet are dropped: they are fetched again.
    details(engine)
    with Session(engine) as session:
        stored = session.scalars(select(Run)).one()
        attempt, row = session.scalars(select(Attempt)).one(), session.scalars(select(Job)).one()
    assert (stored.status, stored.conclusion, stored.updated_at) == ("completed", "failure", NOON + 60 * SECOND)
    expected = {
        "status": "completed", "conclusion": "failure", "actor": "alice", "started_at": attempt.started_at,
        "first_completed_at": NOON + 60 * SECOND, "completed_at": NOON + 60 * SECOND,
    }  # fmt: skip
    assert {name: columns(attempt)[name] for name in expected} == expected
    assert (row.status, row.runner, row.runner_id, len(row.steps)) == ("completed", "one", 5, 2)
