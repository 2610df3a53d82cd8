"""Writing silences. Alerts that fire show at once what a new or ended silence means for them."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.alerting.patterns import Patterns
from db.alerting.place import Quiet, silenced_until
from db.models import Alert, Repository, Silence, Workflow
from db.vocabulary import AlertState


def add_silence(
    session: Session, scope: Patterns, rule_id: int | None, starts_at: datetime, ends_at: datetime, *, comment: str,
    author: str, now: datetime,
) -> int:  # fmt: skip
    row = Silence(
        repos=list(scope.repos), workflows=list(scope.workflows), branches=list(scope.branches), rule_id=rule_id,
        starts_at=starts_at, ends_at=ends_at, comment=comment, author=author, created_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    apply_silences(session, now)
    return row.id


def end_silence(session: Session, silence_id: int, now: datetime) -> bool:
    """Ends it now; one that has not begun never will. False where there is none, or it is over."""
    row = session.scalar(select(Silence).where(Silence.id == silence_id).with_for_update())
    if row is None or row.ends_at <= now:
        return False
    row.ends_at = now
    row.starts_at = min(row.starts_at, now)
    session.flush()
    apply_silences(session, now)
    return True


def apply_silences(session: Session, now: datetime) -> None:
    """What fires and has no silence any more keeps the moment at which it ended: the next evaluation tells of it."""
    silences = [_quiet(row) for row in session.scalars(select(Silence).where(Silence.ends_at > now))]
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


def note_silenced(session: Session, alert_id: int, until: datetime | None) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(silenced_until=until))


def _quiet(row: Silence) -> Quiet:
    scope = Patterns(tuple(row.repos), tuple(row.workflows), tuple(row.branches))
    return Quiet(row.id, scope, row.rule_id, row.starts_at, row.ends_at, row.comment, row.author, row.created_at)
