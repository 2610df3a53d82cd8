"""Stored silences: queries and writes. A write updates `silenced_until` of the firing alerts at once."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.enums import AlertState
from db.models import Alert, AlertSilence, Repository, Workflow
from health.alerts.rules.targets import Patterns, Silence, silenced_until


def list_silences(session: Session, *, not_ended_at: datetime | None = None, limit: int = 500) -> list[Silence]:
    """Silences, the latest end first; with `not_ended_at` only those that end after it."""
    query = select(AlertSilence).order_by(AlertSilence.ends_at.desc(), AlertSilence.id.desc()).limit(limit)
    if not_ended_at:
        query = query.where(AlertSilence.ends_at > not_ended_at)
    return [_silence(row) for row in session.scalars(query.execution_options(populate_existing=True))]


def get_silence(session: Session, silence_id: int) -> Silence | None:
    row = session.get(AlertSilence, silence_id, populate_existing=True)
    return _silence(row) if row else None


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
) -> int:
    """Stores a silence, applies it to the firing alerts and returns its id. `rule_id` null: any rule."""
    row = AlertSilence(
        repos=list(scope.repos),
        workflows=list(scope.workflows),
        branches=list(scope.branches),
        rule_id=rule_id,
        starts_at=starts_at,
        ends_at=ends_at,
        comment=comment,
        author=author,
        created_at=now,
    )
    session.add(row)
    session.flush()
    apply_silences(session, now)
    return row.id


def end_silence(session: Session, silence_id: int, now: datetime) -> bool:
    """Ends a silence now; a pending one never starts. False if it does not exist or has ended."""
    row = session.scalar(select(AlertSilence).where(AlertSilence.id == silence_id).with_for_update())
    if row is None or row.ends_at <= now:
        return False
    row.ends_at = now
    row.starts_at = min(row.starts_at, now)
    session.flush()
    apply_silences(session, now)
    return True


def apply_silences(session: Session, now: datetime) -> None:
    """Sets `silenced_until` of the firing alerts. An alert whose silence ended keeps the time of that end, so that the
    next evaluation sends a notification about it."""
    silences = [_silence(row) for row in session.scalars(select(AlertSilence).where(AlertSilence.ends_at > now))]
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


def _silence(row: AlertSilence) -> Silence:
    scope = Patterns(tuple(row.repos), tuple(row.workflows), tuple(row.branches))
    return Silence(row.id, scope, row.rule_id, row.starts_at, row.ends_at, row.comment, row.author, row.created_at)
