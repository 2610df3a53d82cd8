"""Stored silences: queries and writes. A write updates `silenced_until` of the firing alerts at once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.audit import Actor, record
from db.enums import AlertState, AuditAction, AuditSubject
from db.models import Alert, AlertSilence, Repository, Workflow
from db.visibility import visible_patterns
from health.alerts.rules.targets import Patterns, Silence, silenced_until

# The longest silence.
MAX_SPAN = timedelta(days=366)


def list_silences(session: Session, *, not_ended_at: datetime | None = None, limit: int = 500) -> list[Silence]:
    """Silences, the latest end first; with `not_ended_at` only those that end after it. A restricted session has those
    of visible repositories."""
    query = select(AlertSilence).order_by(AlertSilence.ends_at.desc(), AlertSilence.id.desc()).limit(limit)
    if not_ended_at:
        query = query.where(AlertSilence.ends_at > not_ended_at)
    rows = session.scalars(query.execution_options(populate_existing=True)).all()
    return [silence for row in rows if (silence := visible_silence(session, row))]


def get_silence(session: Session, silence_id: int) -> Silence | None:
    row = session.get(AlertSilence, silence_id, populate_existing=True)
    return visible_silence(session, row) if row else None


def add_silence(
    session: Session,
    scope: Patterns,
    rule_id: int | None,
    starts_at: datetime,
    ends_at: datetime,
    *,
    comment: str,
    author: str,
    now: datetime,
    actor: Actor,
) -> int:
    """Stores a silence, applies it to the firing alerts and returns its id. `rule_id` null: any rule. `author` is the
    name that lists show."""
    silence = Silence(0, scope, rule_id, starts_at, ends_at, comment, author, now)
    (silence_id,) = add_silences(session, [silence], now, actor=actor)
    return silence_id


def add_silences(session: Session, silences: Sequence[Silence], now: datetime, *, actor: Actor) -> list[int]:
    """Stores silences, whose ids are ignored, applies them to the firing alerts and returns their new ids."""
    ids = [_add(session, silence, now, actor) for silence in silences]
    apply_silences(session, now)
    return ids


def _add(session: Session, silence: Silence, now: datetime, actor: Actor) -> int:
    row = AlertSilence(
        repos=list(silence.scope.repos),
        workflows=list(silence.scope.workflows),
        branches=list(silence.scope.branches),
        rule_id=silence.rule_id,
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        comment=silence.comment,
        author=silence.author,
        created_at=now,
    )
    session.add(row)
    session.flush()
    _record(session, actor, AuditAction.CREATED, row, now, after=_values(row))
    return row.id


def end_silence(session: Session, silence_id: int, now: datetime, *, actor: Actor) -> bool:
    """Ends a silence now; a pending one never starts. False if it does not exist or has ended."""
    row = session.scalar(select(AlertSilence).where(AlertSilence.id == silence_id).with_for_update())
    if row is None or row.ends_at <= now or visible_patterns(session, row.repos) != tuple(row.repos):
        return False
    before = {"ends_at": row.ends_at}
    row.ends_at = now
    row.starts_at = min(row.starts_at, now)
    session.flush()
    _record(session, actor, AuditAction.ENDED, row, now, before=before, after={"ends_at": now})
    apply_silences(session, now)
    return True


def record_deleted_silences(session: Session, rule_id: int, now: datetime, *, actor: Actor) -> None:
    """Records that the silences of a rule, which is deleted, are deleted with it."""
    for row in session.scalars(select(AlertSilence).where(AlertSilence.rule_id == rule_id)):
        _record(session, actor, AuditAction.DELETED, row, now, before=_values(row))


def _record(
    session: Session,
    actor: Actor,
    action: AuditAction,
    row: AlertSilence,
    now: datetime,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    parts = (*row.repos, *row.workflows, *row.branches)
    name = " · ".join(map(str, parts)) or "all targets of a rule"
    record(session, actor, action, AuditSubject.SILENCE, row.id, name, now, before=before, after=after)


def _values(row: AlertSilence) -> dict[str, Any]:
    names = ("repos", "workflows", "branches", "rule_id", "starts_at", "ends_at", "comment", "author")
    return {name: getattr(row, name) for name in names}


def apply_silences(session: Session, now: datetime) -> None:
    """Sets `silenced_until` of the firing alerts. An alert whose silence ended keeps the time of that end, so that the
    next evaluation sends a notification about it."""
    silences = [_to_silence(row) for row in session.scalars(select(AlertSilence).where(AlertSilence.ends_at > now))]
    of_workflow = (Workflow.repository_id == Alert.repository_id) & (Workflow.id == Alert.workflow_id)
    firing = (
        select(Alert, Repository.full_name, Workflow.name)
        .join(Repository, Repository.id == Alert.repository_id)
        .join(Workflow, of_workflow, isouter=True)
        .where(Alert.state == AlertState.FIRING)
    )
    for alert, repo, workflow in session.execute(firing):
        until = silenced_until(silences, alert.rule_id, repo, workflow, alert.branch, now)
        if until is None and alert.silenced_until and alert.silenced_until > now:
            until = now
        if until:
            alert.silenced_until = until
    session.flush()


def visible_silence(session: Session, row: AlertSilence) -> Silence | None:
    """Without the patterns of hidden repositories; null if it has no others."""
    repos = visible_patterns(session, row.repos)
    silence = _to_silence(row)
    return None if repos is None else replace(silence, scope=replace(silence.scope, repos=repos))


def _to_silence(row: AlertSilence) -> Silence:
    scope = Patterns(tuple(row.repos), tuple(row.workflows), tuple(row.branches))
    return Silence(row.id, scope, row.rule_id, row.starts_at, row.ends_at, row.comment, row.author, row.created_at)
