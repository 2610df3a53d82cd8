"""What the doctor says of the database, its replica, the disk, what waits, and who may reach the API."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from api.settings import ApiSettings
from collector.doctor.completeness import check_completeness
from collector.doctor.environment import DoctorCheck, check_access, check_machine
from collector.settings import CollectorSettings
from core.http.settings import require_protection
from core.settings import ConfigError
from db.api_keys import create_key, revoke_key
from db.audit import Actor
from db.collection.sync_state import record_heartbeat
from db.engine import make_engine, write_scope
from db.enums import ActorKind, KeyScope, Origin
from db.migrate import head_revision, upgrade
from db.models import ChannelState, Claim
from health.alerts.storage.outbox import enqueue
from tests.builders import NOON
from tests.completeness_rows import add, delivery


def machine(engine: Engine, **settings: str) -> dict[str, DoctorCheck]:
    url = engine.url.render_as_string(hide_password=False)
    return {check.name: check for check in check_machine(CollectorSettings.load(database_url=url, **settings), engine)}


def test_database_and_room_are_told_in_numbers(engine: Engine) -> None:
    found = machine(engine)
    kind = "SQLite 3." if engine.dialect.name == "sqlite" else "PostgreSQL 1"
    assert found["Database"].ok
    assert f"migrated; {kind}" in found["Database"].detail
    assert f", schema {head_revision()}, " in found["Database"].detail
    assert ("Disk" in found) == (engine.dialect.name == "sqlite")
    assert " free in " in found["Temporary files"].detail


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_disk_that_is_full_fails_with_a_remedy(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.doctor.environment._MIN_FREE_BYTES", 10**18)
    monkeypatch.setattr("collector.doctor.environment._MIN_TEMP_BYTES", 10**18)
    found = machine(engine)
    assert found["Disk"].ok is False
    assert "lower RETENTION_DAYS" in found["Disk"].detail
    assert found["Temporary files"].ok is None
    assert "set TMPDIR" in found["Temporary files"].detail


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_replica_is_told_with_its_lag(engine: Engine, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/replica.db"
    assert "python -m db upgrade" in machine(engine, database_replica_url=url)["Replica"].detail
    copy = make_engine(url)
    upgrade(copy)
    assert machine(engine, database_replica_url=url)["Replica"].ok is None
    for lag, ok in ((0, True), (20, True), (600, False)):
        for each, moment in ((engine, NOON), (copy, NOON - timedelta(seconds=lag))):
            with write_scope(each) as session:
                record_heartbeat(session, moment, {})
        found = machine(engine, database_replica_url=url)["Replica"]
        assert found.ok is ok
    assert "10m 00s behind and is not used until it has caught up" in found.detail
    copy.dispose()


def test_a_replica_that_is_away_is_named_without_its_password(engine: Engine) -> None:
    found = machine(engine, database_replica_url="postgresql://reader:s3cr3t@127.0.0.1:1/none")["Replica"]
    assert found.ok is False
    assert found.detail.startswith("DATABASE_REPLICA_URL: cannot use")
    assert "s3cr3t" not in found.detail


def test_what_waits_too_long_fails_while_the_collector_runs(engine: Engine) -> None:
    now = datetime.now(UTC)

    def found(ago: float) -> dict[str, DoctorCheck]:
        with write_scope(engine) as session:
            record_heartbeat(session, now - timedelta(hours=ago), {"poll_seconds": 300})
        return {check.name: check for check in check_completeness(engine, now)}

    assert not [name for name in found(0) if name.startswith(("Messages", "Deliveries"))]
    add(engine, delivery("a", received_at=now - timedelta(minutes=6)))
    with write_scope(engine) as session:
        enqueue(session, None, "test", {"slack": {}, "email": {}}, now - timedelta(minutes=20))
        session.add(ChannelState(channel="slack", failures=3, error="Slack says invalid_auth."))
    checks = found(0)
    assert [checks[name].ok for name in ("Deliveries", "Messages to slack", "Messages to email")] == [False] * 3
    assert "1 pending, the oldest for 6m 00s" in checks["Deliveries"].detail
    told = (
        "1 message pending, the oldest for 20m 00s; the last attempt failed: Slack says invalid_auth; test it with POST"
    )
    assert checks["Messages to slack"].detail.startswith(told)
    # Without a collector that is as it must be.
    checks = found(3)
    assert [checks[name].ok for name in ("Deliveries", "Messages to slack", "Messages to email")] == [None] * 3


def test_collectors_of_another_version_are_named(engine: Engine) -> None:
    now = datetime.now(UTC)
    for name, version in (("one/1", "0.0.9"), ("two/1", "0.0.8")):
        with write_scope(engine) as session:
            record_heartbeat(session, now, {"version": version}, name=f"collector/{name}")
    with write_scope(engine) as session:
        record_heartbeat(session, now, {})
    add(engine, Claim(kind="liveness", name="one/1", holder="one/1", expires_at=now + timedelta(seconds=20)))
    found = {check.name: check for check in check_completeness(engine, now)}["Version"]
    assert found.ok is None
    assert "but one/1 runs 0.0.9: use one version for all" in found.detail


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("settings", "ok", "told"),
    [
        ({}, None, "anyone who can reach 127.0.0.1 has full read access"),
        ({"api_host": "0.0.0.0"}, False, "API_HOST=0.0.0.0 accepts connections from other machines and no key is set"),
        ({"api_host": "::1"}, None, "anyone who can reach ::1"),
        ({"api_host": "0.0.0.0", "api_keys": "s3cr3t"}, True, "every /api route requires a key"),
        ({"api_host": "0.0.0.0", "access_by_proxy": "true"}, None, "ACCESS_BY_PROXY is set: everyone whom the proxy"),
        (
            {"api_host": "0.0.0.0", "api_publish": "127.0.0.1:3000"},
            None,
            "anyone who can reach 127.0.0.1:3000 has full read access",
        ),
        ({"api_publish": "3000"}, False, "API_PUBLISH=3000 accepts connections from other machines and no key is set"),
        ({"api_publish": "10.0.0.7:3000", "api_keys": "s3cr3t"}, True, "every /api route requires a key"),
    ],
)
def test_an_open_api_fails(engine: Engine, settings: dict[str, str], ok: bool | None, told: str) -> None:
    url = engine.url.render_as_string(hide_password=False)
    found = check_access(CollectorSettings.load(database_url=url, **settings))
    assert found.ok is ok
    api = ApiSettings.load(**settings)
    if ok is False:
        # The API does not start so either, for the same reason.
        with pytest.raises(ConfigError, match=re.escape(found.detail)):
            require_protection(api, api.listen_address(), guarded=bool(api.keys))
    else:
        require_protection(api, api.listen_address(), guarded=bool(api.keys))
    assert told in found.detail
    assert "s3cr3t" not in found.detail


def test_an_api_with_stored_keys_is_protected(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    settings = CollectorSettings.load(database_url=url, api_host="0.0.0.0")
    assert check_access(settings).ok is False
    actor = Actor("root", ActorKind.USER, Origin.COMMAND)
    with write_scope(engine) as session:
        row, _ = create_key(session, actor, "grafana", KeyScope.READ, NOON)
    expected = DoctorCheck("API access", True, "API keys are stored: every /api route requires a key")
    assert check_access(settings) == expected
    # As in the API, which requires a key once one was created.
    with write_scope(engine) as session:
        revoke_key(session, actor, row.id, NOON)
    assert check_access(settings) == expected


@pytest.mark.parametrize("url", ["postgresql://reader:s3cr3t@127.0.0.1:1/none", "sqlite:////proc/none/x.db"])
def test_keys_that_cannot_be_read_do_not_protect_the_api(url: str) -> None:
    found = check_access(CollectorSettings.load(database_url=url, api_host="0.0.0.0"))
    assert found.ok is False
    assert found.detail.endswith("Stored keys cannot be read: see the check of the database.")
    assert "s3cr3t" not in found.detail
    assert check_access(CollectorSettings.load(database_url=url)).ok is None
