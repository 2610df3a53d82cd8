"""Changes of alerts by people, with their audit events, and the timeline of an alert; on both databases."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from db.audit import Actor, AuditFilter, audit_page
from db.engine import session_scope, write_scope
from db.enums import ActorKind, DeliveryState, Origin, RuleKind
from db.models import Alert, AuditEvent, Notification
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.alert_queries import get_alert
from health.alerts.storage.alert_writes import (
    AlertScope,
    acknowledge,
    assign,
    open_alert,
    resolve_alert,
    unacknowledge,
)
from health.alerts.storage.bulk_actions import ActionResult, acknowledge_all, silence_all
from health.alerts.storage.outbox import enqueue
from health.alerts.storage.silences import add_silence, end_silence, list_silences
from health.alerts.storage.stored_rules import add_rule, delete_rule
from health.alerts.timeline import alert_timeline
from tests.builders import ACTOR, NOON, add_repository

KEY = Actor("deploy", ActorKind.API_KEY, Origin.API)
RULE = validate_rule(Rule("broken", RuleKind.CONSECUTIVE_FAILURES, 3))
HOUR = timedelta(hours=1)


def minute(number: float) -> Any:
    return NOON + timedelta(minutes=number)


def opened(session: Session, number: int, *, rule_id: int | None = None, workflow_id: int | None = 5) -> int:
    scope = AlertScope(1, workflow_id, RuleKind.CONSECUTIVE_FAILURES, "main", rule_id, "broken", target=f"{number}")
    return open_alert(session, scope, "3", AlertDetail(branch="main"), minute(number))


def events(engine: Engine) -> list[tuple[Any, ...]]:
    """Oldest first: the actor, the action, the kind and the name of the subject, and the fields."""
    with session_scope(engine) as session:
        rows = audit_page(session, AuditFilter()).items[::-1]
    return [(row.actor, row.action, row.subject_kind, row.subject_name, row.before, row.after) for row in rows]


def test_an_acknowledgement_is_taken_back(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        alert_id = opened(session, 0)
        assert not unacknowledge(session, alert_id, minute(1), actor=ACTOR)
        assert acknowledge(session, alert_id, "Ann", "on it", minute(2), actor=ACTOR)
        assert unacknowledge(session, alert_id, minute(3), actor=KEY)
        assert not unacknowledge(session, 999, minute(3), actor=KEY)
        alert = get_alert(session, alert_id, minute(4))
        assert alert is not None
        assert (alert.state, alert.acknowledged_at, alert.acknowledged_by) == ("firing", None, None)
        assert acknowledge(session, alert_id, "Ann", "", minute(5), actor=ACTOR)
        assert acknowledge(session, alert_id, "Ann", "", minute(6), actor=ACTOR)
        resolve_alert(session, alert_id, AlertDetail(), minute(7))
        assert not unacknowledge(session, alert_id, minute(8), actor=ACTOR)
    name, nobody = "acme/web · CI (main): broken", {"by": None, "comment": None}
    assert events(engine) == [
        ("ann", "acknowledged", "alert", name, nobody, {"by": "Ann", "comment": "on it"}),
        ("deploy", "unacknowledged", "alert", name, {"by": "Ann", "comment": "on it"}, None),
        ("ann", "acknowledged", "alert", name, nobody, {"by": "Ann", "comment": ""}),
        ("ann", "acknowledged", "alert", name, None, {"by": "Ann", "comment": ""}),
    ]


def test_an_alert_is_assigned_to_one_person_or_team(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        alert_id = opened(session, 0)
        for number, assignee in enumerate(("payments", "payments", "bob", None, None), start=1):
            assert assign(session, alert_id, assignee, minute(number), actor=ACTOR)
        assert not assign(session, 999, "bob", minute(9), actor=ACTOR)
        resolve_alert(session, alert_id, AlertDetail(), minute(7))
        assert assign(session, alert_id, "carol", minute(9), actor=KEY)
        alert = get_alert(session, alert_id, minute(9))
    assert alert is not None
    assert (alert.assignee, alert.assigned_by, alert.assigned_at) == ("carol", "deploy", minute(9))
    assert [(actor, action, before, after) for actor, action, _, _, before, after in events(engine)] == [
        ("ann", "assigned", {"assignee": None}, {"assignee": "payments"}),
        ("ann", "assigned", {"assignee": "payments"}, {"assignee": "bob"}),
        ("ann", "unassigned", {"assignee": "bob"}, {"assignee": None}),
        ("deploy", "assigned", {"assignee": None}, {"assignee": "carol"}),
    ]


def test_several_alerts_are_changed_in_one_transaction_each_with_a_result(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        rule_id = add_rule(session, RULE, NOON, actor=ACTOR)
        first, same, whole = (
            opened(session, 0, rule_id=rule_id),
            opened(session, 1, rule_id=rule_id),
            opened(session, 2, rule_id=rule_id, workflow_id=None),
        )
        over = opened(session, 3)
        resolve_alert(session, over, AlertDetail(), minute(4))
    ids = [over, first, 999, same, first]
    with write_scope(engine) as session:
        assert acknowledge_all(session, ids, "Ann", "", minute(5), actor=ACTOR) == [
            ActionResult(over, f"Alert {over} is resolved."),
            ActionResult(first),
            ActionResult(999, "There is no alert 999."),
            ActionResult(same),
        ]
    with write_scope(engine) as session:
        results = silence_all(session, [*ids, whole], minute(60), minute(6), comment="c", author="Ann", actor=ACTOR)
        narrow, wide = (results[1].silence_id, results[-1].silence_id)
        assert results == [
            ActionResult(over, f"Alert {over} is resolved."),
            ActionResult(first, silence_id=narrow),
            ActionResult(999, "There is no alert 999."),
            ActionResult(same, silence_id=narrow),
            ActionResult(whole, silence_id=wide),
        ]
        scopes = {silence.id: (silence.scope, silence.rule_id) for silence in list_silences(session)}
        assert scopes == {
            narrow: (Patterns(("acme/web",), ("CI",), ("main",)), rule_id),
            wide: (Patterns(("acme/web",), (), ("main",)), rule_id),
        }
        (silenced,) = silence_all(
            session, [first], minute(90), minute(6), comment="", author="Ann", actor=ACTOR, all_rules=True
        )
        assert {silence.id: silence.rule_id for silence in list_silences(session)}[silenced.silence_id or 0] is None
        states = {alert_id: get_alert(session, alert_id, minute(7)) for alert_id in (first, same, whole)}
        assert {alert.state for alert in states.values() if alert} == {"silenced"}
    actions = [(action, kind) for _, action, kind, *_ in events(engine)]
    assert actions == [("created", "alert_rule"), *[("acknowledged", "alert")] * 2, *[("created", "silence")] * 3]


def test_a_deleted_rule_deletes_its_silences_with_an_event_of_each(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        rule_id = add_rule(session, RULE, NOON, actor=ACTOR)
        add_silence(session, Patterns(), rule_id, NOON, minute(60), comment="c", author="Ann", now=NOON, actor=ACTOR)
        assert delete_rule(session, rule_id, minute(1), actor=KEY)
    assert [event[:4] for event in events(engine)[-2:]] == [
        ("deploy", "deleted", "silence", "all targets of a rule"),
        ("deploy", "deleted", "alert_rule", "broken"),
    ]


def test_a_timeline_has_everything_that_happened_in_order(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        rule_id = add_rule(session, RULE, NOON, actor=ACTOR)
        lead, alert_id = opened(session, 0, rule_id=rule_id), opened(session, 1, rule_id=rule_id)
        # One message about both is a row of the first; another one is not about this alert.
        enqueue(session, lead, "first", {"slack": {}, "email": {}}, minute(2), alert_ids=[lead, alert_id])
        enqueue(session, lead, "repeat", {"slack": {}}, minute(3))
        assert acknowledge(session, alert_id, "Ann", "on it", minute(4), actor=ACTOR)
        assert unacknowledge(session, alert_id, minute(5), actor=KEY)
        assert assign(session, alert_id, "payments", minute(6), actor=ACTOR)
        assert assign(session, alert_id, None, minute(7), actor=ACTOR)
        scope = Patterns(("acme/*",))
        early = add_silence(
            session, scope, None, minute(8), minute(600), comment="move", author="Bob", now=minute(8), actor=ACTOR
        )
        elsewhere = Patterns(("acme/other",))
        add_silence(session, elsewhere, None, minute(8), minute(9), comment="", author="", now=minute(8), actor=ACTOR)
        assert end_silence(session, early, minute(10), actor=KEY)
        enqueue(session, alert_id, "resolved", {"slack": {}}, minute(12))
        resolve_alert(session, alert_id, AlertDetail(branch="main", reason="the rule changed"), minute(12))
        add_silence(session, scope, None, minute(13), minute(14), comment="", author="", now=minute(13), actor=ACTOR)
        values = {"state": str(DeliveryState.SENT), "sent_at": minute(2.5), "tries": 1}
        sent = update(Notification).where(Notification.reason == "first", Notification.channel == "slack")
        session.execute(sent.values(values))
        dead = update(Notification).where(Notification.reason == "resolved")
        session.execute(dead.values(state=str(DeliveryState.DEAD), tries=9, error="503"))
    with session_scope(engine) as session:
        alert = get_alert(session, alert_id, minute(20))
        assert alert is not None
        entries = alert_timeline(session, alert, minute(20))
        before = alert_timeline(session, alert, minute(20))
    assert entries == before
    assert [((entry.at - NOON) / timedelta(minutes=1), str(entry.kind), entry.by, entry.text) for entry in entries] == [
        (1, "opened", None, "broken"),
        (2, "notified", None, ""),
        (2.5, "notified", None, ""),
        (4, "acknowledged", "Ann", "on it"),
        (5, "unacknowledged", "deploy", ""),
        (6, "assigned", "ann", "payments"),
        (7, "unassigned", "ann", ""),
        (8, "silenced", "Bob", "move"),
        (10, "silence_ended", "deploy", ""),
        (12, "notified", None, ""),
        (12, "resolved", None, "the rule changed"),
    ]
    deliveries = [entry.delivery for entry in entries if entry.delivery]
    assert [(row.channel, row.reason, row.state, row.tries, row.error) for row in deliveries] == [
        ("email", "first", "pending", 0, None),
        ("slack", "first", "sent", 1, None),
        ("slack", "resolved", "dead", 9, "503"),
    ]
    silenced = next(entry for entry in entries if entry.kind == "silenced")
    assert (silenced.silence_id, silenced.until) == (early, minute(10))


def test_a_timeline_without_audit_events_has_the_state_of_the_row(engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        alert_id = opened(session, 0)
        acknowledge(session, alert_id, "Ann", "on it", minute(1), actor=ACTOR)
        assign(session, alert_id, "payments", minute(2), actor=ACTOR)
        session.query(AuditEvent).delete()
        session.execute(update(Alert).values(rule_name=None))
        alert = get_alert(session, alert_id, minute(3))
        assert alert is not None
        entries = alert_timeline(session, alert, minute(3))
    assert [(str(entry.kind), entry.by, entry.text) for entry in entries] == [
        ("opened", None, ""),
        ("acknowledged", "Ann", "on it"),
        ("assigned", "ann", "payments"),
    ]
