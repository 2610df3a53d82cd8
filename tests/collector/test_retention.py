"""Nothing is deleted on one clock's word."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import Engine, func, insert, select
from sqlalchemy.orm import Session

from collector.bootstrap import make_collector
from collector.github.client import GitHubClient
from collector.retention import MIN_ROWS, check_prune
from collector.scheduler import CollectorService
from collector.settings import CollectorSettings
from collector.tasks import Collector
from db.audit import AuditFilter, audit_page, record
from db.collection.claims import Assignment
from db.engine import write_scope
from db.enums import AuditAction, AuditSubject
from db.models import Run
from tests.builders import ACTOR, NOON, add_repository, run, store_runs
from tests.collector.servers import StandIn, as_json

DAY, NONE = timedelta(days=1), timedelta(0)
KEPT = 400 * DAY, 90 * DAY


def stored(engine: Engine) -> int:
    with Session(engine) as session:
        return session.scalars(select(func.count()).select_from(Run)).one()


def fill(engine: Engine, old: int, new: int, now: datetime) -> None:
    """`old` runs of 402 days ago, and `new` ones of yesterday."""
    add_repository(engine)
    store_runs(engine, run(1, created_at=now - DAY))
    with write_scope(engine) as session:
        row = session.scalars(select(Run)).one()
        values = {column.key: getattr(row, column.key) for column in Run.__mapper__.columns}
        ages = [402 * DAY] * old + [DAY] * (new - 1)
        rows = [values | {"id": 2 + number, "created_at": now - age} for number, age in enumerate(ages)]
        session.execute(insert(Run), rows)


def fresh() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (500 * DAY, "this machine's clock is 500 days ahead of GitHub's"),
        (-500 * DAY, "this machine's clock is 500 days behind GitHub's"),
        (timedelta(hours=3), "this machine's clock is 3 hours ahead of GitHub's"),
    ],
)
def test_a_wrong_clock_deletes_nothing(engine: Engine, ahead: timedelta, words: str) -> None:
    found = check_prune(engine, fresh(), *KEPT, ahead)
    assert found
    assert found.reason == f"{words}; synchronize it, for example with NTP"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_database_server_has_a_clock_too(engine: Engine) -> None:
    """Where GitHub's time comes from a proxy that runs by the same wrong clock."""
    found = check_prune(engine, fresh() + 500 * DAY, *KEPT, NONE)
    assert found
    assert found.reason == "this machine's clock is 500 days ahead of the database server's; synchronize both with NTP"


def test_before_github_answers_what_is_due_waits(engine: Engine) -> None:
    assert check_prune(engine, fresh(), *KEPT, None) is None
    fill(engine, 3, 30, fresh())
    found = check_prune(engine, fresh(), *KEPT, None)
    assert found
    assert found.transient
    assert check_prune(engine, fresh(), *KEPT, timedelta(seconds=-2)) is None


@pytest.mark.parametrize(
    ("old", "new", "doubted"),
    [(MIN_ROWS + 1, 200, True), (MIN_ROWS + 1, 11 * MIN_ROWS, False), (MIN_ROWS, 1, False)],
)
def test_more_than_a_tenth_of_all_runs_is_confirmed_by_a_person(
    engine: Engine, old: int, new: int, doubted: bool
) -> None:
    now = fresh()
    fill(engine, old, new, now)
    found = check_prune(engine, now, *KEPT, NONE)
    assert bool(found) is doubted
    if found:
        assert found.reason == (
            f"{old:,} of {old + new:,} runs would be deleted at once; to confirm, run `python -m db prune`"
        )
        assert not found.transient


def test_the_service_says_why_and_deletes_nothing(
    engine: Engine, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """All runs are long over by this machine's clock, and GitHub was never reached."""
    fill(engine, 5, 5, NOON - 500 * DAY)
    collector.claims.assignment = Assignment(frozenset(), frozenset(), 1, True)
    service = CollectorService(engine, collector, retention_days=400, log_retention_days=90)
    with caplog.at_level(logging.WARNING):
        service.retention.run()
    assert stored(engine) == 10
    assert "retention: nothing is deleted: GitHub has not answered yet" in caplog.text
    assert service.retention.due_at - fresh() < timedelta(minutes=6)


@pytest.mark.parametrize("answered", [True, False])
def test_old_events_of_the_audit_trail_are_deleted_once_the_clock_is_verified(
    engine: Engine, settings: CollectorSettings, answered: bool
) -> None:
    now = fresh()
    with write_scope(engine) as session:
        for days in (9, 11):
            record(session, ACTOR, AuditAction.SENT, AuditSubject.DIGEST, days, "", now - days * DAY)
    answer = as_json({}, Date=format_datetime(now, usegmt=True))
    with StandIn(lambda _: answer).serve() as url:
        client = GitHubClient(url)
        if answered:
            client.get("/rate_limit")
        collector = make_collector(settings, engine, client)
        collector.claims.assignment = Assignment(frozenset(), frozenset(), 1, True)
        service = CollectorService(
            engine, collector, retention_days=400, log_retention_days=90, audit_retention_days=10
        )
        service.retention.run()
    with Session(engine) as session:
        left = [event.subject_id for event in audit_page(session, AuditFilter()).items]
    assert left == (["9"] if answered else ["9", "11"])
