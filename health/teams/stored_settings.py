"""Settings of the whole installation from TEAMS_FILE: catch_all, mentions, digest and github."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.audit import FILE, Actor, record
from db.enums import AuditAction, AuditSubject, TeamSource
from db.models import StoredSetting


def get_setting(session: Session, name: str) -> dict[str, Any] | None:
    """The stored value; null where there is none."""
    value = session.scalar(select(StoredSetting.value).where(StoredSetting.name == name))
    return dict(value) if isinstance(value, Mapping) else None


def store_file_settings(
    session: Session, settings: Mapping[str, Mapping[str, Any]], now: datetime, *, actor: Actor = FILE
) -> bool:
    """Stores the sections of TEAMS_FILE, which replace those of other sources, and deletes those that the file does not
    have any more; returns whether anything differs."""
    stored = {row.name: row for row in session.scalars(select(StoredSetting))}
    changed = False
    for name, value in settings.items():
        row = stored.get(name)
        if row is not None and row.source == TeamSource.FILE and row.value == dict(value):
            continue
        changed = True
        before = dict(row.value) if row is not None else None
        if row is None:
            row = StoredSetting(name=name, value=dict(value), source=TeamSource.FILE, updated_at=now, updated_by=None)
            session.add(row)
        else:
            row.value, row.source, row.updated_at, row.updated_by = dict(value), TeamSource.FILE, now, None
        action = AuditAction.CREATED if before is None else AuditAction.CHANGED
        record(session, actor, action, AuditSubject.SETTING, name, name, now, before=before, after=value)
    for name, row in stored.items():
        if row.source == TeamSource.FILE and name not in settings:
            changed = True
            record(session, actor, AuditAction.DELETED, AuditSubject.SETTING, name, name, now, before=dict(row.value))
            session.delete(row)
    session.flush()
    return changed
