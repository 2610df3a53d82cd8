"""Figures that are read while others write are those of one moment."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from db.definitions.records import RunRecord
from db.definitions.scope import Scope, Window
from db.engine import write_scope
from db.enums import GroupBy, Interval
from db.replica import ReplicaRouter
from db.repositories.repository_writes import get_repository
from db.runs.run_writes import upsert_runs
from health.metrics import service
from health.metrics.queries import raw_runs
from health.metrics.rollups.refresh import refresh_rollups
from tests.builders import NOON, add_repository, run, store_runs

WINDOW = Window(NOON - timedelta(days=6), NOON + timedelta(days=1))
SECONDS = 6.0


@pytest.fixture
def reader(database_url: str) -> Iterator[ReplicaRouter]:
    made = ReplicaRouter(database_url)
    yield made
    made.close()


def test_a_session_sees_one_state_whatever_is_written_meanwhile(engine: Engine, reader: ReplicaRouter) -> None:
    add_repository(engine)
    with reader.session() as session:
        before = service.snapshot(session, Scope(), WINDOW).runs.total
        store_runs(engine, *(run(number) for number in range(1, 6)))
        assert service.snapshot(session, Scope(), WINDOW).runs.total == before == 0
    with reader.session() as session:
        assert service.snapshot(session, Scope(), WINDOW).runs.total == 5


def test_a_session_that_reads_cannot_write(engine: Engine, reader: ReplicaRouter) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no transactions that only read")
    add_repository(engine)
    with pytest.raises(DBAPIError, match="read-only"), reader.session() as session:
        session.execute(text("DELETE FROM repositories"))
    with write_scope(reader.primary) as session:
        session.execute(text("DELETE FROM repositories"))


def test_figures_hold_together_while_runs_arrive(
    engine: Engine, reader: ReplicaRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With groups and buckets that appear between two statements of a question."""
    monkeypatch.setattr(raw_runs, "_MAX_ROWS_IN_PYTHON", 5)
    monkeypatch.setattr(raw_runs, "_MAX_ROWS_BESIDE_ROLLUPS", 5)
    add_repository(engine)
    ends, failures, answers = time.monotonic() + SECONDS, [], []

    def write() -> None:
        number = 0
        while time.monotonic() < ends:
            number += 10
            with write_scope(engine) as session:
                found = [_run(each) for each in range(number, number + 10)]
                upsert_runs(session, get_repository(session, 1), found)
            if number % 50 == 0:
                for _ in refresh_rollups(engine, NOON):
                    pass

    def ask() -> None:
        while time.monotonic() < ends:
            try:
                answers.append(_ask(reader))
            except Exception as error:  # whatever it is, the test names it
                failures.append(repr(error))

    threads = [threading.Thread(target=each) for each in (write, ask, ask, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(answers) > 5
    assert len({total for total, _ in answers}) > 2
    assert [sums for total, sums in answers if sums != [total] * len(sums)] == []


def _run(number: int) -> RunRecord:
    return run(
        number, minutes=-(number * 7919 % (5 * 24 * 60)), branch=f"b{number}", actor=f"a{number % 50}",
        conclusion=("success", "failure", "skipped")[number % 3],
    )  # fmt: skip


def _ask(reader: ReplicaRouter) -> tuple[int, list[int]]:
    """The total, and what other questions add up to, all of one session."""
    with reader.session() as session:
        total = service.snapshot(session, Scope(), WINDOW).runs.total
        sums = [
            sum(each.metrics.runs.total for each in service.groups(session, Scope(), WINDOW, by))
            for by in (GroupBy.BRANCH, GroupBy.ACTOR, GroupBy.EVENT)
        ]
        for interval in (Interval.HOUR, Interval.DAY):
            sums.append(sum(each.metrics.runs.total for each in service.series(session, Scope(), WINDOW, interval)))
        sums.append(service.snapshot(session, Scope(statuses=("completed",)), WINDOW).runs.total)
        sums.append(service.count_runs(session, Scope(), WINDOW))
    return total, sums


def test_a_router_starts_its_threads_on_demand_and_ends_them(database_url: str) -> None:
    def threads() -> list[str]:
        return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("replica-router"))

    router = ReplicaRouter(database_url, database_url)
    assert threads() == []
    assert router.start().start() is router
    assert threads() == ["replica-router-primary", "replica-router-replica"]
    router.close()
    assert threads() == []
