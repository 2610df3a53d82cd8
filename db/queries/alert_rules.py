"""Reading the rules of alerts, and silences."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.alerting.patterns import Patterns
from db.alerting.place import Quiet
from db.alerting.rule import Rule
from db.models import AlertRule, Silence
from db.vocabulary import RuleKind, RuleScope, Severity


def list_rules(session: Session) -> list[Rule]:
    """The built-in one first, then by name."""
    query = select(AlertRule).order_by(AlertRule.built_in.desc(), AlertRule.name, AlertRule.id)
    return [_rule(row) for row in session.scalars(query.execution_options(populate_existing=True))]


def get_rule(session: Session, rule_id: int) -> Rule | None:
    row = session.get(AlertRule, rule_id, populate_existing=True)
    return _rule(row) if row else None


def list_silences(session: Session, *, not_ended_at: datetime | None = None, limit: int = 500) -> list[Quiet]:
    """The latest end first. With `not_ended_at` only those that end after it."""
    query = select(Silence).order_by(Silence.ends_at.desc(), Silence.id.desc()).limit(limit)
    if not_ended_at:
        query = query.where(Silence.ends_at > not_ended_at)
    return [_quiet(row) for row in session.scalars(query.execution_options(populate_existing=True))]


def get_silence(session: Session, silence_id: int) -> Quiet | None:
    row = session.get(Silence, silence_id, populate_existing=True)
    return _quiet(row) if row else None


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
    )


def _quiet(row: Silence) -> Quiet:
    scope = Patterns(tuple(row.repos), tuple(row.workflows), tuple(row.branches))
    return Quiet(row.id, scope, row.rule_id, row.starts_at, row.ends_at, row.comment, row.author, row.created_at)
