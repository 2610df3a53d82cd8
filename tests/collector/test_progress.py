"""The collector's signs of life, and what it counts in them."""

import threading
import time

from sqlalchemy import Engine, event

from collector.progress import Progress
from db.engine import session_scope
from db.metrics.tally import Count, Tally
from db.queries.repositories import HeartbeatRow, heartbeat
from tests.collector.conftest import Clock


def counted(engine: Engine) -> float:
    return stored(engine).detail["tally"]["counts"]["syncs"]["ok"]  # type: ignore[no-any-return]


def stored(engine: Engine) -> HeartbeatRow:
    with session_scope(engine) as session:
        found = heartbeat(session, "collector")
    assert found
    return found


def started(engine: Engine, clock: Clock, *, often: int = 0, command: bool = False) -> Progress:
    """One that has counted so many looks since its start."""
    tally = Tally()
    tally.count(Count.SYNCS, "ok", often)
    return Progress(engine, clock, {"poll_seconds": 300.0}, bar=command, tally=tally)


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
    service.know(next_prune_at="2026-11-19T00:00:00+00:00")
    service.beat(force=True)
    for _ in range(2):
        command.begin("history")
        assert counted(engine) == 5
        assert stored(engine).detail["next_prune_at"] == "2026-11-19T00:00:00+00:00"
        assert stored(engine).detail["message"] == "history"
        service.beat(force=True)
        assert counted(engine) == 5


def test_a_command_alone_counts_on(engine: Engine) -> None:
    clock = Clock()
    started(engine, clock, often=5).beat(force=True)
    clock.forward(hours=1)
    started(engine, clock, often=1, command=True).beat(force=True)
    assert counted(engine) == 6
