"""The command that a container's health check runs."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from collector import alive
from collector.claims import host_name
from collector.health import health
from collector.scheduler import CollectorService
from collector.settings import CollectorSettings
from collector.tasks import Collector
from db.collection.claims import Assignment
from db.collection.sync_state import record_heartbeat
from db.engine import write_scope
from db.models import Heartbeat

NO_SIGN = "The collector is not running.\n"
FRESH, STALE = timedelta(seconds=10), timedelta(minutes=17)
POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def beaten(engine: Engine, ago: timedelta, name: str = "collector") -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, datetime.now(UTC) - ago, {"poll_seconds": 300}, name=name)


def own(pid: int = 7) -> str:
    return f"collector/{host_name()}/{pid}"


def leads(collector: Collector, leads: bool) -> None:
    collector.claims.assignment = Assignment(frozenset(), frozenset(), 2, leads)
    collector.context.progress.is_leader = leads


def names(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(select(Heartbeat.name).order_by(Heartbeat.name)))


def test_a_collector_that_beats_is_healthy_whether_it_leads_or_not(
    settings: CollectorSettings, collector: Collector, engine: Engine
) -> None:
    assert health(settings) == 1
    # An SQLite file has one collector, which leads.
    leads(collector, engine.dialect.name == "sqlite")
    collector.context.progress.beat(force=True)
    assert health(settings) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("ago", "code"), [(FRESH, 0), (STALE, 1)])
def test_on_sqlite_the_only_heartbeat_counts(
    settings: CollectorSettings, engine: Engine, ago: timedelta, code: int
) -> None:
    beaten(engine, ago)
    assert health(settings) == code


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_that_stopped_says_when(
    settings: CollectorSettings, engine: Engine, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.context.progress.set_heartbeat_fields(beat_seconds=5)
    collector.reporter.beat(force=True)
    assert health(settings) == 0
    collector.context.progress.mark_stopping()
    assert health(settings) == 1
    assert "The collector stopped at " in capsys.readouterr().out


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("seconds", "code"), [(25, 0), (35, 1)])
def test_a_service_that_tells_how_often_it_beats_is_missed_soon(
    settings: CollectorSettings, engine: Engine, seconds: float, code: int
) -> None:
    with write_scope(engine) as session:
        record_heartbeat(
            session, datetime.now(UTC) - timedelta(seconds=seconds), {"poll_seconds": 300, "beat_seconds": 5}
        )
    assert health(settings) == code


@POSTGRESQL
def test_one_that_hangs_is_unhealthy_though_another_leads(
    settings: CollectorSettings, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    beaten(engine, FRESH)
    beaten(engine, FRESH, "collector/elsewhere/7")
    assert health(settings) == 1
    beaten(engine, STALE, own())
    assert health(settings) == 1
    assert capsys.readouterr().out == NO_SIGN * 2


@POSTGRESQL
def test_one_that_does_not_lead_is_healthy_though_the_leader_is_gone(
    settings: CollectorSettings, engine: Engine
) -> None:
    beaten(engine, STALE)
    beaten(engine, STALE, "collector/elsewhere/7")
    beaten(engine, FRESH, own())
    assert health(settings) == 0


@POSTGRESQL
def test_what_an_earlier_process_of_the_container_left_does_not_count(
    settings: CollectorSettings, engine: Engine
) -> None:
    beaten(engine, STALE, own(7))
    beaten(engine, FRESH, own(9))
    assert health(settings) == 0


def test_a_database_that_cannot_be_used_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert health(CollectorSettings.load(database_url=url)) == 1
    assert health(CollectorSettings.load(database_url="postgresql://u:hunter2@127.0.0.1:1/x")) == 1
    told = capsys.readouterr().out
    assert told.count("\n") == 2
    assert "python -m db upgrade" in told
    assert "hunter2" not in told


@pytest.mark.parametrize("leading", [True, False])
def test_the_leader_forgets_collectors_that_ended_long_ago(engine: Engine, collector: Collector, leading: bool) -> None:
    old = timedelta(hours=25)
    for name in ("collector", "collector/gone/1"):
        beaten(engine, old, name)
    beaten(engine, timedelta(hours=23), "collector/late/1")
    leads(collector, leading)
    CollectorService(engine, collector, retention_days=400, log_retention_days=90).retention.run()
    left = ["collector", "collector/late/1"] if leading else ["collector", "collector/gone/1", "collector/late/1"]
    assert names(engine) == left


def test_who_takes_over_the_lead_prunes_soon_and_then_once_a_day(engine: Engine, collector: Collector) -> None:
    leads(collector, False)
    service = CollectorService(engine, collector, retention_days=400, log_retention_days=90)
    service.retention.run()
    assert "retention" not in collector.context.client.counters.as_dict()["last"]
    assert service.retention.due_at - datetime.now(UTC) <= timedelta(minutes=5)
    leads(collector, True)
    service.retention.due_at = datetime.now(UTC)
    service.retention.run()
    done = collector.context.client.counters.as_dict()["last"]["retention"]
    assert service.retention.due_at - datetime.now(UTC) > timedelta(hours=23)
    service.retention.run()
    assert collector.context.client.counters.as_dict()["last"]["retention"] == done


@pytest.mark.parametrize("stopped", [True, False])
def test_retention_that_was_broken_off_does_not_count_as_done(
    engine: Engine, collector: Collector, stopped: bool
) -> None:
    leads(collector, True)
    if stopped:
        collector.context.stop.set()
    CollectorService(engine, collector, retention_days=400, log_retention_days=90).retention.run()
    assert ("retention" in collector.context.client.counters.as_dict()["last"]) is not stopped


def test_a_collector_ends_when_another_version_migrates_the_database(
    engine: Engine, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    service = CollectorService(engine, collector, retention_days=400, log_retention_days=90)
    service._check_schema()
    assert not collector.context.stop.is_set()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    service._check_schema()
    assert collector.context.stop.is_set()
    assert "Another version migrated the database to revision 9999" in caplog.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_containers_check_tells_the_same_by_a_file(
    collector: Collector,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert (alive.main(), capsys.readouterr().out) == (1, NO_SIGN)
    service = CollectorService(engine, collector, retention_days=400, log_retention_days=90)
    service.beat()
    assert alive.main() == 0
    ends = float(alive.path().read_text())
    assert ends - time.time() == pytest.approx(16 * 60, abs=5)
    engine.dispose()
    Path(str(engine.url.database)).rename(tmp_path / "away.db")
    collector.context.progress._last_beat_at = None
    service.beat()
    assert float(alive.path().read_text()) == ends
    monkeypatch.setattr(time, "time", lambda: ends)
    assert alive.main() == 1
    assert [path.name for path in tmp_path.glob("*.alive*")] == [alive.path().name]


@pytest.mark.parametrize("days", [500, -500])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_jump_of_the_clock_that_is_not_followed_makes_no_collector_unhealthy(
    collector: Collector, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """A check that fails starts it anew: under the wrong clock."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    collector.context.clock = collector.context.progress._clock = lambda: datetime.now(UTC) - timedelta(days=days)
    CollectorService(engine, collector, retention_days=400, log_retention_days=90).beat()
    assert float(alive.path().read_text()) - time.time() == pytest.approx(16 * 60, abs=5)
    assert alive.main() == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_sign_that_cannot_be_written_is_told_once_and_leaves_nothing(
    collector: Collector,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alive.path().mkdir()
    service = CollectorService(engine, collector, retention_days=400, log_retention_days=90)
    for _ in range(3):
        collector.context.progress._last_beat_at = None
        service.beat()
    assert caplog.text.count("cannot be written") == 1
    assert [path.name for path in tmp_path.glob("*.alive*")] == [alive.path().name]
