"""Applying webhook deliveries: whatever their order, number and shape, what is stored is right and nothing is lost."""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db.engine import make_engine, write_scope
from db.models import Attempt, Heartbeat, InboxItem, Job, Repository, Run, SyncState, Workflow
from db.store.inbox import MAX_TRIES
from tests.api.conftest import MakeClient
from tests.api.conftest import make_client as _make_client
from tests.api.webhooks import PATH, SECRET, request
from tests.builders import NOON, add_repository, job, run, store_jobs, store_runs
from tests.collector.deliveries import Event, apply, deliver, job_event, run_event
from tests.collector.recordings import FOLDER, MISSING

ROOT = Path(__file__).parents[2]
PAYLOADS = FOLDER / "webhooks" / "payload-examples" / "api.github.com"
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


make_client = _make_client


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


def values(row: Any, *without: str) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns if column.name not in without}


def of_run(session: Session, run_id: int) -> list[dict[str, Any]]:
    """Everything stored of a run but what names it."""
    names = ("id", "run_id", "run_number", "head_sha", "html_url")
    rows: list[Any] = list(session.scalars(select(Run).where(Run.id == run_id)))
    rows += session.scalars(select(Attempt).where(Attempt.run_id == run_id).order_by(Attempt.attempt))
    rows += session.scalars(select(Job).where(Job.run_id == run_id).order_by(Job.id))
    return [values(row, *names) for row in rows]


def once(run_id: int) -> list[Event]:
    return [
        run_event(run_id, status="queued", conclusion=None, second=0),
        run_event(run_id, status="in_progress", conclusion=None, second=4),
        run_event(run_id, second=60),
        job_event(run_id * 10, run_id, status="in_progress"),
        job_event(run_id * 10, run_id),
    ]


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


@pytest.mark.parametrize("batch", [1, 7, 400])
@pytest.mark.parametrize("story", [once, run_again, waiting, approved])
def test_in_whatever_order_a_runs_events_come_the_same_is_stored(
    engine: Engine, session: Session, story: Any, batch: int
) -> None:
    orders = list(itertools.permutations(range(5)))
    told = [[story(number)[k] for k in order] for number, order in enumerate(orders, start=1)]
    deliver(engine, *itertools.chain.from_iterable(told))
    assert apply(engine, batch=batch).applied == 5 * len(orders)
    expected = of_run(session, 1)
    for number, order in enumerate(orders, start=1):
        assert of_run(session, number) == expected, order


def test_a_run_told_by_webhook_is_what_polling_would_have_stored(engine: Engine, session: Session) -> None:
    deliver(engine, *once(1))
    applied = apply(engine)
    assert (applied.applied, applied.wanting, applied.unknown) == (5, {(1, 1)}, set())
    stored = session.get_one(Run, (1, 1))
    assert (stored.workflow_name, stored.branch, stored.on_default_branch) == ("CI", "main", True)
    assert (stored.status, stored.conclusion, stored.outcome) == ("completed", "success", "success")
    assert (stored.duration_seconds, stored.queue_seconds, stored.compute_seconds) == (55, 5, 50)
    assert stored.details_pending
    (attempt,) = session.scalars(select(Attempt))
    assert (attempt.conclusion, attempt.duration_seconds, attempt.actor) == ("success", 55, "alice")


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
    assert apply(engine).unknown == {(1, 100)}
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
        writing.execute(update(SyncState).values(identified_at=NOON))
    deliver(engine, run_event(repository={"id": 1, "full_name": "acme/site"}))
    assert apply(engine).applied == 1
    assert session.scalars(select(Run.repository_id)).all() == [1]
    assert session.get_one(SyncState, 1).identified_at is None


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


def broken() -> list[tuple[str, bytes]]:
    """Deliveries with a right signature and a wrong body, as a program that is not GitHub may send them."""

    def changed(told: Event, **fields: Any) -> tuple[str, bytes]:
        name, payload = told
        return name, json.dumps({**payload, name: {**payload[name], **fields}}).encode()

    bodies = [
        b"", b"Hello, World!", b"[1, 2]", b"7", b'"text"', b"null", b"{", b"\xff\xfe", b"payload=%7B", b"[" * 100_000,
        b'{"repository": ' + b"[" * 100_000, b'{"id": ' + b"9" * 5000 + b"}",
    ]  # fmt: skip
    events = [("workflow_run", body) for body in bodies]
    for fields in (
        {"id": "seven"}, {"id": None}, {"id": -1}, {"id": 2**70}, {"id": {}}, {"workflow_id": "x"}, {"run_number": [1]},
        {"run_number": 2**40}, {"run_attempt": 0}, {"created_at": "yesterday"}, {"created_at": None}, {"event": None},
        {"updated_at": "9999-12-31T23:59:59-14:00"}, {"actor": "alice"}, {"head_repository": {"id": "x"}},
    ):  # fmt: skip
        events.append(changed(run_event(), **fields))
    for fields in (
        {"id": "x"}, {"run_id": None}, {"name": None}, {"labels": "ubuntu"}, {"steps": {}}, {"steps": [None]},
        {"started_at": "0001-01-01T00:00:00+14:00"}, {"run_attempt": "second"},
    ):  # fmt: skip
        events.append(changed(job_event(), **fields))
    for repository in (None, "acme/web", {}, {"id": None}, {"full_name": "acme/web"}):
        name, payload = run_event()
        events.append((name, json.dumps({**payload, "repository": repository}).encode()))
    events.append(("workflow_run", b'{"workflow_run": "text", "repository": {"id": 1}}'))
    return events


def test_what_cannot_be_read_is_failed_with_a_reason_and_stops_nothing(engine: Engine, session: Session) -> None:
    bad = broken()
    good = [run_event(number) for number in range(1, len(bad) + 1)]
    told: list[Any] = [each for pair in zip(bad, good, strict=True) for each in pair]
    ids = deliver(engine, *told)
    applied = apply(engine)
    assert (applied.failed, applied.applied) == (len(bad), len(good))
    assert len(session.scalars(select(Run.id)).all()) == len(good)
    for delivery_id, (_, body) in zip(ids[::2], bad, strict=True):
        item = session.get_one(InboxItem, delivery_id)
        assert (item.state, item.body) == ("failed", body)
        assert item.error, body
        assert "\n" not in item.error
    assert apply(engine).count == 0


@pytest.mark.parametrize("payload", [{"workflow_run": None}, {}, {"workflow_run": None, "repository": None}])
def test_an_event_about_nothing_is_ignored(engine: Engine, session: Session, payload: dict[str, Any]) -> None:
    deliver(engine, ("workflow_run", payload))
    assert apply(engine).ignored == 1
    assert session.scalars(select(InboxItem.error)).one() == "workflow_run is null"


def test_text_that_no_database_takes_is_stored_without_it(engine: Engine, session: Session) -> None:
    deliver(engine, run_event(display_title="a\x00b\ud800"), job_event(name="\x00", labels=["\udfff"]))
    assert apply(engine).applied == 2
    assert session.scalars(select(Run.title)).one() == "a\ufffdb\ufffd"


@only_postgresql
@pytest.mark.parametrize("fields", [{"event": "x" * 500}, {"head_branch": "x" * 1_000_000}])
def test_what_the_database_refuses_is_given_up_after_some_tries(
    engine: Engine, session: Session, fields: dict[str, Any]
) -> None:
    first, poison, last = deliver(engine, run_event(1), run_event(2, **fields), run_event(3))
    tries = [apply(engine) for _ in range(MAX_TRIES)]
    assert [each.applied for each in tries] == [2, 0, 0, 0, 0]
    assert [each.put_off for each in tries] == [1, 1, 1, 1, 0]
    assert [each.failed for each in tries] == [0, 0, 0, 0, 1]
    rows = session.execute(select(InboxItem.delivery_id, InboxItem.state))
    states = {row.delivery_id: row.state for row in rows}
    assert states == {first: "applied", poison: "failed", last: "applied"}
    error = session.get_one(InboxItem, poison).error
    assert error
    assert "INSERT" not in error
    assert set(session.scalars(select(Run.id))) == {1, 3}


@only_postgresql
def test_a_database_that_is_busy_is_not_the_deliverys_fault(database_url: str, engine: Engine) -> None:
    impatient = make_engine(database_url)
    event.listen(impatient, "connect", lambda connection, _: connection.cursor().execute("SET lock_timeout = '100ms'"))
    deliver(engine, *once(1))
    with write_scope(engine) as writing:
        writing.execute(update(Repository).values(archived=True))
        with pytest.raises(OperationalError):
            apply(impatient)
    with Session(engine) as session:
        assert {tuple(row) for row in session.execute(select(InboxItem.state, InboxItem.tries))} == {("pending", 0)}
    assert apply(impatient).applied == 5
    impatient.dispose()


def test_the_data_has_a_new_version_where_something_changed(engine: Engine, session: Session) -> None:
    def version() -> int:
        session.rollback()
        return session.scalar(select(Heartbeat.data_version)) or 0

    deliver(engine, *once(1), *once(2))
    apply(engine)
    assert version() == 1
    deliver(engine, *once(1), ("workflow_run", b"{}"))
    assert apply(engine).changed == 0
    assert version() == 1


@only_sqlite
def test_the_body_of_what_was_applied_is_not_kept(engine: Engine, session: Session) -> None:
    deliver(engine, run_event())
    apply(engine)
    item = session.scalars(select(InboxItem)).one()
    assert (item.state, item.body, item.applied_at) == ("applied", b"", NOON)


def stories(number: int) -> list[Event]:
    return [each for run_id in range(1, number + 1) for each in once(run_id)]


def assert_complete(session: Session, number: int) -> None:
    assert set(session.scalars(select(InboxItem.state))) == {"applied"}
    runs = session.execute(select(Run.status, Run.duration_seconds, Run.compute_seconds))
    assert [tuple(row) for row in runs] == [("completed", 55, 50)] * number
    assert session.scalars(select(Job.status)).all() == ["completed"] * number


def test_several_collectors_at_once_apply_each_delivery_once(database_url: str, session: Session) -> None:
    """With a collector that polls what is behind, as real ones do."""
    engines = [make_engine(database_url) for _ in range(4)]
    deliver(engines[0], *stories(60))
    over = threading.Event()

    def poll() -> None:
        behind = [run(number, status="in_progress", conclusion=None, seconds=4) for number in range(1, 61)]
        while not over.wait(0.01):
            store_runs(engines[3], *behind)

    polling = threading.Thread(target=poll)
    polling.start()
    with ThreadPoolExecutor(3) as threads:
        waiting_for = [threads.submit(until_nothing_waits, engine) for engine in engines[:3]]
        counts = [each.result() for each in waiting_for]
    over.set()
    polling.join()
    assert sum(counts) == 300
    assert_complete(session, 60)
    for engine in engines:
        engine.dispose()


def until_nothing_waits(engine: Engine) -> int:
    total = 0
    while True:
        total += apply(engine, batch=10).count
        with Session(engine) as session:
            if not session.scalar(select(func.count()).where(InboxItem.state == "pending")):
                return total


def test_a_collector_that_is_killed_loses_nothing(database_url: str, engine: Engine, session: Session) -> None:
    deliver(engine, *stories(100))
    program = (
        "import sys; from db.engine import make_engine; from tests.collector.deliveries import apply; "
        "apply(make_engine(sys.argv[1]), batch=5)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, database_url], cwd=ROOT)
    while count(engine, "applied") < 20:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = count(engine, "pending")
    assert 0 < left < 500
    assert apply(engine).applied == left
    assert_complete(session, 100)


def count(engine: Engine, state: str) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).where(InboxItem.state == state)) or 0


@only_sqlite
def test_what_github_sends_over_http_shows_in_the_api(make_client: MakeClient, engine: Engine) -> None:
    client = make_client(github_webhook_secret=SECRET)
    told: Sequence[Event] = once(100)
    for number, (name, payload) in enumerate(told):
        body = urlencode({"payload": json.dumps(payload)}).encode() if number % 2 else payload
        assert client.post(PATH, **request(body, event=name, delivery=f"h-{number}")).json()["status"] == "stored"
    assert apply(engine).applied == len(told)
    shown = client.get("/api/runs/100").json()
    assert (shown["conclusion"], shown["duration_seconds"], shown["queue_seconds"]) == ("success", 55, 5)
    assert [each["steps"][0]["name"] for each in shown["jobs"]] == ["Set up job"]


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
