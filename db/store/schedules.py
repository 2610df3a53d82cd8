"""Writing which workflows run by the clock. A key is repository and workflow."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from db.alerting.schedule import READ_AS, unreadable
from db.models import WorkflowSchedule
from db.store.adding import add_missing

Key = tuple[int, int]


def note_schedule(session: Session, key: Key, crons: Sequence[Any], etag: str | None, now: datetime) -> None:
    """`crons`: see WorkflowSchedule. Lines that cannot be read are told as the error."""
    row = _row(session, key, now)
    if row.crons != list(crons):
        row.crons, row.since = list(crons), now
    row.etag = READ_AS + etag if etag else None
    row.read_at, row.error = now, _trouble(crons)
    session.flush()


def note_unchanged(session: Session, key: Key, now: datetime) -> None:
    row = _row(session, key, now)
    row.read_at, row.error = now, _trouble(row.crons)
    session.flush()


def note_removed(session: Session, key: Key, error: str, now: datetime) -> None:
    """The file is gone, and its schedule with it. It is read anew when it is back."""
    note_schedule(session, key, [], None, now)
    session.execute(_of(key).values(error=error[:500]))


def _trouble(crons: Sequence[Any]) -> str | None:
    return "; ".join(unreadable(crons))[:500] or None


def note_unreadable(session: Session, key: Key, error: str, now: datetime) -> None:
    """What was read before holds until the file can be read again."""
    _row(session, key, now)
    session.execute(_of(key).values(read_at=now, error=error[:500]))


def _row(session: Session, key: Key, now: datetime) -> WorkflowSchedule:
    values = {"repository_id": key[0], "workflow_id": key[1], "crons": [], "since": now, "read_at": now}
    add_missing(session, WorkflowSchedule, [values])
    return session.get_one(WorkflowSchedule, key, populate_existing=True)


def _of(key: Key):  # type: ignore[no-untyped-def]
    return update(WorkflowSchedule).where(
        WorkflowSchedule.repository_id == key[0], WorkflowSchedule.workflow_id == key[1]
    )
