"""Stored API keys: the command, and what a request with one may do."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from api import keyring
from api.__main__ import main
from db.api_keys import KeyLimits, create_key, list_keys, revoke_key
from db.audit import COMMAND
from db.engine import session_scope, write_scope
from db.enums import KeyScope
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository

HEADER = "Authorization"
# A changing route of each role, with a body that its validation accepts or refuses: the role is checked first.
CHANGES = {
    ("POST", "/api/alerts/7/acknowledge"): KeyScope.WRITE,
    ("POST", "/api/alerts/silences"): KeyScope.WRITE,
    ("DELETE", "/api/alerts/silences/7"): KeyScope.WRITE,
    ("PUT", "/api/insights/failures/f/triage"): KeyScope.WRITE,
    ("DELETE", "/api/insights/failures/f/triage"): KeyScope.WRITE,
    ("POST", "/api/alerts/rules"): KeyScope.ADMIN,
    ("PUT", "/api/alerts/rules/7"): KeyScope.ADMIN,
    ("DELETE", "/api/alerts/rules/7"): KeyScope.ADMIN,
    ("POST", "/api/cause-rules"): KeyScope.ADMIN,
    ("PUT", "/api/cause-rules/7"): KeyScope.ADMIN,
    ("DELETE", "/api/cause-rules/7"): KeyScope.ADMIN,
    ("POST", "/api/alerts/test"): KeyScope.ADMIN,
}


@pytest.fixture(autouse=True)
def _keys_are_read_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "TTL_SECONDS", 0.0)


def make(engine: Engine, name: str, scope: KeyScope, **more: Any) -> str:
    with write_scope(engine) as session:
        return create_key(session, COMMAND, name, scope, NOW, **more)[1]


def status(client: TestClient, key: str | None, path: str = "/api/runs") -> int:
    return client.get(path, headers={HEADER: f"Bearer {key}"} if key else {}).status_code


def test_a_stored_key_closes_the_api_until_the_end_of_time(client: TestClient, engine: Engine) -> None:
    assert status(client, None) == 200
    key = make(engine, "grafana", KeyScope.READ)
    assert [status(client, it) for it in (None, key, key[:-1], key + "x", "phk_")] == [401, 200, 401, 401, 401]
    assert status(client, None, "/api/nope") == 401
    assert status(client, None, "/health") == status(client, None, "/metrics") == 200
    with write_scope(engine) as session:
        revoke_key(session, COMMAND, 1, NOW)
    assert [status(client, it) for it in (None, key)] == [401, 401]
    refused = client.get("/api/runs")
    assert (refused.headers["www-authenticate"], refused.headers["content-type"]) == (
        "Bearer", "application/problem+json",
    )  # fmt: skip


def test_a_key_expires(make_client: MakeClient, engine: Engine) -> None:
    key = make(engine, "grafana", KeyScope.READ, expires_at=NOW + timedelta(hours=1))
    assert status(make_client(NOW + timedelta(minutes=59)), key) == 200
    late = make_client(NOW + timedelta(hours=1)).get("/api/runs", headers={HEADER: f"Bearer {key}"})
    assert late.status_code == 401
    assert late.json()["detail"].startswith("The key has expired")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_scope_includes_those_before_it(make_client: MakeClient, engine: Engine) -> None:
    add_repository(engine)
    keys = {scope: make(engine, scope, scope) for scope in KeyScope}
    client = make_client(api_keys="a-key-of-the-variable")
    keys["variable"] = "a-key-of-the-variable"  # type: ignore[index] # may do everything, as before
    for (method, path), needed in CHANGES.items():
        for scope, key in keys.items():
            answer = client.request(method, path, headers={HEADER: f"Bearer {key}"})
            is_allowed = scope == "variable" or list(KeyScope).index(scope) >= list(KeyScope).index(needed)
            assert (answer.status_code != 403) is is_allowed, (method, path, scope)
            if not is_allowed:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["required_scope"] == needed
                assert f"scope {needed}" in answer.json()["detail"]
        assert client.request(method, path).status_code == 401
    assert {status(client, key) for key in keys.values()} == {200}


def test_a_request_without_a_key_is_refused_before_its_body_is_read(client: TestClient, engine: Engine) -> None:
    make(engine, "ci", KeyScope.WRITE)
    answer = client.post("/api/alerts/silences", content=b"x" * 100_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


def test_the_last_use_is_recorded_once_a_minute(make_client: MakeClient, engine: Engine) -> None:
    key = make(engine, "ci", KeyScope.READ)
    client, later = make_client(), make_client(NOW + timedelta(minutes=1))

    def last_use() -> Any:
        with session_scope(engine) as session:
            return list_keys(session)[0].last_used_at

    assert (status(client, key), last_use()) == (200, NOW)
    with engine.begin() as connection:
        connection.execute(text("UPDATE api_keys SET name = 'renamed', last_used_at = NULL"))
    assert (status(client, key), last_use()) == (200, None)
    assert (status(later, key), last_use()) == (200, NOW + timedelta(minutes=1))


def test_each_key_has_its_own_rate(make_client: MakeClient, engine: Engine) -> None:
    first, second = make(engine, "a", KeyScope.READ), make(engine, "b", KeyScope.READ)
    client = make_client(api_rate_limit="2/minute")
    assert [status(client, key) for key in (first, first, first, second)] == [200, 200, 429, 200]


def test_keys_that_were_read_apply_while_the_database_is_down(
    make_client: MakeClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make(engine, "a", KeyScope.READ)
    client = make_client()
    assert status(client, key) == 200
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE api_keys RENAME TO away"))
    assert [status(client, it) for it in (key, None)] == [200, 401]
    # A new process knows no key: it does not take the API for open.
    assert status(make_client(), None) in (500, 503)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_public_address_needs_a_key_which_may_be_a_stored_one(
    make_client: MakeClient, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    for environment in ("dev", "prod"):
        with pytest.raises(SystemExit):
            make_client(api_host="0.0.0.0", backend_env=environment)
        assert capsys.readouterr().err.startswith("API_KEYS: API_HOST=0.0.0.0 accepts connections")
    key = make(engine, "ci", KeyScope.READ, limits=KeyLimits(None, ("acme/web",)))
    client = make_client(api_host="0.0.0.0", backend_env="prod")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM api_keys"))
    # Not even a table that is empty again opens it.
    assert [status(client, it) for it in (key, None)] == [401, 401]


def test_the_command_creates_lists_and_revokes(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    add_repository(engine)

    def keys(*arguments: str) -> tuple[int, str, str]:
        code = main(["keys", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    code, out, err = keys("create", "ci", "--scope", "write", "--team", "Payments", "--repo", "ACME/Web", "--repo",
                          "acme/new", "--expires", "90d", "--json")  # fmt: skip
    made = json.loads(out)
    assert (code, err) == (0, "repo: acme/new is not monitored yet.\n")
    assert (made["team_key"], made["repositories"]) == ("payments", ["acme/web", "acme/new"])
    code, out, _ = keys("create", "grafana", "--scope", "read")
    assert code == 0
    assert "grafana (id 2, scope read, without expiry). It is not shown again:\n\nphk_" in out
    code, out, _ = keys("list")
    assert [line.split()[:2] for line in out.splitlines()] == [["ID", "NAME"], ["2", "grafana"], ["1", "ci"]]
    assert made["key"][8:] not in out
    assert keys("revoke", "CI")[1] == "Key ci (id 1) is revoked.\n"
    assert [key["state"] for key in json.loads(keys("list", "--json")[1])] == ["active", "revoked"]
    for wrong, message in (
        (("create", "x", "--scope", "read", "--expires", "90"), "expires: invalid value '90'; expected 12h, 90d"),
        (("create", "Grafana", "--scope", "read"), "name: a key with the name"),
        (("revoke", "nobody"), "revoke: no key has the name 'nobody'"),
    ):
        code, out, err = keys(*wrong)
        assert (code, out) == (2, "")
        assert err.startswith(message)


def test_every_changing_route_requires_a_role() -> None:
    """Those that change nothing are named here."""
    from api.main import create_app
    from api.settings import ApiSettings

    unchanging = {"/api/alerts/rules/replay", "/api/cause-rules/preview", "/api/webhooks/github"}
    missing = []
    for route in create_app(ApiSettings(database_url="sqlite://")).routes:
        methods = getattr(route, "methods", None) or set()
        if methods & {"POST", "PUT", "PATCH", "DELETE"} and route.path not in unchanging:  # type: ignore[attr-defined]
            names = {dependency.call.__qualname__ for dependency in route.dependant.dependencies}  # type: ignore[attr-defined]
            if not any(name.startswith("requires.") for name in names):
                missing.append((sorted(methods), route.path))  # type: ignore[attr-defined]
    assert missing == []
