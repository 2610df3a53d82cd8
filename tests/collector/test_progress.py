"""The collector's signs of life, and what it counts in them."""

import threading
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, event

from collector.claims import ClaimManager
from collector.progress import Progress
from db.collection.counters import CounterName, CounterRegistry
from db.collection.heartbeat_detail import HeartbeatDetail
from db.engine import session_scope
from db.repositories.repository_queries import HeartbeatRow, heartbeat
from tests.collector.conftest import Clock


def counted(engine: Engine) -> float:
    return (stored(engine).detail.counters or {})["counts"]["syncs"]["ok"]  # type: ignore[no-any-return]


def stored(engine: Engine) -> HeartbeatRow:
    with session_scope(engine) as session:
        found = heartbeat(session, "collector")
    assert found
    return found


def started(engine: Engine, clock: Clock, *, often: int = 0, command: bool = False) -> Progress:
    """One that has counted so many looks since its start."""
    counters = CounterRegistry()
    counters.increment(CounterName.SYNCS, "ok", often)
    return Progress(engine, clock, HeartbeatDetail(poll_seconds=300.0), bar=command, counters=counters)


def test_threads_that_beat_at_once_after_a_start_count_on_from_what_was_counted(engine: Engine) -> None:
    clock = Clock()
    started(engine, clock, often=5).beat(force=True)

    @event.listens_for(engine, "after_cursor_execute")
    def slowly(*given: object) -> None:
        if "FROM heartbeats" in str(given[2]):
            time.sleep(0.1)

    again = started(engine, clock, often=1)
    threads = [threading.Thread(target=lambda: again.beat(force=True)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(engine) == 6


def test_a_command_beside_a_service_leaves_its_counters_and_facts_alone(engine: Engine) -> None:
    clock = Clock()
    service, command = started(engine, clock, often=5), started(engine, clock, often=1, command=True)
    midnight = datetime(2026, 11, 19, tzinfo=UTC)
    service.set_heartbeat_fields(next_prune_at=midnight)
    service.beat(force=True)
    for _ in range(2):
        command.begin("history")
        assert counted(engine) == 5
        assert stored(engine).detail.next_prune_at == midnight
        assert stored(engine).detail.message == "history"
        service.beat(force=True)
        assert counted(engine) == 5


def test_a_command_alone_counts_on(engine: Engine) -> None:
    clock = Clock()
    started(engine, clock, often=5).beat(force=True)
    clock.forward(hours=1)
    started(engine, clock, often=1, command=True).beat(force=True)
    assert counted(engine) == 6


def test_who_ends_in_order_is_stopped_at_once_and_stays_so(engine: Engine) -> None:
    clock = Clock()
    service = started(engine, clock)
    service.beat(force=True)
    clock.forward(seconds=1)
    service.mark_stopping()
    stopped = clock()
    clock.forward(seconds=5)
    service.beat(force=True)
    assert stored(engine).stopped_at == stopped
    again = started(engine, clock)
    again.begin("Looking for repositories")
    assert stored(engine).stopped_at is None


def test_a_command_beside_a_service_does_not_stop_it_and_one_after_it_is_no_guest(engine: Engine) -> None:
    clock = Clock()
    service, command = started(engine, clock), started(engine, clock, command=True)
    service.beat(force=True)
    command.begin("history")
    command.mark_stopping()
    assert stored(engine).stopped_at is None
    service.mark_stopping()
    late = started(engine, clock, command=True)
    late.begin("history")
    assert (stored(engine).stopped_at, stored(engine).detail.command) == (None, True)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_several_the_last_one_stops_for_all(engine: Engine) -> None:
    clock = Clock()
    one, two = (Progress(engine, clock, HeartbeatDetail(), name=name) for name in ("a/1", "b/2"))
    two.is_leader = False
    claims = {name: ClaimManager(engine, name, clock) for name in ("a/1", "b/2")}
    for name, progress in (("a/1", one), ("b/2", two)):
        claims[name].renew()
        progress.beat(force=True)
    one.mark_stopping()
    assert named(engine, "collector/a/1").stopped_at == clock()
    assert stored(engine).stopped_at is None
    claims["a/1"].release()
    two.mark_stopping()
    assert stored(engine).stopped_at == clock()


def named(engine: Engine, name: str) -> HeartbeatRow:
    with session_scope(engine) as session:
        found = heartbeat(session, name)
    assert found
    return found
