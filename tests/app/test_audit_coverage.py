"""Every way to change something leaves an event in the audit trail: all writing routes of the API, and all functions of
the dashboard that open a writing transaction. A new one without a call below, or a reason, fails."""

import ast
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.main import create_app, openapi
from api.settings import ApiSettings
from app.data import alert_details, alerts, cause_rules, causes, digest, teams, views
from db.audit import AuditFilter, audit_page
from db.engine import session_scope, write_scope
from db.enums import RuleKind
from db.models import JobLog, StoredSetting
from health.alerts.channels.base import Message
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_writes import AlertScope, open_alert
from health.alerts.storage.stored_rules import list_rules
from health.insights.causes import stored_rules
from health.insights.causes.identity import fingerprint
from health.insights.causes.model import CauseClass
from health.insights.causes.rules import CauseRule
from health.insights.causes.triage import Triage
from tests.app.conftest import TestClient
from tests.app.seeding import SECRET_LINE, Seeded
from tests.notify.web import hook

_ROOT = Path(__file__).parents[2]
_WRITING_METHODS = ("post", "put", "patch", "delete")
_CAUSE = fingerprint(SECRET_LINE) or ""
# What changes nothing that a person is responsible for.
_ROUTES_WITHOUT_EVENT = {
    "POST /api/cause-rules/preview": "stores nothing",
    "POST /api/alerts/rules/replay": "stores nothing",
    "POST /api/webhooks/github": "GitHub reports what happened there",
}
_FUNCTIONS_WITHOUT_EVENT = {
    "app.data.runs.request_log": "asks the collector for a log; nothing that others see changes",
}
_RULE = {"name": "Slow queues", "kind": "queue_time", "open_at": 600}
_CAUSE_RULE = {"name": "Registry", "pattern": "registry", "class": "infrastructure"}
# Method and path, as OpenAPI has it, body, and the event. In this order, each changes what those before it made.
_CALLS: list[tuple[str, Any, str, str]] = [
    ("POST /api/alerts/rules", _RULE, "created", "alert_rule"),
    ("PUT /api/alerts/rules/{rule_id}", {**_RULE, "severity": "critical"}, "changed", "alert_rule"),
    ("DELETE /api/alerts/rules/{rule_id}", None, "deleted", "alert_rule"),
    ("POST /api/alerts/silences", {"repos": ["acme/*"], "duration_seconds": 60}, "created", "silence"),
    ("DELETE /api/alerts/silences/{silence_id}", None, "ended", "silence"),
    ("POST /api/alerts/{alert_id}/acknowledge", {"comment": "on it"}, "acknowledged", "alert"),
    ("DELETE /api/alerts/{alert_id}/acknowledge", None, "unacknowledged", "alert"),
    ("PUT /api/alerts/{alert_id}/assignee", {"assignee": "web"}, "assigned", "alert"),
    ("DELETE /api/alerts/{alert_id}/assignee", None, "unassigned", "alert"),
    ("POST /api/alerts/bulk", {"action": "acknowledge", "ids": [1]}, "acknowledged", "alert"),
    ("POST /api/alerts/test", None, "sent", "channel"),
    ("POST /api/cause-rules", _CAUSE_RULE, "created", "cause_rule"),
    ("PUT /api/cause-rules/{rule_id}", {**_CAUSE_RULE, "enabled": False}, "changed", "cause_rule"),
    ("DELETE /api/cause-rules/{rule_id}", None, "deleted", "cause_rule"),
    ("PUT /api/insights/failures/{fingerprint}/triage", {"ticket": "OPS-1"}, "created", "cause_triage"),
    ("DELETE /api/insights/failures/{fingerprint}/triage", None, "deleted", "cause_triage"),
    ("POST /api/teams", {"name": "Web", "repositories": ["acme/*"]}, "created", "team"),
    ("PUT /api/teams/{name}", {"repositories": ["acme/web"]}, "changed", "team"),
    ("DELETE /api/teams/{name}", None, "deleted", "team"),
    ("POST /api/digest/send", None, "sent", "digest"),
]


@pytest.fixture
def alert_id(seeded: Seeded) -> int:
    with write_scope(seeded.engine) as session:
        session.get_one(JobLog, (1, 4)).fingerprint = _CAUSE
        return open_alert(
            session, AlertScope(1, 10, RuleKind.QUEUE_TIME), "10 min", AlertDetail(), seeded.now - timedelta(hours=1)
        )


@contextmanager
def new_event(seeded: Seeded, action: str, subject: str, origin: str) -> Iterator[None]:
    def events() -> list[tuple[str, str, str]]:
        with session_scope(seeded.engine) as session:
            page = audit_page(session, AuditFilter(), limit=500)
        return [(row.action, row.subject_kind, row.origin) for row in page.items]

    before = len(events())
    yield
    added = events()
    assert (action, subject, origin) in added[: len(added) - before], (action, subject)


def test_every_writing_route_leaves_an_event(seeded: Seeded, alert_id: int) -> None:
    routes = {
        f"{method.upper()} {path}"
        for path, methods in openapi()["paths"].items()
        for method in methods
        if method in _WRITING_METHODS
    }
    assert {route for route, *_ in _CALLS} | set(_ROUTES_WITHOUT_EVENT) == routes
    ids = {"alert_id": alert_id, "fingerprint": _CAUSE, "name": "web", "rule_id": 0, "silence_id": 0}
    with hook() as receiver:
        settings = ApiSettings(database_url=os.environ["DATABASE_URL"], alert_webhook_url=receiver.url,
                               alert_webhook_secret="s3cr3t-key")  # fmt: skip
        with TestClient(create_app(settings, clock=lambda: seeded.now), base_url="http://localhost") as client:
            for route, body, action, subject in _CALLS:
                method, path = route.split(" ")
                with new_event(seeded, action, subject, "api"):
                    answer = client.request(method, path.format(**ids), json=body)
                    assert answer.status_code in (200, 201, 202), (route, answer.text)
                if answer.status_code == 201 and "id" in answer.json():
                    ids |= {"rule_id": answer.json()["id"], "silence_id": answer.json()["id"]}


def test_every_writing_function_of_the_dashboard_leaves_an_event(seeded: Seeded, alert_id: int) -> None:
    def rule_id() -> int:
        with session_scope(seeded.engine) as session:
            return next(rule.id or 0 for rule in list_rules(session) if not rule.built_in)

    def cause_rule_id() -> int:
        with session_scope(seeded.engine) as session:
            return stored_rules.list_rules(session)[0].id or 0

    def send_digest() -> None:
        with write_scope(seeded.engine) as session:
            value = {"weekday": "monday", "hour": 9, "time_zone": "UTC", "all": ["ops"]}
            session.add(StoredSetting(name="digest", value=value, source="file", updated_at=seeded.now))
        digest.send_digest(digest.load_digest(None, None, 1))

    queue_rule = Rule("Slow queues", RuleKind.QUEUE_TIME, 600)
    hour = timedelta(hours=1)
    # In this order, each changes what those before it made.
    calls: list[tuple[Callable[..., Any], Callable[[], Any], str, str]] = [
        (alerts.acknowledge, lambda: alerts.acknowledge(alert_id, "Ann", ""), "acknowledged", "alert"),
        (alerts.unacknowledge, lambda: alerts.unacknowledge(alert_id), "unacknowledged", "alert"),
        (alerts.assign, lambda: alerts.assign(alert_id, "web"), "assigned", "alert"),
        (alert_details.assign_all, lambda: alert_details.assign_all([alert_id], "payments"), "assigned", "alert"),
        (alerts.acknowledge_all, lambda: alerts.acknowledge_all([alert_id], "Ann", ""), "acknowledged", "alert"),
        (alerts.silence_all, lambda: alerts.silence_all([alert_id], hour, "", "Ann"), "created", "silence"),
        (
            alerts.add_silence,
            lambda: alerts.add_silence(Patterns(("acme/*",)), None, hour, "", "Ann"),
            "created",
            "silence",
        ),
        (alerts.end_silence, lambda: alerts.end_silence(1), "ended", "silence"),
        (alerts.save_rule, lambda: alerts.save_rule(queue_rule), "created", "alert_rule"),
        (alerts.delete_rule, lambda: alerts.delete_rule(rule_id()), "deleted", "alert_rule"),
        (alerts.request_test, lambda: alerts.request_test("slack", Message("a", "b")), "sent", "channel"),
        (
            cause_rules.save_rule,
            lambda: cause_rules.save_rule(CauseRule("Registry", "registry", CauseClass.TEST)),
            "created",
            "cause_rule",
        ),
        (cause_rules.delete_rule, lambda: cause_rules.delete_rule(cause_rule_id()), "deleted", "cause_rule"),
        (causes.mark_known, lambda: causes.mark_known(_CAUSE, Triage("OPS-1")), "created", "cause_triage"),
        (causes.unmark, lambda: causes.unmark([_CAUSE]), "deleted", "cause_triage"),
        (teams.save_team, lambda: teams.save_team("Web", {"repositories": ["acme/*"]}), "created", "team"),
        (teams.delete_team, lambda: teams.delete_team("Web"), "deleted", "team"),
        (digest.send_digest, send_digest, "sent", "digest"),
        (views.save_view, lambda: views.save_view("view", "", "runs", ""), "created", "saved_view"),
        (views.describe_view, lambda: views.describe_view(1, "renamed", ""), "changed", "saved_view"),
        (views.update_view, lambda: views.update_view(1, "flaky", ""), "changed", "saved_view"),
        (views.delete_view, lambda: views.delete_view(1), "deleted", "saved_view"),
    ]
    called = {f"{function.__module__}.{function.__name__}" for function, *_ in calls}
    assert called | set(_FUNCTIONS_WITHOUT_EVENT) == set(_writing_functions())
    for _, call, action, subject in calls:
        with new_event(seeded, action, subject, "dashboard"):
            call()


def _writing_functions() -> Iterator[str]:
    """The functions of the dashboard that open a writing transaction."""
    for path in sorted((_ROOT / "app").rglob("*.py")):
        module = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        if module == "app.data.connection":
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and any(map(_opens_transaction, ast.walk(function))):
                yield f"{module}.{function.name}"


def _opens_transaction(node: ast.AST) -> bool:
    names = ("write_session", "write_scope", "interactive_write_scope")
    if not isinstance(node, ast.Call):
        return False
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    return name in names
