"""Stored alert rules: queries and writes."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from db.audit import FILE, Actor, record
from db.enums import AlertState, AuditAction, AuditSubject, RuleKind, RuleScope, Severity
from db.models import Alert, AlertRule, AlertSilence
from db.visibility import visible_patterns
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns
from health.alerts.storage.silences import record_deleted_silences


def list_rules(session: Session) -> list[Rule]:
    """All rules, the built-in rule first, then by name. A restricted session has those of visible repositories."""
    query = select(AlertRule).order_by(AlertRule.built_in.desc(), AlertRule.name, AlertRule.id)
    rows = session.scalars(query.execution_options(populate_existing=True)).all()
    return [rule for row in rows if (rule := _visible_rule(session, row))]


def get_rule(session: Session, rule_id: int) -> Rule | None:
    row = session.get(AlertRule, rule_id, populate_existing=True)
    return _visible_rule(session, row) if row else None


def _visible_rule(session: Session, row: AlertRule) -> Rule | None:
    """Without the patterns of hidden repositories; null if it has no others."""
    repos = visible_patterns(session, row.repos)
    rule = _rule(row)
    return None if repos is None else replace(rule, scope=replace(rule.scope, repos=repos))


def _rule(row: AlertRule) -> Rule:
    return Rule(
        name=row.name,
        kind=RuleKind(row.kind),
        open_at=row.open_at,
        close_at=row.close_at,
        window_seconds=row.window_seconds,
        minimum=row.minimum,
        objective=row.objective,
        per=RuleScope(row.per),
        scope=Patterns(tuple(row.repos), tuple(row.workflows), tuple(row.branches)),
        severity=Severity(row.severity),
        channels=tuple(row.channels),
        repeat_seconds=row.repeat_seconds,
        enabled=row.enabled,
        built_in=row.built_in,
        id=row.id,
        updated_at=row.updated_at,
        teams=tuple(row.teams),
    )


class BuiltInRuleError(ValueError):
    """A change of the built-in rule that only ALERT_THRESHOLD can make; the message is one line."""


def add_rule(session: Session, rule: Rule, now: datetime, *, actor: Actor) -> int:
    """Stores a validated rule and returns its id."""
    row = AlertRule(**_values(rule), built_in=rule.built_in, created_at=now, updated_at=now)
    session.add(row)
    session.flush()
    _record(session, actor, AuditAction.CREATED, row, now, before=None, after=_values(rule))
    return row.id


def update_rule(session: Session, rule_id: int, rule: Rule, now: datetime, *, actor: Actor) -> bool:
    """False if the rule does not exist. Raises BuiltInRuleError for a field that ALERT_THRESHOLD sets."""
    row = session.get(AlertRule, rule_id, with_for_update=True)
    if row is None or visible_patterns(session, row.repos) != tuple(row.repos):
        return False
    values = _values(rule)
    if row.built_in:
        editable = ("severity", "channels", "repeat_seconds", "enabled")
        fixed = [name for name, value in values.items() if name not in editable and getattr(row, name) != value]
        if fixed:
            raise BuiltInRuleError(
                f"{', '.join(fixed)}: ALERT_THRESHOLD sets these fields of the built-in rule; only "
                f"{', '.join(editable)} can be changed. Set ALERT_THRESHOLD, or create another rule."
            )
    before = _stored_values(row)
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_at = now
    session.flush()
    _record(session, actor, AuditAction.CHANGED, row, now, before=before, after=values)
    return True


def delete_rule(session: Session, rule_id: int, now: datetime, *, actor: Actor) -> bool:
    """Deletes a rule. Its alerts stay as history; those that fire are resolved without a notification. False if the
    rule does not exist; raises BuiltInRuleError for the built-in rule."""
    row = session.get(AlertRule, rule_id, with_for_update=True)
    if row is None or visible_patterns(session, row.repos) != tuple(row.repos):
        return False
    if row.built_in:
        raise BuiltInRuleError("The built-in rule cannot be deleted; disable it, or set ALERT_THRESHOLD.")
    firing = select(Alert).where(Alert.rule_id == rule_id, Alert.state == AlertState.FIRING)
    for alert in session.scalars(firing):
        alert.state, alert.resolved_at = AlertState.RESOLVED, now
        alert.detail = replace(AlertDetail.from_dict(alert.detail), reason="the rule was deleted").to_dict()
    session.execute(update(Alert).where(Alert.rule_id == rule_id).values(rule_id=None))
    record_deleted_silences(session, rule_id, now, actor=actor)
    session.execute(delete(AlertSilence).where(AlertSilence.rule_id == rule_id))
    _record(session, actor, AuditAction.DELETED, row, now, before=_stored_values(row), after=None)
    session.delete(row)
    session.flush()
    return True


def sync_built_in_rule(session: Session, rule: Rule, now: datetime) -> int:
    """Updates the stored built-in rule from ALERT_THRESHOLD, keeps its other settings and returns its id."""
    row = session.scalar(select(AlertRule).where(AlertRule.built_in))
    if row is None:
        return add_rule(session, rule, now, actor=FILE)
    values = {"name": rule.name, "kind": rule.kind, "open_at": rule.open_at, "per": rule.per}
    before = {name: getattr(row, name) for name in values}
    if before != values:
        for name, value in values.items():
            setattr(row, name, value)
        row.updated_at = now
        session.flush()
        _record(session, FILE, AuditAction.CHANGED, row, now, before=before, after=values)
    return row.id


def _record(
    session: Session,
    actor: Actor,
    action: AuditAction,
    row: AlertRule,
    now: datetime,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    record(session, actor, action, AuditSubject.ALERT_RULE, row.id, row.name, now, before=before, after=after)


def _stored_values(row: AlertRule) -> dict[str, Any]:
    return _values(_rule(row))


def _values(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "kind": rule.kind,
        "open_at": float(rule.open_at),
        "close_at": rule.close_at,
        "window_seconds": rule.window_seconds,
        "minimum": rule.minimum,
        "objective": rule.objective,
        "per": rule.per,
        "repos": list(rule.scope.repos),
        "workflows": list(rule.scope.workflows),
        "branches": list(rule.scope.branches),
        "severity": rule.severity,
        "channels": list(rule.channels),
        "repeat_seconds": rule.repeat_seconds,
        "enabled": rule.enabled,
        "teams": list(rule.teams),
    }
