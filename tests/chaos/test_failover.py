"""The primary of PostgreSQL dies while runs are collected, and a replica that is behind takes over: all programs go on
with it by themselves, and what it had not received is read from GitHub again."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from db.engine import make_engine
from db.migrate import upgrade
from tests.api.test_replica import tools_of
from tests.chaos.outages.stand import Database
from tests.chaos.scene import REPO, Scene, collector_of, health, scene, until
from tests.databases import administer
from tests.replicas import Replica


@pytest.fixture
def primary() -> object:
    made = Database()
    yield made
    made.stop()


def both(primary: Database, replica: Replica) -> str:
    """One URL for whichever of the two takes writes."""
    url = make_url(primary.url)
    hosts = [str(url.query["host"]), str(make_url(replica.url(url.database)).query["host"])]
    query = {"host": hosts, "target_session_attrs": "read-write"}
    return url.set(query=query).render_as_string(hide_password=False)


def place(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(text("SELECT pg_current_wal_insert_lsn()")))


def happen(made: Scene, number: int) -> None:
    """What a replica may miss: new runs, ends of runs, attempts."""
    made.happens(f"Build {number}", "success", "failure", "success")
    going_on = made.world.add_run(REPO, "CI", conclusion=None, created_at=made.world.clock())
    failed = made.happens("CI", "failure")[0]
    made.wait_until_equal()
    made.world.finish(going_on, "success")
    made.world.rerun(failed, at=made.world.clock(), duration=0, queue=0)
    made.wait_until_equal()


def test_what_a_replica_had_not_received_is_read_again(primary: Database, tmp_path: Path) -> None:
    administer(primary.url, "CREATE DATABASE health")
    url = make_url(primary.url).set(database="health")
    original = make_engine(url.render_as_string(hide_password=False))
    upgrade(original)
    replica = Replica(url.render_as_string(hide_password=False), tools_of(original))
    replica.make()
    shared = both(primary, replica).replace("/postgres?", "/health?")
    engine = make_engine(shared)
    try:
        with scene(engine, shared, tmp_path) as made, made.api() as api:
            collectors = [made.start("collector", f"collector-{n}") for n in (1, 2)]
            made.wait_until_equal()
            made.happens("Nightly", "failure", "failure", "failure")
            made.wait_until_sent(1)
            replica.catch_up(place(engine))
            # From now on it receives nothing.
            replica.kill()
            happen(made, 1)
            before = stored(engine)
            version = data_version(engine)
            stop_at_once(primary)
            told = until(lambda: health(api)["status"] == "error", 30, "told that the database is away")
            assert httpx.get(f"{api}/api/runs", timeout=20).status_code == 503
            replica.start()
            assert stored(replica_engine(replica)) < before, "nothing was lost"
            replica.execute("SELECT pg_promote()")
            back = until(lambda: health(api)["status"] != "error", 60, "the API back")
            healed = made.wait_until_equal(90)
            assert data_version(engine) > version
            happen(made, 2)
            made.happens("Weekly", "failure", "failure", "failure")
            made.happens("Nightly", "success")
            made.wait_until_sent(2, 1)
            until(lambda: collector_of(api)["status"] == "ok", 60, "all well")
            for program in collectors:
                assert made.end(program)[0] == 0
            made.assert_each_sent_once()
        print(f"the API told it after {told:.1f} s, answered {back:.1f} s after the promotion; every row was equal to "
              f"GitHub's {healed:.1f} s later")  # fmt: skip
        for name in ("collector-1", "collector-2", "api"):
            assert "Traceback" not in made.log(name), name
    finally:
        engine.dispose()
        original.dispose()
        replica.remove()


def stop_at_once(primary: Database) -> None:
    """As pg_ctl stop -m immediate."""
    pid = primary._server.get_pid()
    os.kill(pid, signal.SIGQUIT)
    until(lambda: not Path(f"/proc/{pid}").exists() or _is_dead(pid), 20, "the primary has stopped")


def _is_dead(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def replica_engine(replica: Replica) -> Engine:
    return create_engine(make_url(replica.url("health")).set(drivername="postgresql+psycopg2"))


def stored(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM jobs")) or 0)


def data_version(engine: Engine) -> int:
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT data_version FROM heartbeats WHERE name = 'collector'"))
        return int(found or 0)
