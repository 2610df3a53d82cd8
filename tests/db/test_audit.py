"""The audit trail as it is stored, on both databases."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from core.text import clear_secrets, register_secrets
from db.audit import (
    COMMAND,
    MAX_ITEMS,
    MAX_TEXT_LENGTH,
    Actor,
    AuditFilter,
    AuditRow,
    anonymous,
    audit_page,
    count_events,
    export_events,
    list_actors,
    record,
    subject_events,
)
from db.engine import session_scope, write_scope
from db.enums import ActorKind, AuditAction, AuditSubject, Origin, Severity
from db.models import AuditEvent
from db.runs.cursors import InvalidCursor
from tests.builders import NOON

ROOT = Path(__file__).parents[2]
ANN = Actor("Ann Lee", ActorKind.USER, Origin.DASHBOARD)
KEY = Actor("deploy", ActorKind.API_KEY, Origin.API)


def store(
    engine: Engine,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    *,
    actor: Actor = ANN,
    minutes: int = 0,
    subject: tuple[AuditSubject, object, str] = (AuditSubject.ALERT_RULE, 3, "three in a row"),
    action: AuditAction = AuditAction.CHANGED,
) -> None:
    with write_scope(engine) as session:
        record(session, actor, action, *subject, NOON + timedelta(minutes=minutes), before=before, after=after)


def events(engine: Engine, **filters: Any) -> list[AuditRow]:
    with session_scope(engine) as session:
        return audit_page(session, AuditFilter(**filters)).items


def test_an_event_has_the_actor_and_only_the_fields_that_differ(engine: Engine) -> None:
    stored = {"name": "a", "severity": "warning", "channels": ["slack"], "open_at": 3.0}
    store(engine, stored, {**stored, "severity": Severity.CRITICAL, "channels": ("slack", "email"), "open_at": 3})
    store(engine, stored, {**stored, "channels": ("slack",)})
    (event,) = events(engine)
    assert (event.actor, event.actor_kind, event.origin, event.action) == ("Ann Lee", "user", "dashboard", "changed")
    assert (event.subject_kind, event.subject_id, event.subject_name) == ("alert_rule", "3", "three in a row")
    assert event.before == {"severity": "warning", "channels": ["slack"]}
    assert event.after == {"severity": "critical", "channels": ["slack", "email"]}
    assert (event.at, event.repository_id) == (NOON, None)


def test_a_created_and_a_deleted_subject_have_no_other_side(engine: Engine) -> None:
    store(engine, None, {"name": "a", "ends_at": NOON}, action=AuditAction.CREATED)
    store(engine, {"name": "a"}, None, action=AuditAction.DELETED, minutes=1)
    store(engine, None, None, action=AuditAction.SENT, minutes=2)
    with session_scope(engine) as session:
        columns = (AuditEvent.before, AuditEvent.after, AuditEvent.before.is_(None), AuditEvent.after.is_(None))
        rows = session.execute(select(*columns).order_by(AuditEvent.id)).all()
    assert [tuple(row) for row in rows] == [
        (None, {"name": "a", "ends_at": NOON.isoformat()}, True, False),
        ({"name": "a"}, None, False, True),
        (None, None, True, True),
    ]


def test_a_change_that_is_rolled_back_has_no_event(engine: Engine) -> None:
    with session_scope(engine) as session:
        record(session, ANN, AuditAction.DELETED, AuditSubject.TEAM, "pay", "Payments", NOON)
        session.rollback()
    assert not events(engine)


def test_long_values_are_bounded_and_show_what_differs(engine: Engine) -> None:
    names = [f"acme/{number}" for number in range(1_000)]
    store(
        engine,
        {"repositories": names, "description": "x"},
        {"repositories": [*names, "acme/new"], "description": "y" * 9_000},
    )
    store(engine, None, {"repositories": names, "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, minutes=1)
    created, changed = events(engine)
    assert changed.after
    assert changed.before
    assert created.after
    assert changed.after["repositories"] == ["acme/new", "… 1000 more"]
    assert changed.before["repositories"] == ["… 1000 more"]
    assert len(changed.after["description"]) == MAX_TEXT_LENGTH
    assert created.after["repositories"] == [*names[:MAX_ITEMS], "… 950 more"]
    assert created.after["deep"] == {"a": {"b": {"c": {"d": "…"}}}}


def test_secrets_are_never_stored(engine: Engine) -> None:
    register_secrets("s3cr3t-value-of-the-process")
    settings = {
        "token": "xoxb-123456789-abcdef",
        "integration_key": "env:PAGERDUTY_KEY",
        "webhook_url": "https://hooks.slack.com/services/T0/B0/XXXX",
        "url": "file:/run/secrets/ntfy",
        "note": "uses s3cr3t-value-of-the-process and ghp_0123456789abcdef0123",
        "to": ["ops@example.com"],
    }
    store(engine, {"settings": settings}, {"settings": {**settings, "token": "xoxb-2-other"}})
    with session_scope(engine) as session:
        raw = str(session.execute(text("SELECT before, after FROM audit_events")).one())
    clear_secrets()
    for secret in ("xoxb", "T0/B0", "s3cr3t", "ghp_0123456789"):
        assert secret not in raw
    (event,) = events(engine)
    assert event.before == event.after  # the token differs, which is the event
    assert event.before
    assert event.before["settings"]["integration_key"] == "env:PAGERDUTY_KEY"
    assert event.before["settings"]["url"] == "file:/run/secrets/ntfy"
    assert event.before["settings"]["token"] == "***"
    assert event.before["settings"]["to"] == ["ops@example.com"]


def test_hostile_text_is_one_line_without_control_characters(engine: Engine) -> None:
    actor = Actor("Ann\x00\u202e" + "x" * 400, ActorKind.USER, Origin.API)
    store(
        engine,
        None,
        {"comment": "a\x00b\ud800\nc"},
        actor=actor,
        subject=(AuditSubject.ALERT, "9" * 400, "a\r\nb\x1b[31m"),
    )
    (event,) = events(engine)
    assert event.actor.startswith("Annx")
    assert len(event.actor) == 200
    assert (event.subject_name, len(event.subject_id)) == ("a b", 200)
    assert event.after == {"comment": "ab? c"}


def test_events_are_filtered_and_paged_newest_first(engine: Engine) -> None:
    for minutes in range(5):
        store(engine, None, {"n": minutes}, minutes=minutes)
    # Equal times: the id decides.
    store(engine, None, {"n": 5}, minutes=4, actor=KEY, action=AuditAction.CREATED)
    store(engine, None, {"n": 6}, minutes=9, actor=COMMAND, subject=(AuditSubject.TEAM, "ärzte", "Ärzte 100%"))
    store(engine, None, {"n": 7}, minutes=9, actor=anonymous(Origin.API), subject=(AuditSubject.SILENCE, 30, "acme/*"))
    numbers, cursor = [], None
    while True:
        with session_scope(engine) as session:
            page = audit_page(session, AuditFilter(), limit=3, cursor=cursor)
            numbers += [(row.after or {})["n"] for row in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert numbers == [7, 6, 5, 4, 3, 2, 1, 0]

    def numbers_of(**filters: Any) -> list[int]:
        return [(row.after or {})["n"] for row in events(engine, **filters)]

    assert numbers_of(subject_kinds=("team", "silence")) == [7, 6]
    assert numbers_of(subject_kinds=("alert_rule",), subject_ids=("30",)) == []
    assert numbers_of(actors=("deploy", "anonymous")) == [7, 5]
    assert numbers_of(actions=("created",)) == [5]
    assert numbers_of(origins=("command",)) == [6]
    assert numbers_of(since=NOON + timedelta(minutes=3), until=NOON + timedelta(minutes=9)) == [5, 4, 3]
    assert numbers_of(text="ärZTE 100%") == [6]
    assert numbers_of(text="DEPLOY") == [5]
    with session_scope(engine) as session:
        assert count_events(session, AuditFilter(subject_kinds=("alert_rule",))) == 6
        assert list_actors(session) == ["Ann Lee", "anonymous", "command line", "deploy"]
        assert [row.subject_name for row in subject_events(session, AuditSubject.TEAM, "ärzte")] == ["Ärzte 100%"]
        oldest_first = subject_events(session, AuditSubject.ALERT_RULE, 3, limit=2)
        assert [(row.after or {})["n"] for row in oldest_first] == [4, 5]
        with pytest.raises(InvalidCursor):
            audit_page(session, AuditFilter(), cursor="x")


def test_an_export_reads_batches_in_transactions_of_their_own(engine: Engine) -> None:
    for minutes in range(5):
        store(engine, None, {"n": minutes}, minutes=minutes)
    opened: list[int] = []

    def open_session() -> AbstractContextManager[Session]:
        opened.append(1)
        return session_scope(engine)

    batches = export_events(open_session, AuditFilter(since=NOON + timedelta(minutes=1)), size=2)
    assert [[(row.after or {})["n"] for row in batch] for batch in batches] == [[4, 3], [2, 1]]
    assert len(opened) == 3


def test_only_retention_deletes_events_and_nothing_updates_them() -> None:
    """The modules that name the table; those of the API cannot, because only storage and the domain touch tables."""
    named = {
        path.relative_to(ROOT).as_posix()
        for package in ("app", "collector", "core", "db", "health")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\bAuditEvent[,(.]", path.read_text(encoding="utf-8"))
    }
    assert named == {"db/audit.py", "db/models/__init__.py", "db/models/teams.py", "health/retention.py"}
    source = (ROOT / "db/audit.py").read_text(encoding="utf-8")
    assert not re.search(r"(delete|update|merge)\(", source)
