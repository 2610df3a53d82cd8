"""Named channels in the database, from TEAMS_FILE and from the dashboard."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.audit import FILE, Actor, record
from db.enums import AuditAction, AuditSubject, TeamSource
from db.models import NotificationChannel
from health.alerts.channels.definitions import MAX_CHANNELS, ChannelDefinition


class ChannelFromFile(ValueError):
    """TEAMS_FILE defines the channel, so that nothing else can change it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"TEAMS_FILE defines the channel {name}; change it there.")


class TooManyChannels(ValueError):
    def __init__(self) -> None:
        super().__init__(f"There are {MAX_CHANNELS} channels already; delete one first.")


def list_definitions(session: Session) -> list[ChannelDefinition]:
    """All named channels, by name."""
    rows = session.scalars(select(NotificationChannel).order_by(NotificationChannel.name))
    return [_definition(row) for row in rows]


def get_definition(session: Session, name: str) -> ChannelDefinition | None:
    row = _row(session, name)
    return _definition(row) if row else None


def save_channel(session: Session, definition: ChannelDefinition, now: datetime, *, actor: Actor) -> None:
    """Adds or replaces a channel of the dashboard. Raises ChannelFromFile and TooManyChannels."""
    row = _row(session, definition.name)
    if row is not None and row.source == TeamSource.FILE:
        raise ChannelFromFile(definition.name)
    if row is None and (session.scalar(select(func.count()).select_from(NotificationChannel)) or 0) >= MAX_CHANNELS:
        raise TooManyChannels
    _store(session, row, definition, now, actor)


def delete_channel(session: Session, name: str, now: datetime, *, actor: Actor) -> bool:
    """Deletes a channel of the dashboard; its waiting notifications are given up after a day. False if there is none.
    Raises ChannelFromFile."""
    row = _row(session, name)
    if row is None:
        return False
    if row.source == TeamSource.FILE:
        raise ChannelFromFile(name)
    _delete(session, row, now, actor)
    return True


def store_file_channels(
    session: Session, definitions: Iterable[ChannelDefinition], now: datetime, *, actor: Actor = FILE
) -> bool:
    """Replaces the channels of TEAMS_FILE; one of the same name in the dashboard becomes the file's. Returns whether
    anything differs."""
    stored = {row.name: row for row in session.scalars(select(NotificationChannel))}
    names, changed = set(), False
    for definition in definitions:
        names.add(definition.name)
        row = stored.get(definition.name)
        if row is None or _definition(row) != definition:
            _store(session, row, definition, now, actor)
            changed = True
    for row in stored.values():
        if row.source == TeamSource.FILE and row.name not in names:
            _delete(session, row, now, actor)
            changed = True
    return changed


def _store(
    session: Session, row: NotificationChannel | None, definition: ChannelDefinition, now: datetime, actor: Actor
) -> None:
    before = _fields(_definition(row)) if row else None
    if row is None:
        row = NotificationChannel(name=definition.name)
        session.add(row)
    row.kind, row.source, row.settings = definition.kind, definition.source, dict(definition.settings)
    row.enabled, row.updated_at, row.updated_by = definition.enabled, now, actor.name[:200]
    session.flush()
    action = AuditAction.CHANGED if before is not None else AuditAction.CREATED
    name = definition.name
    record(session, actor, action, AuditSubject.CHANNEL, name, name, now, before=before, after=_fields(definition))


def _delete(session: Session, row: NotificationChannel, now: datetime, actor: Actor) -> None:
    before = _fields(_definition(row))
    record(session, actor, AuditAction.DELETED, AuditSubject.CHANNEL, row.name, row.name, now, before=before)
    session.delete(row)
    session.flush()


def _fields(definition: ChannelDefinition) -> dict[str, Any]:
    return {
        "kind": str(definition.kind),
        "source": str(definition.source),
        "enabled": definition.enabled,
        **definition.settings,
    }


def _row(session: Session, name: str) -> NotificationChannel | None:
    return session.scalars(select(NotificationChannel).where(NotificationChannel.name == name)).one_or_none()


def _definition(row: NotificationChannel) -> ChannelDefinition:
    return ChannelDefinition(row.name, row.kind, dict(row.settings), TeamSource(row.source), row.enabled)
