"""Applying webhook deliveries: whatever their order, number and shape, what is stored is right and nothing is lost."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.models import Attempt, Heartbeat, InboxItem, Job, Repository, Run, SyncState, Workflow
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs
from tests.collector.deliveries import Event, apply, deliver, job_event, once, run_event, values
from tests.collector.recordings import FOLDER, MISSING

PAYLOADS = FOLDER / "webhooks" / "payload-examples" / "api.github.com"
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


def of_run(session: Session, run_id: int) -> list[dict[str, Any]]:
    """Everything stored of a run but what names it."""
    names = ("id", "run_id", "run_number", "head_sha", "html_url")
    rows: list[Any] = list(session.scalars(select(Run).where(Run.id == run_id)))
    rows += session.scalars(select(Attempt).where(Attempt.run_id == run_id).order_by(Attempt.attempt))
    rows += session.scalars(select(Job).where(Job.run_id == run_id).order_by(Job.id))
    return [values(row, *names) for row in rows]


def run_again(run_id: int) -> list[Event]:
    return [
        run_event(run_id, conclusion="failure"),
        job_event(run_id * 10, run_id, conclusion="failure"),
        run_event(run_id, attempt=2, status="queued", conclusion=None, second=0),
        run_event(run_id, attempt=2),
        job_event(run_id * 10 + 1, run_id, attempt=2, end=45),
    ]


def waiting(run_id: int) -> list[Event]:
    """All of it within one second, and the first delivery comes twice."""
    waits = job_event(run_id * 10, run_id, status="waiting")
    return [
        run_event(run_id, status="requested", conclusion=None, second=0),
        run_event(run_id, status="in_progress", conclusion=None, second=0),
        waits,
        waits,
        job_event(run_id * 10, run_id, status="queued"),
    ]


def approved(run_id: int) -> list[Event]:
    """It runs, waits and runs on; nothing but its status and updated_at tell."""
    states = (("queued", 0.0), ("in_progress", 4.0), ("waiting", 30.0), ("in_progress", 90.0))
    told = [run_event(run_id, status=status, conclusion=None, second=second) for status, second in states]
    return [*told, job_event(run_id * 10, run_id)]


STORIES = pytest.mark.parametrize("story", [once, run_again, waiting, approved])
ORDERS = list(itertools.permutations(range(5)))


def told(story: Any, orders: list[tuple[int, ...]]) -> list[list[Event]]:
    """The story of one run after the other, each in an order of its own."""
    return [[story(number)[k] for k in order] for number, order in enumerate(orders, start=1)]


def check(session: Session, orders: list[tuple[int, ...]]) -> None:
    expected = of_run(session, 1)
    for number, order in enumerate(orders, start=1):
        assert of_run(session, number) == expected, order


# 23 events: a run is cut at each of its places.
@pytest.mark.parametrize("batch", [23, 400])
@STORIES
def test_in_whatever_order_a_runs_events_come_the_same_is_stored(
    engine: Engine, session: Session, story: Any, batch: int
) -> None:
    deliver(engine, *itertools.chain.from_iterable(told(story, ORDERS)))
    assert apply(engine, batch=batch).applied == 5 * len(ORDERS)
    check(session, ORDERS)


@STORIES
def test_so_it_is_where_each_event_of_a_run_comes_in_a_transaction_of_its_own(
    engine: Engine, session: Session, story: Any
) -> None:
    """All runs take a step at once: what they meet is what single deliveries meet."""
    for step in zip(*told(story, ORDERS), strict=True):
        deliver(engine, *step)
        assert apply(engine).applied == len(ORDERS)
    check(session, ORDERS)


@STORIES
def test_so_it_is_one_delivery_at_a_time(engine: Engine, session: Session, story: Any) -> None:
    some = ORDERS[::13]
    deliver(engine, *itertools.chain.from_iterable(told(story, some)))
    assert apply(engine, batch=1).applied == 5 * len(some)
    check(session, some)


def test_a_run_told_by_webhook_is_what_polling_would_have_stored(engine: Engine, session: Session) -> None:
    deliver(engine, *once(1))
    applied = apply(engine)
    assert (applied.applied, applied.runs_without_jobs, applied.unknown_runs) == (5, {(1, 1)}, set())
    stored = session.get_one(Run, (1, 1))
    assert (stored.workflow_name, stored.branch, stored.on_default_branch) == ("CI", "main", True)
    assert (stored.status, stored.conclusion, stored.outcome) == ("completed", "success", "success")
    assert (stored.duration_seconds, stored.queue_seconds, stored.compute_seconds) == (55, 5, 50)
    assert stored.details_pending
    (attempt,) = session.scalars(select(Attempt))
    assert (attempt.conclusion, attempt.duration_seconds, attempt.actor) == ("success", 55, "alice")


@pytest.mark.parametrize(("told", "stored"), [(31, 31), (0, None), (-1, None), (None, None), (2**63, None)], ids=str)
def test_the_runner_and_its_group_come_with_the_job(
    engine: Engine, session: Session, told: int | None, stored: int | None
) -> None:
    group = "Machines of the team" if stored else ""
    deliver(engine, run_event(1), job_event(10, 1, runner_id=told, runner_group_name=group))
    apply(engine)
    job = session.get_one(Job, (1, 10))
    assert (job.runner_id, job.runner_group) == (stored, group or None)


def test_a_rerun_keeps_both_attempts_and_is_flaky(engine: Engine, session: Session) -> None:
    deliver(engine, *reversed(run_again(1)))
    apply(engine)
    stored = session.get_one(Run, (1, 1))
    assert (stored.attempt, stored.conclusion, stored.flaky) == (2, "success", True)
    assert (stored.compute_seconds, stored.wasted_seconds) == (90, 50)
    attempts = session.scalars(select(Attempt).order_by(Attempt.attempt))
    assert [(each.conclusion, each.duration_seconds) for each in attempts] == [("failure", 55), ("success", 45)]


def test_a_run_that_waits_for_an_approval_after_it_ran_waits(engine: Engine, session: Session) -> None:
    for status, second in (("in_progress", 4.0), ("waiting", 30.0)):
        deliver(engine, run_event(status=status, conclusion=None, second=second))
        apply(engine)
    assert session.scalars(select(Run.status)).one() == "waiting"


def test_a_request_that_is_over_at_once_is_stored_as_over(engine: Engine, session: Session) -> None:
    name, payload = run_event(conclusion="action_required", second=0)
    deliver(engine, (name, {**payload, "action": "requested"}))
    apply(engine)
    stored = session.scalars(select(Run)).one()
    assert (stored.status, stored.conclusion, stored.outcome) == ("completed", "action_required", "other")


@pytest.mark.parametrize(
    "stale",
    [
        run_event(status="in_progress", conclusion=None, second=300),
        run_event(conclusion="failure", second=10),
        run_event(status="queued", conclusion=None, second=60),
    ],
)
def test_an_event_older_than_what_polling_stored_changes_nothing(
    engine: Engine, session: Session, stale: Event
) -> None:
    store_runs(engine, run())
    store_jobs(engine, 100, job())
    before = of_run(session, 100)
    session.rollback()
    deliver(engine, stale, job_event(status="in_progress"), job_event(status="queued"))
    applied = apply(engine)
    assert (applied.applied, applied.changed) == (3, 0)
    assert of_run(session, 100) == before


def test_polling_that_is_behind_the_events_changes_nothing(engine: Engine, session: Session) -> None:
    deliver(engine, run_event(), job_event())
    apply(engine)
    before = of_run(session, 100)
    session.rollback()
    for status in ("queued", "in_progress"):
        behind = run(status=status, conclusion=None, updated_at=NOON + timedelta(seconds=60))
        assert store_runs(engine, behind).changed == 0
    store_jobs(engine, 100, job(status="in_progress", conclusion=None, end=None))
    asked: dict[str, Any] = {"details_at": None, "details_pending": None}
    assert [{**row, **asked} for row in of_run(session, 100)] == [{**row, **asked} for row in before]


def test_jobs_wait_for_a_run_that_polling_brings_later(engine: Engine, session: Session) -> None:
    deliver(engine, job_event(), job_event(2, status="in_progress", name="test"))
    assert apply(engine).unknown_runs == {(1, 100)}
    store_runs(engine, run())
    store_jobs(engine, 100, job(end=55), job(2, name="test", end=80))
    stored = session.scalars(select(Run)).one()
    assert (stored.duration_seconds, stored.compute_seconds) == (80, 50 + 75)


def test_a_job_of_the_next_attempt_leaves_the_run_as_it_is(engine: Engine, session: Session) -> None:
    deliver(engine, *once(1))
    apply(engine)
    before = session.get_one(Run, (1, 1))
    deliver(engine, job_event(11, 1, attempt=2, conclusion="failure"))
    apply(engine)
    with Session(engine) as later:
        after = later.get_one(Run, (1, 1))
        assert values(after, "compute_seconds", "cost_usd") == values(before, "compute_seconds", "cost_usd")
        assert after.compute_seconds == before.compute_seconds + 50
        assert later.scalar(select(func.count()).select_from(Attempt)) == 1


def test_a_workflow_that_is_not_known_yet_comes_with_its_run(engine: Engine, session: Session) -> None:
    name, payload = run_event(workflow_id=77, name="", path=None)
    told = {"id": 77, "name": "Deploy", "path": ".github/workflows/deploy.yml", "state": "active"}
    deliver(engine, (name, {**payload, "workflow": told}))
    apply(engine)
    assert session.scalars(select(Run.workflow_name)).one() == "Deploy"
    stored = session.get_one(Workflow, (1, 77))
    assert (stored.name, stored.path, stored.state) == ("Deploy", ".github/workflows/deploy.yml", "active")


def test_a_pull_request_from_a_forks_main_is_not_on_the_default_branch(engine: Engine, session: Session) -> None:
    deliver(engine, run_event(1, head_repository={"id": 2}), run_event(2, head_repository=None))
    apply(engine)
    assert {row.id: row.on_default_branch for row in session.execute(select(Run.id, Run.on_default_branch))} == {
        1: False,
        2: True,
    }


def test_a_repository_under_a_new_name_is_the_same_and_is_asked_for_its_name(engine: Engine, session: Session) -> None:
    with write_scope(engine) as writing:
        writing.execute(update(SyncState).values(identity_checked_at=NOON))
    deliver(engine, run_event(repository={"id": 1, "full_name": "acme/site"}))
    assert apply(engine).applied == 1
    assert session.scalars(select(Run.repository_id)).all() == [1]
    assert session.get_one(SyncState, 1).identity_checked_at is None


def test_a_repository_that_is_not_monitored_is_left_alone(engine: Engine, session: Session) -> None:
    with write_scope(engine) as writing:
        writing.execute(update(Repository).values(monitored=False))
    other = {"id": 2, "full_name": "acme/other"}
    deliver(engine, run_event(1), run_event(2, repository=other))
    assert apply(engine).ignored == 2
    assert session.scalars(select(Run)).all() == []
    items = session.scalars(select(InboxItem).order_by(InboxItem.delivery_id)).all()
    assert [(each.state, each.repository_id, each.error) for each in items] == [
        ("ignored", 1, "acme/web is not monitored"),
        ("ignored", 2, "acme/other is not monitored"),
    ]


def test_the_data_has_a_new_version_where_something_changed(engine: Engine, session: Session) -> None:
    def version() -> int:
        session.rollback()
        return session.scalar(select(Heartbeat.data_version)) or 0

    deliver(engine, *once(1), *once(2))
    apply(engine)
    first = version()
    assert first > 0
    deliver(engine, *once(1), ("workflow_run", b"{}"))
    assert apply(engine).changed == 0
    assert version() == first


@only_sqlite
def test_the_body_of_what_was_applied_is_not_kept(engine: Engine, session: Session) -> None:
    deliver(engine, run_event())
    apply(engine)
    item = session.scalars(select(InboxItem)).one()
    assert (item.state, item.body, item.applied_at) == ("applied", b"", NOON)


def recorded() -> list[Path]:
    return sorted(path for name in ("workflow_run", "workflow_job") for path in (PAYLOADS / name).glob("*.json"))


@pytest.mark.skipif(not PAYLOADS.is_dir(), reason=MISSING)
def test_every_recorded_payload_is_applied_with_its_fields(engine: Engine, session: Session) -> None:
    paths = recorded()
    assert len(paths) >= 11
    for number, path in enumerate(paths, start=1000):
        name, payload = path.parent.name, json.loads(path.read_text(encoding="utf-8"))
        payload["repository"]["id"] = 1
        # The examples share their ids.
        raw = {**payload[name], "id": number}
        deliver(engine, (name, {**payload, name: raw}))
        applied = apply(engine)
        assert (applied.applied, applied.changed) == (1, 1), path.name
        session.rollback()
        stored: Any = session.get_one(Run if name == "workflow_run" else Job, (1, number))
        assert (stored.status, stored.conclusion) == (raw["status"], raw["conclusion"])
        if isinstance(stored, Run):
            assert (stored.run_number, stored.branch, stored.title) == (
                raw["run_number"],
                raw["head_branch"],
                raw["display_title"],
            )
            assert stored.workflow_name == payload["workflow"]["name"]
        else:
            assert (stored.run_id, stored.name, stored.labels) == (raw["run_id"], raw["name"], raw["labels"])
            assert [step["name"] for step in stored.steps] == [step["name"] for step in raw["steps"]]
