"""Stored own rules for failure causes: queries and writes.

A deleted rule remains, disabled and without a pattern, until the collector has removed it from the stored causes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db.audit import Actor, record
from db.enums import AuditAction, AuditSubject
from db.models import StoredCauseRule
from db.visibility import visible_patterns
from health.insights.causes.model import stored_class
from health.insights.causes.rules import MAX_RULES, CauseRule, RuleSet, rule_fingerprint
from health.insights.causes.triage import remove_triage

_DELETED_PATTERN = ""


class TooManyRules(ValueError):
    """The number of rules is limited, because each is tried with each failed job."""

    def __init__(self) -> None:
        super().__init__(f"there are {MAX_RULES} rules already; delete one first")


class RuleChanged(ValueError):
    """A rule was changed since it was read. `stored`: its current state."""

    def __init__(self, stored: CauseRule) -> None:
        super().__init__("the rule was changed since it was read")
        self.stored = stored


def list_rules(session: Session) -> list[CauseRule]:
    """All rules, the oldest first: in this order they are tried. A restricted session has those of visible
    repositories."""
    query = select(StoredCauseRule).where(_exists()).order_by(StoredCauseRule.id)
    rows = session.scalars(query.execution_options(populate_existing=True)).all()
    return [rule for row in rows if (rule := _visible_rule(session, row))]


def rule_set(session: Session) -> RuleSet:
    """The enabled rules, compiled."""
    return _compiled(tuple(list_rules(session)))


@lru_cache(maxsize=2)
def _compiled(rules: tuple[CauseRule, ...]) -> RuleSet:
    return RuleSet(rules)


def get_rule(session: Session, rule_id: int) -> CauseRule | None:
    query = select(StoredCauseRule).where(StoredCauseRule.id == rule_id, _exists())
    row = session.scalar(query.execution_options(populate_existing=True))
    return _visible_rule(session, row) if row else None


def _visible_rule(session: Session, row: StoredCauseRule) -> CauseRule | None:
    """Without the patterns of hidden repositories; null if it has no others."""
    repositories = visible_patterns(session, row.repositories)
    return None if repositories is None else replace(to_rule(row), repositories=repositories)


def add_rule(session: Session, rule: CauseRule, now: datetime, *, by: str | None, actor: Actor) -> int:
    """Stores a validated rule and returns its id. `by`: the user. Raises TooManyRules."""
    if (session.scalar(select(func.count()).select_from(StoredCauseRule).where(_exists())) or 0) >= MAX_RULES:
        raise TooManyRules
    row = StoredCauseRule(**_values(rule), created_at=now, created_by=by, updated_at=now, applied_at=None)
    session.add(row)
    session.flush()
    _record(session, actor, AuditAction.CREATED, row, now, after=_values(rule))
    return row.id


def update_rule(
    session: Session, rule_id: int, rule: CauseRule, now: datetime, *, actor: Actor, read_at: datetime | None = None
) -> bool:
    """Replaces a rule by a validated one; false if it does not exist. The collector applies it to the stored logs
    again. `read_at`: the `updated_at` with which the caller read the rule; raises RuleChanged if it is another now."""
    row = _locked(session, rule_id)
    if row is None:
        return False
    if read_at is not None and row.updated_at != read_at:
        raise RuleChanged(to_rule(row))
    before = _values(to_rule(row))
    for name, value in _values(rule).items():
        setattr(row, name, value)
    row.updated_at, row.applied_at = now, None
    session.flush()
    _record(session, actor, AuditAction.CHANGED, row, now, before=before, after=_values(rule))
    return True


def delete_rule(session: Session, rule_id: int, now: datetime, *, actor: Actor) -> bool:
    """Deletes a rule and the mark of its cause; false if it does not exist. The collector restores the causes that the
    rule named."""
    row = _locked(session, rule_id)
    if row is None:
        return False
    _record(session, actor, AuditAction.DELETED, row, now, before=_values(to_rule(row)))
    remove_triage(session, rule_fingerprint(rule_id), now, actor=actor)
    row.enabled, row.pattern, row.updated_at, row.applied_at = False, _DELETED_PATTERN, now, None
    session.flush()
    return True


def unapplied_rules(session: Session) -> list[CauseRule]:
    """Rules whose last change is not applied to the stored logs, the oldest first; also deleted ones, for which
    is_deleted is true."""
    query = select(StoredCauseRule).where(StoredCauseRule.applied_at.is_(None)).order_by(StoredCauseRule.id)
    return [to_rule(row) for row in session.scalars(query.execution_options(populate_existing=True))]


def is_deleted(rule: CauseRule) -> bool:
    return rule.pattern == _DELETED_PATTERN


def mark_applied(session: Session, rule: CauseRule, now: datetime) -> None:
    """Records that this state of a rule is applied; removes a deleted rule. A rule that was changed meanwhile stays
    unapplied."""
    row = _locked(session, rule.id or 0, with_deleted=True)
    if row is None or row.updated_at != rule.updated_at:
        return
    if is_deleted(rule):
        session.delete(row)
    else:
        row.applied_at = now
    session.flush()


def _record(
    session: Session,
    actor: Actor,
    action: AuditAction,
    row: StoredCauseRule,
    now: datetime,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    record(session, actor, action, AuditSubject.CAUSE_RULE, row.id, row.name, now, before=before, after=after)


def _exists() -> ColumnElement[bool]:
    return StoredCauseRule.pattern != _DELETED_PATTERN


def _locked(session: Session, rule_id: int, *, with_deleted: bool = False) -> StoredCauseRule | None:
    row = session.get(StoredCauseRule, rule_id, with_for_update=True, populate_existing=True)
    if row is None or (row.pattern == _DELETED_PATTERN and not with_deleted):
        return None
    return row if visible_patterns(session, row.repositories) == tuple(row.repositories) else None


def to_rule(row: StoredCauseRule) -> CauseRule:
    return CauseRule(
        name=row.name,
        pattern=row.pattern,
        kind=stored_class(row.kind),
        is_expression=row.is_expression,
        repositories=_texts(row.repositories),
        jobs=_texts(row.jobs),
        steps=_texts(row.steps),
        enabled=row.enabled,
        id=row.id,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        applied_at=row.applied_at,
    )


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _values(rule: CauseRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "pattern": rule.pattern,
        "is_expression": rule.is_expression,
        "repositories": list(rule.repositories),
        "jobs": list(rule.jobs),
        "steps": list(rule.steps),
        "kind": str(rule.kind),
        "enabled": rule.enabled,
    }
