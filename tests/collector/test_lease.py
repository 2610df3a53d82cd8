"""What a collector that stood still may no longer write."""

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from collector.claims import ClaimManager, Lease, LeaseExpired
from collector.github.pagination import fan_out
from collector.supervision import log_and_continue
from core.clock import utc_now
from core.work import TaskTracker
from db.engine import make_engine, write_scope
from db.models import Notification
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.notifications import delivery
from health.alerts.rules.transitions import Reason
from health.alerts.storage.outbox import enqueue
from tests.receivers import slack_stand_in

POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@dataclass
class Collector:
    """With claims that were renewed, and a clock of its own of the seconds that passed."""

    passed: float = 5.0
    work: TaskTracker = field(default_factory=TaskTracker)

    def __post_init__(self) -> None:
        self.lease = Lease(lambda: self.passed, timedelta(seconds=15))

    def stands_still(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Collector:
    made = Collector()
    monkeypatch.setattr("core.work.uptime", lambda: made.passed)
    return made


def test_before_the_first_renewal_nothing_is_refused(collector: Collector) -> None:
    collector.stands_still(1_000)
    collector.lease.check()
    assert not collector.lease.is_expired


def test_what_was_begun_before_a_lapse_writes_nothing_even_when_the_claims_are_taken_again(
    collector: Collector,
) -> None:
    collector.lease.mark_renewed(collector.passed)
    with collector.work.track("look"):
        collector.stands_still(14)
        collector.lease.check()
        collector.lease.mark_renewed(collector.passed)
        collector.stands_still(16)
        with pytest.raises(LeaseExpired):
            collector.lease.check()
        assert collector.lease.is_expired
        collector.lease.mark_renewed(collector.passed)
        with pytest.raises(LeaseExpired):
            collector.lease.check()
        parts = fan_out(lambda _: collector.lease.check(), [1], stop=threading.Event())
        with pytest.raises(LeaseExpired):
            next(parts)
    with collector.work.track("look"):
        collector.lease.check()


def test_a_task_that_lapsed_is_one_line(collector: Collector, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    collector.lease.mark_renewed(collector.passed)
    collector.stands_still(60)
    with caplog.at_level(logging.WARNING):
        log_and_continue(collector.lease.check, engine, "look", collector.work)()
    (record,) = caplog.records
    assert record.exc_info is None
    assert "another one may hold its claims" in record.getMessage()


def test_nothing_is_written_after_a_lapse_until_the_claims_are_renewed(engine: Engine) -> None:
    """An SQLite file has one collector, from which nobody takes over."""
    claims = ClaimManager(engine, "first", utc_now)
    claims.lease = Lease(duration=timedelta(seconds=0.05))
    held = engine.execution_options(before_writing=claims.lease.check)
    assert claims.renew().is_leader
    time.sleep(0.1)
    if engine.dialect.name == "sqlite":
        assert claims.assignment.is_leader
        return
    assert (claims.assignment.is_leader, claims.assignment.names) == (False, frozenset())
    with pytest.raises(LeaseExpired), write_scope(held):
        pass
    claims.renew()
    with write_scope(held):
        assert claims.assignment.is_leader


@POSTGRESQL
@pytest.mark.usefixtures("database_url")
def test_work_that_hung_writes_nothing_once_its_claims_were_left_to_others(engine: Engine) -> None:
    work, hangs = TaskTracker(), [False]
    first = ClaimManager(engine, "first", utc_now, lambda: hangs[0])
    other = ClaimManager(engine, "other", utc_now)
    held = engine.execution_options(before_writing=first.lease.check)
    with work.track("look"):
        first.renew()
        other.renew()
        with write_scope(held):
            pass
        hangs[0] = True
        assert first.renew().names == frozenset()
        hangs[0] = False
        first.renew()
        with pytest.raises(LeaseExpired), write_scope(held):
            pass
    with work.track("look"), write_scope(held):
        pass


@POSTGRESQL
def test_a_transaction_in_which_nothing_is_sent_holds_up_nobody(database_url: str) -> None:
    brief = make_engine(database_url, idle_transaction_timeout=timedelta(seconds=0.3))
    other = make_engine(database_url)
    try:
        with brief.connect() as standing, other.connect() as waiting:
            standing.execute(text("SELECT pg_advisory_xact_lock(4711)"))
            begun = time.monotonic()
            waiting.execute(text("SELECT pg_advisory_xact_lock(4711)"))
            assert time.monotonic() - begun < 5
            with pytest.raises(DBAPIError) as caught:
                standing.execute(text("SELECT 1"))
            assert caught.value.connection_invalidated
    finally:
        brief.dispose()
        other.dispose()


def test_a_message_is_not_sent_when_the_claim_on_it_is_about_to_end(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0.0, 40.0, 50.0, 55.0])
    monkeypatch.setattr(delivery, "uptime", lambda: next(moments))
    message = {"title": "Build is failing", "state": "firing", "links": [], "fields": [], "lines": []}
    with write_scope(engine) as session:
        enqueue(session, None, Reason.FIRST, {"slack": message}, utc_now())
    with slack_stand_in() as received:
        deliverer = delivery.Dispatcher(engine, {"slack": SlackWebhookChannel(received.url)}, utc_now)
        assert deliverer.run() == 0
        assert received.bodies == []
    with Session(engine) as session:
        assert session.scalars(select(Notification.state)).one() == "pending"
