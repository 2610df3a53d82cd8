"""The Audit page: events, filters, files, links, and who may read it."""

import time
from datetime import timedelta
from typing import Any

import pytest

from app.components.audit_events import COLUMNS, event_rows
from app.data.audit import PAGE_SIZE, all_events
from app.session import UTC
from app.widgets.exports import as_csv
from db.audit import FILE, Actor, AuditFilter, record
from db.engine import write_scope
from db.enums import ActorKind, AuditAction, AuditSubject, Origin
from tests.app.conftest import Open
from tests.app.reading import everything, html
from tests.app.seeding import Seeded
from tests.builders import ACTOR

HOSTILE = "<script>alert(1)</script>"


def store(
    seeded: Seeded,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    subject: tuple[AuditSubject, object, str] = (AuditSubject.ALERT_RULE, 3, "three in a row"),
    action: AuditAction = AuditAction.CHANGED,
    actor: Actor = ACTOR,
    days: float = 0,
) -> None:
    with write_scope(seeded.engine) as session:
        now = seeded.now - timedelta(days=days)
        record(session, actor, action, *subject, now, before=before, after=after)


@pytest.fixture
def trail(seeded: Seeded) -> Seeded:
    key = Actor("deploy", ActorKind.API_KEY, Origin.API)
    store(seeded, before={"severity": "warning", "channels": ["slack"]}, after={"severity": "critical", "channels": []})
    store(
        seeded,
        after={
            "name": HOSTILE,
            "pattern": "x",
            "jobs": [],
            "enabled": True,
            "kind": "test",
            "steps": ["a", "b"],
            "id": 3.0,
        },
        subject=(AuditSubject.CAUSE_RULE, 7, HOSTILE),
        action=AuditAction.CREATED,
        actor=key,
        days=2,
    )
    settings = {"channel": "#payments", "token": "env:TOKEN"}
    store(
        seeded,
        before={"settings": settings},
        after={"settings": settings | {"channel": "#cards"}},
        subject=(AuditSubject.CHANNEL, 1, "payments-slack"),
        days=20,
    )
    gone = {"ends_at": "2026-11-18T12:00:00+00:00", "comment": "", "author": "Ann"}
    store(
        seeded,
        before=gone,
        subject=(AuditSubject.SILENCE, 9, "acme/*"),
        action=AuditAction.DELETED,
        actor=FILE,
        days=40,
    )
    return seeded


def test_events_show_what_changed_from_what_to_what(trail: Seeded, open_page: Open) -> None:
    shown = everything(open_page("audit"))
    assert "4 events · all time · newest first" in shown
    assert "<b>severity</b> <del>warning</del>" in shown
    assert "<ins>critical</ins>" in shown
    assert "<b>channels</b> <del>slack</del>" in shown
    # Only the part of the settings that differs.
    assert "<b>settings: channel</b> <del>#payments</del>" in shown
    assert "env:TOKEN" not in shown
    # A created subject has its fields with a value, four of them at once.
    assert "<b>steps</b> a, b" in shown
    assert "<b>jobs</b>" not in shown
    assert "<summary>2 more</summary>" in shown
    assert "<b>ends at</b> <del>18 Nov 2026, 12:00</del>" in shown
    assert HOSTILE not in shown
    assert "&lt;script&gt;" in shown
    assert 'href="alerts?rule=3"' in shown
    assert 'href="audit?kind=alert_rule&amp;subject=3"' in shown
    # A deleted subject has no page.
    assert ">acme/*<" in shown
    assert 'href="alerts"' not in shown


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"kind": "silence"}, ["acme/*"]),
        ({"kind": "alert_rule", "subject": "3"}, ["three in a row"]),
        ({"subject": "99"}, []),
        ({"who": "deploy"}, [HOSTILE]),
        ({"who": ["deploy", "configuration"]}, [HOSTILE, "acme/*"]),
        ({"action": "created"}, [HOSTILE]),
        ({"way": ["api", "file"]}, [HOSTILE, "acme/*"]),
        ({"within": "30d"}, ["three in a row", HOSTILE, "payments-slack"]),
        ({"within": "24h"}, ["three in a row"]),
        ({"find": "SLACK"}, ["payments-slack"]),
    ],
)
def test_the_url_has_the_filters(trail: Seeded, open_page: Open, query: dict[str, Any], names: list[str]) -> None:
    page = open_page("audit", **query)
    number = f"{len(names)} event{'' if len(names) == 1 else 's'} · "
    assert number in everything(page)
    assert ("No event matches these filters." in everything(page)) is not bool(names)
    assert {name: page.query_params[name] for name in page.query_params} == query


def test_invalid_filters_are_reported(trail: Seeded, open_page: Open) -> None:
    shown = everything(open_page("audit", kind="x", action="y", way="z", within="5d", page="events.9.!!")).replace(
        "\\", ""
    )
    for text in ("kind=x is unknown", "action=y is unknown", "way=z is unknown", "within=5d is unknown"):
        assert text in shown
    assert "4 events" in shown


def test_many_events_are_pages(seeded: Seeded, open_page: Open) -> None:
    for number in range(PAGE_SIZE + 1):
        store(seeded, before={"n": number}, after={"n": number + 1}, days=number / 1000)
    page = open_page("audit", within="30d")
    assert f"<ins>{PAGE_SIZE}</ins>" in everything(page)
    assert f"<ins>{PAGE_SIZE + 1}</ins>" not in everything(page)
    next(button for button in page.button if button.key == "events-next").click().run()
    assert f"<ins>{PAGE_SIZE + 1}</ins>" in everything(page)
    assert "Page 2 · 1 event" in everything(page)


def test_without_events_the_page_says_what_appears_here(seeded: Seeded, open_page: Open) -> None:
    assert "No change has been recorded yet" in everything(open_page("audit"))


def test_files_have_the_changes_as_text_and_no_formula(trail: Seeded) -> None:
    store(trail, before={"a": 1}, after={"a": 2}, subject=(AuditSubject.TEAM, "x", "=1+1"))
    text = as_csv(COLUMNS, event_rows(all_events(AuditFilter()), UTC))
    assert "Time (UTC),Actor,Way,Action,Subject,Kind,Changes" in text
    assert "'=1+1,Team,a: 1 → 2" in text
    assert "severity: warning → critical; channels: slack → –" in text


def test_only_administrators_read_it(trail: Seeded, open_page: Open, with_login: None) -> None:
    user = {"is_logged_in": True, "sub": "1", "iss": "https://id.example.com", "iat": time.time(),
            "email": "eve@example.com", "email_verified": True}  # fmt: skip
    shown = open_page("audit", user=user)
    assert "This needs the role admin; yours is viewer" in everything(shown)
    assert not any("ph-changes" in block for block in html(shown))
