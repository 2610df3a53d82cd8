"""The inbox of webhooks: each delivery once, in the order in which they came, and gone when its time is over."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from db.engine import session_scope, write_scope
from db.enums import InboxState
from db.models import InboxItem
from db.webhook_inbox import (
    MAX_ATTEMPTS,
    DeliveryResult,
    InboxSummary,
    NewDelivery,
    claim_deliveries,
    inbox_engine,
    inbox_summary,
    pending_deliveries,
    prune_inbox,
    record_failed_attempt,
    record_results,
    store_deliveries,
)
from tests.builders import NOON


def delivery(number: int, *, body: bytes = b"{}", second: float | None = None) -> NewDelivery:
    moment = NOON + timedelta(seconds=number if second is None else second)
    return NewDelivery(f"d-{number}", "workflow_run", body, moment)


def store(engine: Engine, *deliveries: NewDelivery) -> set[str]:
    with write_scope(engine) as session:
        return store_deliveries(session, deliveries)


def pending(engine: Engine, **asked: object) -> list[str]:
    with session_scope(engine) as session:
        return [each.delivery_id for each in pending_deliveries(session, **asked)]  # type: ignore[arg-type]


def finish(engine: Engine, number: int, state: InboxState, *, day: float) -> None:
    with write_scope(engine) as session:
        record_results(session, [DeliveryResult(f"d-{number}", state)], NOON + timedelta(days=day))


def test_a_delivery_is_stored_once_also_within_one_batch(engine: Engine) -> None:
    assert store(engine, delivery(1, body=b"first"), delivery(1, body=b"second"), delivery(2)) == {"d-1", "d-2"}
    assert store(engine, delivery(2), delivery(3)) == {"d-3"}
    with session_scope(engine) as session:
        assert [each.body for each in pending_deliveries(session)] == [b"first", b"{}", b"{}"]


def test_they_wait_in_the_order_in_which_they_came(engine: Engine) -> None:
    store(engine, delivery(3, second=7), delivery(1, second=9), delivery(2, second=8), delivery(4, second=7))
    assert pending(engine) == ["d-3", "d-4", "d-2", "d-1"]
    assert pending(engine, limit=2) == ["d-3", "d-4"]
    assert pending(engine, after=(NOON + timedelta(seconds=7), "d-3")) == ["d-4", "d-2", "d-1"]
    assert pending(engine, after=(NOON + timedelta(seconds=9), "d-1")) == []


def test_large_ones_come_a_few_at_a_time_but_they_come(engine: Engine) -> None:
    store(engine, *[delivery(number, body=b"x" * 100) for number in range(1, 5)])
    assert pending(engine, max_bytes=250) == ["d-1", "d-2"]
    assert pending(engine, max_bytes=10) == ["d-1"]


def test_what_was_settled_is_not_to_be_had_again(engine: Engine) -> None:
    store(engine, delivery(1), delivery(2), delivery(3))
    finish(engine, 1, InboxState.APPLIED, day=0)
    with write_scope(engine) as session:
        assert claim_deliveries(session, ["d-1", "d-2", "d-9"]) == {"d-2"}
    assert pending(engine) == ["d-2", "d-3"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_one_collector_has_taken_another_does_not_wait_for(engine: Engine) -> None:
    store(engine, delivery(1), delivery(2))
    with write_scope(engine) as one, write_scope(engine) as other:
        assert claim_deliveries(one, ["d-1"]) == {"d-1"}
        assert claim_deliveries(other, ["d-1", "d-2"]) == {"d-2"}


def test_after_some_tries_it_is_given_up_with_its_reason(engine: Engine) -> None:
    store(engine, delivery(1, body=b"poison"))
    for number in range(1, MAX_ATTEMPTS + 1):
        with write_scope(engine) as session:
            assert record_failed_attempt(session, "d-1", "too long: " + "x" * 1000, NOON) == (number == MAX_ATTEMPTS)
    with session_scope(engine) as session:
        item = session.get_one(InboxItem, "d-1")
        assert (item.state, item.tries, item.body, item.applied_at) == ("failed", MAX_ATTEMPTS, b"poison", NOON)
        assert item.error
        assert len(item.error) <= 500


def test_only_what_was_settled_before_is_pruned_and_in_small_batches(engine: Engine) -> None:
    store(engine, *[delivery(number) for number in range(1, 8)])
    for number, state in enumerate((InboxState.APPLIED, InboxState.IGNORED, InboxState.FAILED), start=1):
        finish(engine, number, state, day=1)
    for number in (4, 5):
        finish(engine, number, InboxState.APPLIED, day=3)
    deleted = []
    for _ in range(3):
        with write_scope(engine) as session:
            deleted.append(prune_inbox(session, NOON + timedelta(days=2), limit=2))
    assert deleted == [2, 1, 0]
    with session_scope(engine) as session:
        assert list(session.scalars(select(InboxItem.delivery_id).order_by(InboxItem.delivery_id))) == [
            f"d-{number}" for number in (4, 5, 6, 7)
        ]


def test_the_summary_says_how_long_the_oldest_has_waited(engine: Engine) -> None:
    with session_scope(engine) as session:
        assert inbox_summary(session) == InboxSummary(0, None, 0)
    store(engine, delivery(1), delivery(2), delivery(3))
    finish(engine, 1, InboxState.FAILED, day=0)
    with session_scope(engine) as session:
        assert inbox_summary(session) == InboxSummary(2, NOON + timedelta(seconds=2), 1)


def test_what_is_committed_is_on_the_disk(database_url: str) -> None:
    """SQLite leaves that to the next checkpoint otherwise, and a power cut may take what GitHub was told is stored."""
    engine = inbox_engine(database_url)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.scalar(text("PRAGMA synchronous")) == 2
    store(engine, delivery(1))
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(InboxItem)) == 1
    engine.dispose()
