"""Roles on a real PostgreSQL: what each may, that the programs work under them, and that an upgrade keeps it so."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from core.settings import ConfigError
from db.__main__ import Settings, main
from db.access import end_sessions, installation_key, session_generation
from db.audit import record
from db.engine import make_engine, session_scope, write_scope
from db.enums import AuditAction, AuditSubject
from db.migrate import NotMigrated, downgrade, head_revision, upgrade
from db.models import Base
from db.roles import COLLECTOR, READER, READER_PRIVILEGES, RolesError, make_passwords, make_roles, read_password
from tests.api.conftest import MakeClient, make_client
from tests.api.webhooks import PATH, SECRET, request
from tests.builders import ACTOR, NOON, add_repository, job, run, store_jobs, store_runs
from tests.databases import administer, with_name
from tests.findings import name_cause
from tests.notify.servers import free_port

__all__ = ["make_client"]
ROOT = Path(__file__).parents[2]
PASSWORDS = {COLLECTOR: "c'ollector %1 ü" * 2, READER: 'r\\eader:@/ "2"' * 2}


class Server:
    """A database whose owner is no superuser, as at a hosting company."""

    def __init__(self, url: str, owner: str) -> None:
        self.owner_name = owner
        parsed = make_url(url).set(username=owner, password="owner-0123456789")
        self.owner_url = parsed.render_as_string(hide_password=False)
        # Trusted connections of the test's server ask for no password: roles are what is tried here.
        self.collector_url = parsed.set(username=f"{owner}_collector").render_as_string(hide_password=False)
        self.reader_url = parsed.set(username=f"{owner}_reader").render_as_string(hide_password=False)


@pytest.fixture
def server(postgresql_url: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    name = f"ph_roles_{abs(hash(request.node.nodeid)) % 10**8}"
    administer(postgresql_url, f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'owner-0123456789'")
    administer(postgresql_url, f"CREATE DATABASE {name} OWNER {name}")
    # Before PostgreSQL 15 everybody may make tables in `public`.
    administer(with_name(postgresql_url, name), f"ALTER SCHEMA public OWNER TO {name}")
    yield Server(with_name(postgresql_url, name), name)
    administer(postgresql_url, f"DROP DATABASE {name} WITH (FORCE)")
    for role in (f"{name}_collector", f"{name}_reader", name):
        administer(postgresql_url, f"DROP ROLE IF EXISTS {role}")


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    yield engine
    engine.dispose()


def wait_until_listening(port: int) -> None:
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on {port}")


def refused(url: str, statement: str) -> bool:
    with engine_of(url) as engine, engine.connect() as connection:
        try:
            connection.execute(text(statement))
        except ProgrammingError as error:
            return getattr(error.orig, "pgcode", "") == "42501"
        finally:
            connection.rollback()
    return False


def test_the_reader_reads_and_writes_where_people_write_and_nowhere_else(server: Server) -> None:
    with engine_of(server.owner_url) as owner:
        upgrade(owner)
        roles = make_roles(owner, PASSWORDS)
    assert roles == (server.owner_name, f"{server.owner_name}_collector", f"{server.owner_name}_reader")
    for table in (*Base.metadata.tables, "alembic_version"):
        assert not refused(server.reader_url, f"SELECT 1 FROM {table}")
        allowed = READER_PRIVILEGES.get(table, "")
        assert refused(server.reader_url, f"DELETE FROM {table}") is ("DELETE" not in allowed), table
        assert refused(server.collector_url, f"DELETE FROM {table}") is (table == "alembic_version"), table
        for url in (server.reader_url, server.collector_url):
            assert refused(url, f"DROP TABLE {table} CASCADE")
            assert refused(url, f"TRUNCATE {table} CASCADE")
            assert refused(url, f"ALTER TABLE {table} ADD COLUMN x int")
    for url in (server.reader_url, server.collector_url):
        assert refused(url, "CREATE TABLE x (id int)")
        assert refused(url, "CREATE ROLE x")
        assert refused(url, "UPDATE alembic_version SET version_num = '0001'")
    assert refused(server.reader_url, "UPDATE runs SET title = ''")
    # The audit trail is append-only.
    with engine_of(server.reader_url) as reader, write_scope(reader) as session:
        record(session, ACTOR, AuditAction.SENT, AuditSubject.DIGEST, 1, "", NOON)
    assert refused(server.reader_url, "UPDATE audit_events SET actor = ''")
    assert refused(server.reader_url, "DELETE FROM audit_events")
    assert refused(server.reader_url, "INSERT INTO heartbeats (name, started_at, seen_at) VALUES ('x', now(), now())")


def test_an_upgrade_that_adds_tables_keeps_the_rights(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both read a new table at once; where people write to it, they may after `python -m db upgrade`."""
    with engine_of(server.owner_url) as owner:
        upgrade(owner)
        downgrade(owner, "0012")
        with owner.begin() as connection:
            for role in ("collector", "reader"):
                connection.exec_driver_sql(f"CREATE ROLE {server.owner_name}_{role} LOGIN")
    monkeypatch.setenv("DATABASE_URL", server.owner_url)
    # Of an earlier version, whose statements named fewer tables.
    with engine_of(server.owner_url) as owner, owner.begin() as connection:
        mine = "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
        connection.exec_driver_sql(f"{mine} GRANT SELECT ON TABLES TO {server.owner_name}_reader")
    assert main(["upgrade"]) == 0
    assert f"{server.owner_name}_reader reads" in capsys.readouterr().out
    with engine_of(server.reader_url) as reader, write_scope(reader) as session:
        assert len(installation_key(session, "cache")) == 32
        assert end_sessions(session, "p" * 64, NOON) == 1
    with engine_of(server.owner_url) as owner, owner.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE later (id serial PRIMARY KEY)")
    assert not refused(server.reader_url, "SELECT * FROM later")
    assert refused(server.reader_url, "INSERT INTO later DEFAULT VALUES")
    assert not refused(server.collector_url, "INSERT INTO later DEFAULT VALUES")


def test_roles_may_be_made_again_and_get_new_passwords(server: Server, tmp_path: Path) -> None:
    verifier = text("SELECT rolpassword FROM pg_authid WHERE rolname = :name")
    with engine_of(server.owner_url) as owner:
        upgrade(owner)
        make_roles(owner, PASSWORDS)
        make_roles(owner, PASSWORDS)
        make_roles(owner, {})
    administrator = make_url(server.owner_url).set(username="postgres", password=None)
    with engine_of(administrator.render_as_string(hide_password=False)) as engine, engine.connect() as connection:
        stored = [connection.scalar(verifier, {"name": f"{server.owner_name}_{role}"}) for role in (COLLECTOR, READER)]
    assert all(each.startswith("SCRAM-SHA-256$") for each in stored)
    assert stored[0] != stored[1]


@pytest.mark.parametrize("databases", [1, 2])
def test_roles_are_made_by_several_at_once(server: Server, postgresql_url: str, databases: int) -> None:
    """Of one database, as pods that start together do, and of two on one server."""
    second = f"{server.owner_name}_two"
    administer(postgresql_url, f"CREATE DATABASE {second} OWNER {server.owner_name}")
    urls = [server.owner_url, with_name(server.owner_url, second)][:databases]
    failures: list[BaseException] = []

    def make(url: str) -> None:
        try:
            with engine_of(url) as owner:
                make_roles(owner, PASSWORDS)
        except BaseException as error:  # the test shows it
            failures.append(error)

    try:
        administer(with_name(postgresql_url, second), f"ALTER SCHEMA public OWNER TO {server.owner_name}")
        for url in urls:
            with engine_of(url) as owner:
                upgrade(owner)
        threads = [threading.Thread(target=make, args=(url,)) for url in urls * (8 // databases)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert not refused(server.reader_url, "SELECT 1 FROM runs")
    finally:
        administer(postgresql_url, f"DROP DATABASE {second} WITH (FORCE)")


def test_a_role_that_may_not_make_roles_is_told_so(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And migrates all the same, because its programs may connect as itself."""
    with engine_of(server.owner_url) as owner:
        upgrade(owner)
        make_roles(owner, {})
    monkeypatch.setenv("DATABASE_URL", server.collector_url)
    assert main(["roles"]) == 2
    line = capsys.readouterr().err
    assert f"{server.owner_name}_collector may not create roles; run ALTER ROLE" in line
    assert line.count("\n") == 1
    monkeypatch.setenv("DATABASE_READER_PASSWORD", "reader-0123456789")
    assert main(["upgrade"]) == 0
    assert "\nNo roles: " in capsys.readouterr().out


def test_a_collector_that_may_not_migrate_says_who_can(server: Server) -> None:
    with engine_of(server.owner_url) as owner:
        upgrade(owner)
        make_roles(owner, {})
        downgrade(owner, "0012")
    with (
        engine_of(server.collector_url) as collector,
        pytest.raises(NotMigrated, match=rf"at revision 0012, not {head_revision()}, and .*_collector may not migrate"),
    ):
        upgrade(collector)


def test_the_api_works_as_reader(server: Server, make_client: MakeClient) -> None:
    """Reading, and all that people and GitHub write."""
    with engine_of(server.owner_url) as owner:
        upgrade(owner)
        make_roles(owner, {})
    with engine_of(server.collector_url) as collector:
        add_repository(collector)
        store_runs(collector, run(7, conclusion="failure"))
        store_jobs(collector, 7, job(70, conclusion="failure"))
        store_runs(collector, run(8, conclusion="failure"))
        name_cause(collector, 8, "f" * 24, "x")
    client = make_client(database_url=server.reader_url, github_webhook_secret=SECRET)
    for path in ("/api/runs", "/api/metrics", "/api/insights/flaky", "/api/alerts", "/health", "/metrics"):
        assert client.get(path).status_code == 200, path
    assert "pipeline_health_database_up 1.0" in client.get("/metrics").text
    made = client.post("/api/alerts/rules", json={"name": "three", "kind": "consecutive_failures", "open_at": 3})
    assert made.status_code == 201, made.text
    rule = client.post("/api/cause-rules", json={"name": "x", "pattern": "x", "class": "test"})
    assert rule.status_code == 201, rule.text
    assert client.delete(f"/api/cause-rules/{rule.json()['id']}").status_code == 200
    for answer in (client.put, client.delete):
        sent = {"json": {"ticket": "OPS-1"}} if answer == client.put else {}
        assert answer(f"/api/insights/failures/{'f' * 24}/triage", **sent).status_code == 200
    assert client.get("/api/logs/7").status_code == 202
    assert client.get("/api/logs/7").json()["jobs"][0]["state"] == "pending"
    assert client.post(PATH, **request({"action": "completed"})).status_code == 202
    silence = {"repos": ["*"], "duration_seconds": 60, "author": "a"}
    assert client.post("/api/alerts/silences", json=silence).status_code == 201
    assert client.delete("/api/alerts/silences/1").status_code in (200, 204)
    assert client.delete(f"/api/alerts/rules/{made.json()['id']}").status_code in (200, 204)


def test_the_collector_works_as_collector(server: Server, tmp_path: Path) -> None:
    """A whole pass over the simulator, as the service makes it."""
    with engine_of(server.owner_url) as owner:
        upgrade(owner)
        make_roles(owner, {})
    port = free_port()
    demo = subprocess.Popen([sys.executable, "-m", "demo", "--port", str(port), "--rate-limit", "none"], cwd=ROOT)
    try:
        wait_until_listening(port)
        environment = {
            "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "DATABASE_URL": server.collector_url,
            "DEMO_GITHUB_URL": f"http://127.0.0.1:{port}", "BACKFILL_DAYS": "3",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "collector", "sync"], env=environment, capture_output=True, text=True, timeout=180,
            check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    finally:
        demo.terminate()
        demo.wait()
    with engine_of(server.reader_url) as reader, reader.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM runs"))


def test_sqlite_has_no_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RolesError, match="SQLite has no roles"):
        make_roles(create_engine("sqlite:///x.db"), {})
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/x.db")
    assert main(["upgrade"]) == 0
    assert main(["roles"]) == 2


def test_passwords_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "passwords"
    assert main(["passwords", str(folder)]) == 0
    first = {name: read_password(folder, name) for name in (COLLECTOR, READER, "redis")}
    assert len(set(first.values())) == 3
    assert all(len(value) == 64 for value in first.values())
    assert make_passwords(folder) == []
    assert {name: read_password(folder, name) for name in first} == first
    assert (folder / "redis/redis.conf").read_text() == f"requirepass {first['redis']}\n"
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o400}
    assert main(["passwords", "/dev/null/x"]) == 2


def test_a_folder_without_passwords_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^--passwords: cannot read .*password: No such file"):
        Settings.load().role_passwords(tmp_path)
    make_passwords(tmp_path)
    monkeypatch.setenv("DATABASE_READER_PASSWORD", "reader-0123456789")
    assert Settings.load().role_passwords(tmp_path)[READER] == "reader-0123456789"


def test_a_key_of_the_installation_is_made_once_by_many(engine: Engine) -> None:
    keys: list[bytes] = []

    def ask() -> None:
        with write_scope(engine) as session:
            keys.append(installation_key(session, "cache"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    with write_scope(engine) as session:
        assert installation_key(session, "other") not in keys


def test_signing_out_raises_the_generation_of_one_person(engine: Engine) -> None:
    with write_scope(engine) as session:
        assert session_generation(session, "a" * 64) == 0
        assert [end_sessions(session, "a" * 64, NOON + timedelta(hours=each)) for each in range(2)] == [1, 2]
    with session_scope(engine) as session:
        assert (session_generation(session, "a" * 64), session_generation(session, "b" * 64)) == (2, 0)
