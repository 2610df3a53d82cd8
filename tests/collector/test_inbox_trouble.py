"""Deliveries that cannot be used, and programs that end, meet or find the database busy: nothing is lost or stopped."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from db.engine import make_engine, write_scope
from db.models import InboxItem, Job, Repository, Run
from db.webhook_inbox import MAX_ATTEMPTS
from tests.builders import add_repository, run, store_runs
from tests.collector.deliveries import Event, apply, deliver, job_event, once, run_event

ROOT = Path(__file__).parents[2]
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def _repository(engine: Engine) -> None:
    add_repository(engine)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


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
@pytest.mark.parametrize("fields", [{"head_branch": "x" * 1_000_000}])
def test_what_the_database_refuses_is_given_up_after_some_tries(
    engine: Engine, session: Session, fields: dict[str, Any]
) -> None:
    first, poison, last = deliver(engine, run_event(1), run_event(2, **fields), run_event(3))
    tries = [apply(engine) for _ in range(MAX_ATTEMPTS)]
    assert [each.applied for each in tries] == [2, 0, 0, 0, 0]
    assert [each.deferred for each in tries] == [1, 1, 1, 1, 0]
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
