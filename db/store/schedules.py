"""Writing which workflows run by the clock. A key is repository and workflow."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from db.alerting.schedule import READ_AS, unreadable
from db.models import WorkflowSchedule
from db.store.adding import add_missing

Key = tuple[int, int]
# A file during whose reading a collector ended, for whatever reason, is tried again after this long.
_SKIPPED_FOR = timedelta(days=1)
_BEING_READ = re.compile(
    r"the collector ended while it read this file \(content ([0-9a-f]{16}), begun ([0-9T:+.-]{1,40})\)"
)


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


def note_being_read(session: Session, key: Key, digest: str, now: datetime) -> None:
    """Before the content with this digest is parsed. Whatever is noted afterwards takes its place; what stays is of a
    collector that did not come to the end."""
    begun = now.astimezone(UTC).isoformat(timespec="seconds")
    note_unreadable(session, key, f"the collector ended while it read this file (content {digest}, begun {begun})", now)


def reading_ended_it(error: str | None, digest: str, now: datetime) -> bool:
    """Whether the error tells of a collector that ended less than a day ago while it read this same content."""
    noted = _BEING_READ.match(error or "")
    return noted is not None and noted[1] == digest and now - datetime.fromisoformat(noted[2]) < _SKIPPED_FOR


def _row(session: Session, key: Key, now: datetime) -> WorkflowSchedule:
    values = {"repository_id": key[0], "workflow_id": key[1], "crons": [], "since": now, "read_at": now}
    add_missing(session, WorkflowSchedule, [values])
    return session.get_one(WorkflowSchedule, key, populate_existing=True)


def _of(key: Key):  # type: ignore[no-untyped-def]
    return update(WorkflowSchedule).where(
        WorkflowSchedule.repository_id == key[0], WorkflowSchedule.workflow_id == key[1]
    )
