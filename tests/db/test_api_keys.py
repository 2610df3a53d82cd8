"""Stored API keys, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from core.text import printable
from db.api_keys import (
    PREFIX,
    InvalidKey,
    KeyLimits,
    KeyRow,
    KeyState,
    create_key,
    digest,
    find_keys,
    has_keys,
    list_keys,
    record_use,
    revoke_key,
    unrevoked_keys,
)
from db.audit import COMMAND, AuditFilter, audit_page
from db.engine import session_scope, write_scope
from db.enums import AuditAction, KeyScope
from tests.builders import NOON

DAY = timedelta(days=1)


def make(engine: Engine, name: str = "grafana", scope: KeyScope = KeyScope.READ, days: int | None = None,
         limits: KeyLimits | None = None) -> tuple[KeyRow, str]:  # fmt: skip
    with write_scope(engine) as session:
        ends = NOON + days * DAY if days else None
        return create_key(session, COMMAND, name, scope, NOON, limits=limits, expires_at=ends)


def test_only_the_hash_of_a_key_is_stored(engine: Engine) -> None:
    with session_scope(engine) as session:
        assert not has_keys(session)
    row, key = make(engine, days=90, limits=KeyLimits("payments", ("acme/web",)))
    other, another = make(engine, "ci", KeyScope.WRITE)
    assert key.startswith(PREFIX)
    assert len(key) == len(PREFIX) + 43
    assert key != another
    with session_scope(engine) as session:
        assert unrevoked_keys(session) == {digest(key): row, digest(another): other}
        assert (row.scope, row.team_key, row.repositories, row.prefix) == (
            KeyScope.READ, "payments", ("acme/web",), key[:8],
        )  # fmt: skip
        everything = str(session.execute(text("SELECT * FROM api_keys")).all())
        everything += str(session.execute(text("SELECT * FROM audit_events")).all())
    assert key[10:] not in everything
    assert digest(key) not in printable(repr(row))


def test_a_key_expires_and_can_be_revoked_once(engine: Engine) -> None:
    row, _ = make(engine, days=1)
    assert [row.state(NOON + DAY - timedelta(seconds=1)), row.state(NOON + DAY)] == [KeyState.ACTIVE, KeyState.EXPIRED]
    for hours in (1, 2):
        with write_scope(engine) as session:
            assert revoke_key(session, COMMAND, row.id, NOON + timedelta(hours=hours)) is not None
            assert revoke_key(session, COMMAND, 99, NOON) is None
    with session_scope(engine) as session:
        (stored,) = list_keys(session)
        assert stored.state(NOON) is KeyState.REVOKED
        assert (stored.revoked_at, stored.revoked_by) == (NOON + timedelta(hours=1), "command line")
        assert unrevoked_keys(session) == {}
        # Requests still need a key.
        assert has_keys(session)
        actions = [event.action for event in audit_page(session, AuditFilter()).items]
    assert actions == [AuditAction.REVOKED, AuditAction.CREATED]


def test_a_key_is_named_by_its_name_or_its_id(engine: Engine) -> None:
    first, _ = make(engine, "CI")
    with write_scope(engine) as session:
        revoke_key(session, COMMAND, first.id, NOON)
    second, _ = make(engine, "ci")
    with session_scope(engine) as session:
        assert [key.id for key in find_keys(session, " Ci ")] == [second.id]
        assert [key.id for key in find_keys(session, str(first.id))] == [first.id]
        assert find_keys(session, "c") == []


@pytest.mark.parametrize(
    ("name", "scope", "limits", "days", "message"),
    [(" ", KeyScope.READ, None, None, "name: "), ("x" * 101, KeyScope.READ, None, None, "name: "),
     ("a\x1b[2Jb", KeyScope.READ, None, None, "name: "), ("17", KeyScope.READ, None, None, "name: "),
     ("Taken", KeyScope.READ, None, None, "name: a key with the name 'Taken' exists"),
     ("new", KeyScope.READ, KeyLimits(None, ("acme",)), None, "repo: "),
     ("new", KeyScope.READ, KeyLimits(None, ("acme/web/x",)), None, "repo: "),
     ("new", KeyScope.READ, KeyLimits(None, ("a/b",) * 501), None, "repo: at most"),
     ("new", KeyScope.ADMIN, KeyLimits("payments"), None, "scope: "),
     ("new", KeyScope.READ, None, -1, "expires: ")],
)  # fmt: skip
def test_a_key_that_cannot_be_is_refused(
    engine: Engine, name: str, scope: KeyScope, limits: KeyLimits | None, days: int | None, message: str
) -> None:
    make(engine, "taken")
    with pytest.raises(InvalidKey, match=f"^{message}") as caught:
        make(engine, name, scope, days, limits)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_the_last_use_is_stored_at_most_once_a_minute(engine: Engine) -> None:
    row, _ = make(engine)
    used = []
    for seconds in (0, 59, 60):
        with write_scope(engine) as session:
            record_use(session, [row.id], NOON + timedelta(seconds=seconds))
            used.append(list_keys(session)[0].last_used_at)
    assert used == [NOON, NOON, NOON + timedelta(minutes=1)]
