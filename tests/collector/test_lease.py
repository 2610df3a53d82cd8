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

from collector.claims import Claims, Lapsed, Lease
from collector.github.pagination import fan_out
from collector.supervision import guarded
from core.clock import utc_now
from core.work import Work
from db.engine import make_engine, write_scope
from db.models import Delivery
from health.alerts.channels.slack import SlackChannel
from health.alerts.notifications import delivery
from health.alerts.rules.transitions import Reason
from health.alerts.storage.outbox import enqueue
from tests.receivers import slack_stand_in

POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@dataclass
class Collector:
    """With claims that were renewed, and a clock of its own of the seconds that passed."""

    passed: float = 5.0
    work: Work = field(default_factory=Work)

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
    assert not collector.lease.is_over


def test_what_was_begun_before_a_lapse_writes_nothing_even_when_the_claims_are_taken_again(
    collector: Collector,
) -> None:
    collector.lease.renewed(collector.passed)
    with collector.work.piece("look"):
        collector.stands_still(14)
        collector.lease.check()
        collector.lease.renewed(collector.passed)
        collector.stands_still(16)
        with pytest.raises(Lapsed):
            collector.lease.check()
        assert collector.lease.is_over
        collector.lease.renewed(collector.passed)
        with pytest.raises(Lapsed):
            collector.lease.check()
        parts = fan_out(lambda _: collector.lease.check(), [1], stop=threading.Event())
        with pytest.raises(Lapsed):
            next(parts)
    with collector.work.piece("look"):
        collector.lease.check()


def test_a_task_that_lapsed_is_one_line(collector: Collector, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    collector.lease.renewed(collector.passed)
    collector.stands_still(60)
    with caplog.at_level(logging.WARNING):
        guarded(collector.lease.check, engine, "look", collector.work)()
    (record,) = caplog.records
    assert record.exc_info is None
    assert "another one may hold its claims" in record.getMessage()


def test_nothing_is_written_after_a_lapse_until_the_claims_are_renewed(engine: Engine) -> None:
    """An SQLite file has one collector, from which nobody takes over."""
    claims = Claims(engine, "first", utc_now)
    claims.lease = Lease(lasts=timedelta(seconds=0.05))
    held = engine.execution_options(before_writing=claims.lease.check)
    assert claims.renew().leads
    time.sleep(0.1)
    if engine.dialect.name == "sqlite":
        assert claims.share.leads
        return
    assert (claims.share.leads, claims.share.names) == (False, frozenset())
    with pytest.raises(Lapsed), write_scope(held):
        pass
    claims.renew()
    with write_scope(held):
        assert claims.share.leads


@POSTGRESQL
@pytest.mark.usefixtures("database_url")
def test_work_that_hung_writes_nothing_once_its_claims_were_left_to_others(engine: Engine) -> None:
    work, hangs = Work(), [False]
    first = Claims(engine, "first", utc_now, lambda: hangs[0])
    other = Claims(engine, "other", utc_now)
    held = engine.execution_options(before_writing=first.lease.check)
    with work.piece("look"):
        first.renew()
        other.renew()
        with write_scope(held):
            pass
        hangs[0] = True
        assert first.renew().names == frozenset()
        hangs[0] = False
        first.renew()
        with pytest.raises(Lapsed), write_scope(held):
            pass
    with work.piece("look"), write_scope(held):
        pass


@POSTGRESQL
def test_a_transaction_in_which_nothing_is_sent_holds_up_nobody(database_url: str) -> None:
    brief = make_engine(database_url, settled_within=timedelta(seconds=0.3))
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
    message = {"title": "Build is broken", "state": "firing", "links": [], "fields": [], "lines": []}
    with write_scope(engine) as session:
        enqueue(session, None, Reason.FIRST, {"slack": message}, utc_now())
    with slack_stand_in() as received:
        deliverer = delivery.Deliverer(engine, {"slack": SlackChannel(received.url)}, utc_now)
        assert deliverer.run() == 0
        assert received.bodies == []
    with Session(engine) as session:
        assert session.scalars(select(Delivery.state)).one() == "pending"
