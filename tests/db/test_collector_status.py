"""Who collects, and what came by webhook."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from db.collection.backfills import request_backfill
from db.collection.heartbeat_detail import HeartbeatDetail
from db.collection.sync_state import record_heartbeat, sync_state
from db.definitions.records import RepositoryRecord
from db.engine import session_scope, write_scope
from db.enums import Liveness
from db.models import Claim
from db.repositories.repository_queries import HeartbeatRow
from health.completeness.collector_status import (
    CollectionReport,
    collection_report,
    count_catching_up,
    is_heartbeat_stale,
    latest_heartbeat,
    liveness,
)
from tests.builders import NOON, add_repository
from tests.completeness_rows import DAY, add, delivery


def served(engine: Engine, now: datetime = NOON) -> CollectionReport:
    with session_scope(engine) as session:
        return collection_report(session, now)


def test_without_a_collector_there_is_nothing_to_tell(engine: Engine) -> None:
    found = served(engine)
    assert (found.heartbeat, found.collectors, found.inbox.pending, found.webhook_at) == (None, (), 0, None)


def test_collectors_that_share_the_work_are_told_apart_by_their_claims(engine: Engine) -> None:
    later, sooner = NOON + timedelta(seconds=20), NOON - timedelta(seconds=1)
    with write_scope(engine) as session:
        record_heartbeat(session, NOON, {"state": "idle"})
        for name, seen in (("a/1", NOON), ("b/2", NOON - timedelta(minutes=5)), ("c/3", NOON - 2 * DAY)):
            record_heartbeat(session, seen, {"message": name}, name=f"collector/{name}")
    add(
        engine,
        *[
            Claim(kind=kind, name=name, holder="a/1", expires_at=later)
            for kind, name in (
                ("liveness", "a/1"),
                ("leader", "leader"),
                ("repository", "acme/web"),
                ("repository", "x/y"),
            )
        ],
        Claim(kind="liveness", name="b/2", holder="b/2", expires_at=sooner),
    )
    found = served(engine)
    assert found.heartbeat is not None
    assert found.heartbeat.name == "collector"
    assert [(each.name, each.alive, each.repositories) for each in found.collectors] == [
        ("a/1", True, 2), ("b/2", False, 0),
    ]  # fmt: skip
    assert found.collectors[0].detail == HeartbeatDetail(message="a/1")


def test_the_only_collector_speaks_by_the_main_heartbeat(engine: Engine) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOON, {"state": "idle"})
    add(engine, Claim(kind="liveness", name="here", holder="here", expires_at=NOON + timedelta(seconds=20)))
    (found,) = served(engine).collectors
    assert (found.name, found.alive, found.seen_at, found.detail) == ("here", True, NOON, HeartbeatDetail(state="idle"))


def test_of_several_collectors_of_a_machine_the_latest_beat_counts(engine: Engine) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOON, {})
        for name, minutes in (("a_b/7", 2), ("a_b/9", 1), ("axb/1", 0), ("a_b.example/1", 0)):
            record_heartbeat(session, NOON - timedelta(minutes=minutes), {}, name=f"collector/{name}")
    with session_scope(engine) as session:
        found, none = latest_heartbeat(session, "a_b"), latest_heartbeat(session, "a")
    assert found is not None
    assert (found.name, none) == ("collector/a_b/9", None)


def test_a_collector_is_silent_after_three_polls_and_a_minute(engine: Engine) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOON, {"poll_seconds": 60})
    seen = served(engine).heartbeat
    assert seen is not None
    assert not is_heartbeat_stale(seen, NOON + timedelta(seconds=240))
    assert is_heartbeat_stale(seen, NOON + timedelta(seconds=241))
    assert is_heartbeat_stale(seen, NOON + timedelta(seconds=241), timedelta(hours=1))


def test_where_a_collector_names_no_poll_another_may_be_assumed(engine: Engine) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOON, {"poll_seconds": None})
    seen = served(engine).heartbeat
    assert seen is not None
    assert not is_heartbeat_stale(seen, NOON + timedelta(minutes=16))
    assert is_heartbeat_stale(seen, NOON + timedelta(minutes=16), timedelta(minutes=4))


def test_the_latest_webhook_is_known_whatever_became_of_it(engine: Engine) -> None:
    kept = (("a", "pending", 5), ("b", "failed", 3), ("c", "applied", 1))
    add(engine, *[delivery(name, state, NOON - timedelta(minutes=minutes)) for name, state, minutes in kept])
    found = served(engine)
    assert found.webhook_at == NOON - timedelta(minutes=1)
    assert (found.inbox.pending, found.inbox.failed) == (1, 1)
    assert found.inbox.oldest_pending_at == NOON - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("seconds", "detail", "expected"),
    [
        (29, {"beat_seconds": 5, "poll_seconds": 300}, Liveness.LIVE),
        (31, {"beat_seconds": 5, "poll_seconds": 300}, Liveness.STALE),
        # The poll interval decides nothing where the beats are told.
        (31, {"beat_seconds": 5, "poll_seconds": 86400}, Liveness.STALE),
        (29, {"beat_seconds": 5, "poll_seconds": 3}, Liveness.LIVE),
        # A command that ended is expected again.
        (900, {"beat_seconds": 5, "poll_seconds": 300, "command": True}, Liveness.LIVE),
    ],
)
def test_a_service_is_stale_when_its_beats_are_missing(
    engine: Engine, seconds: float, detail: dict[str, object], expected: Liveness
) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOON, detail)
    assert liveness(served(engine).heartbeat, NOON + timedelta(seconds=seconds)) is expected


def test_one_that_ended_in_order_is_stopped_at_once_until_the_next_beat(engine: Engine) -> None:
    assert liveness(None, NOON) is Liveness.NEVER
    with write_scope(engine) as session:
        record_heartbeat(session, NOON, {"beat_seconds": 5, "name": "here"}, stopped_at=NOON)
    found = served(engine)
    assert liveness(found.heartbeat, NOON) is Liveness.STOPPED
    (one,) = found.collectors
    assert (one.name, one.alive, one.stopped_at) == ("here", False, NOON)
    with write_scope(engine) as session:
        record_heartbeat(session, NOON + timedelta(seconds=9), {"beat_seconds": 5})
    assert liveness(served(engine).heartbeat, NOON + timedelta(seconds=10)) is Liveness.LIVE


def test_repositories_that_are_read_are_counted_without_their_runs(engine: Engine) -> None:
    def counted(told: int | None = None) -> tuple[int, int]:
        seen = HeartbeatRow("collector", NOON, NOON, 0, HeartbeatDetail.from_dict({"catching_up": told}))
        with session_scope(engine) as session:
            found = count_catching_up(session, seen)
        return found.repositories, found.total

    assert counted() == (0, 0)
    for number in (1, 2, 3, 4):
        add_repository(engine, RepositoryRecord(number, f"acme/r{number}", "main", True, False, ""))
    assert counted() == (4, 4)
    with write_scope(engine) as session:
        for number in (1, 2, 3):
            state = sync_state(session, number)
            state.synced_at = state.complete_since = NOON
        request_backfill(session, 2, NOON - 9 * DAY, NOON, NOON)
        sync_state(session, 4).error = "refused"
    assert counted() == (1, 4)
    # The collector, which reads runs, counts those without their jobs as well.
    assert counted(3) == (3, 4)
    assert counted(9) == (4, 4)
