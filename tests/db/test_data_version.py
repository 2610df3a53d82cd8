"""The number by which readers notice that stored data changed."""

from datetime import timedelta

from sqlalchemy import Engine, update

from db.collection.sync_state import bump_data_version
from db.engine import write_scope
from db.models import Heartbeat
from tests.builders import NOON


def bump(engine: Engine, seconds: float) -> int:
    with write_scope(engine) as session:
        return bump_data_version(session, NOON + timedelta(seconds=seconds))


def test_every_change_has_a_version_of_its_own(engine: Engine) -> None:
    versions = [bump(engine, seconds) for seconds in (0, 0, 0.1, 5, 4, -1_000)]
    assert versions == sorted(set(versions))


def test_a_version_does_not_come_back_with_other_data_after_a_failover(engine: Engine) -> None:
    behind = bump(engine, 0)
    lost = [bump(engine, seconds) for seconds in (1, 2, 3)]
    with write_scope(engine) as session:
        session.execute(update(Heartbeat).values(data_version=behind))
    assert bump(engine, 10) > max(lost)


def test_versions_grow_with_the_time_in_later_years(engine: Engine) -> None:
    last = bump(engine, 40 * 365 * 86_400.0)
    assert last > 2**31
    assert bump(engine, 40 * 365 * 86_400.0) == last + 1
    assert bump(engine, 40 * 365 * 86_400.0 + 60) == last + 240
