"""The audit trail: every change that a person, an API key or a file makes is recorded in the transaction of the change.
Rows are only added; only retention deletes them.

An event contains only the fields that differ, at most MAX_TEXT_LENGTH characters of a text and MAX_ITEMS of a list, and
no secrets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, null, or_, select, tuple_
from sqlalchemy.orm import Session

from core.text import MASK, clean, printable
from db.enums import ActorKind, AuditAction, AuditSubject, Origin
from db.models import AuditEvent
from db.runs.cursors import decode_cursor, encode_cursor
from db.sql import contains_text

MAX_NAME_LENGTH, MAX_TEXT_LENGTH, MAX_ITEMS = 200, 500, 50
_MAX_DEPTH, _EXPORT_BATCH = 4, 500
# Fields of channels and keys with a secret; their values are masked unless they only refer to one.
_SECRET_FIELDS = frozenset({
    "token", "secret", "password", "key", "digest", "url", "api_key", "integration_key", "routing_key",
    "signing_secret", "smtp_url", "webhook_url",
})  # fmt: skip
_REFERENCES = ("env:", "file:")


@dataclass(frozen=True)
class Actor:
    """Who makes a change, and by which way. `name`: of the user or of the API key, never a key itself."""

    name: str
    kind: ActorKind
    origin: Origin


# What changes without a request of a person: ALERT_THRESHOLD and TEAMS_FILE, or a command of the operator.
FILE = Actor("configuration", ActorKind.SYSTEM, Origin.FILE)
COMMAND = Actor("command line", ActorKind.SYSTEM, Origin.COMMAND)


def anonymous(origin: Origin) -> Actor:
    """The actor of an installation without a login, or without keys."""
    return Actor("anonymous", ActorKind.ANONYMOUS, origin)


def record(  # noqa: PLR0913 - the columns of an event
    session: Session,
    actor: Actor,
    action: AuditAction,
    subject_kind: AuditSubject,
    subject_id: object,
    subject_name: str,
    now: datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    repository_id: int | None = None,
) -> None:
    """Adds an event to the transaction of the change. `before` and `after` are the fields of the subject; null where it
    does not exist, and both null for an action without fields. Records nothing if both are given and equal."""
    if before is not None and after is not None:
        names = [name for name in (*before, *after) if _plain(before.get(name)) != _plain(after.get(name))]
        if not names:
            return
        before, after = ({name: fields.get(name) for name in dict.fromkeys(names)} for fields in (before, after))
    session.add(
        AuditEvent(
            at=now,
            actor=clean(actor.name, MAX_NAME_LENGTH),
            actor_kind=actor.kind,
            origin=actor.origin,
            action=action,
            subject_kind=subject_kind,
            subject_id=str(subject_id)[:MAX_NAME_LENGTH],
            subject_name=clean(subject_name, MAX_TEXT_LENGTH),
            # None would be stored as the JSON value null.
            before=null() if before is None else _bounded_fields(before, after),
            after=null() if after is None else _bounded_fields(after, before),
            repository_id=repository_id,
        )
    )
    session.flush()


def _bounded_fields(fields: Mapping[str, Any], other: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: _bounded(name, _plain(value), _plain(other.get(name)) if other else None)
        for name, value in fields.items()
    }


def _plain(value: Any) -> Any:
    """The value as JSON has it: times as ISO 8601, sets and tuples as lists."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def _bounded(name: str, value: Any, other: Any = None, depth: int = 0) -> Any:
    """The value without secrets and of limited size. Of a long list, the items that the other value lacks."""
    if isinstance(value, Mapping):
        if depth >= _MAX_DEPTH:
            return "…"
        others = other if isinstance(other, dict) else {}
        return {
            clean(key, MAX_NAME_LENGTH): _bounded(key, item, others.get(key), depth + 1)
            for key, item in list(value.items())[:MAX_ITEMS]
        }
    if isinstance(value, list):
        if depth >= _MAX_DEPTH:
            return "…"
        return [_bounded(name, item, None, depth + 1) for item in _limited(value, other)]
    if isinstance(value, str):
        is_secret = name.lower() in _SECRET_FIELDS and value and not value.startswith(_REFERENCES)
        return MASK if is_secret else clean(printable(value), MAX_TEXT_LENGTH)
    return value


def _limited(values: list[Any], other: Any) -> list[Any]:
    if len(values) <= MAX_ITEMS:
        return values
    if isinstance(other, list):
        others = {str(item) for item in other}
        shown = [item for item in values if str(item) not in others][:MAX_ITEMS]
    else:
        shown = values[:MAX_ITEMS]
    return [*shown, f"… {len(values) - len(shown)} more"]


@dataclass(frozen=True)
class AuditRow:
    """As AuditEvent."""

    id: int
    at: datetime
    actor: str
    actor_kind: str
    origin: str
    action: str
    subject_kind: str
    subject_id: str
    subject_name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    repository_id: int | None


_COLUMNS: list[Any] = [getattr(AuditEvent, name) for name in AuditRow.__dataclass_fields__]


@dataclass(frozen=True)
class AuditFilter:
    """Values of one field are alternatives; an event must match every field. An empty field does not filter. `until` is
    exclusive. `text` is searched in the names of the subject and of the actor, and in the subject's id."""

    subject_kinds: tuple[str, ...] = ()
    subject_ids: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""


@dataclass(frozen=True)
class AuditPage:
    """`next`: cursor of the next page; null at the end."""

    items: list[AuditRow]
    next: str | None


def audit_page(session: Session, filters: AuditFilter, *, limit: int = 100, cursor: str | None = None) -> AuditPage:
    """One page of events, newest first. Raises InvalidCursor."""
    rows = _list(session, filters, limit + 1, decode_cursor(cursor, datetime, int) if cursor else None)
    items = rows[:limit]
    return AuditPage(items, encode_cursor(items[-1].at, items[-1].id) if len(rows) > limit else None)


def count_events(session: Session, filters: AuditFilter) -> int:
    return session.scalar(select(func.count()).select_from(AuditEvent).where(*_conditions(filters))) or 0


def list_actors(session: Session, *, limit: int = 500) -> list[str]:
    """The names of all actors, by name."""
    return list(session.scalars(select(AuditEvent.actor).distinct().order_by(AuditEvent.actor).limit(limit)))


def subject_events(
    session: Session, subject_kind: AuditSubject, subject_id: object, *, limit: int = 500
) -> list[AuditRow]:
    """The newest events of one subject, oldest first."""
    filters = AuditFilter((subject_kind,), (str(subject_id),))
    return _list(session, filters, limit, None)[::-1]


def export_events(
    open_session: Callable[[], AbstractContextManager[Session]], filters: AuditFilter, *, size: int = _EXPORT_BATCH
) -> Iterator[list[AuditRow]]:
    """Yields batches of events, newest first, each in a transaction of its own, so that a slow reader occupies no
    connection."""
    after: Sequence[Any] | None = None
    while True:
        with open_session() as session:
            rows = _list(session, filters, size, after)
        if rows:
            after = (rows[-1].at, rows[-1].id)
            yield rows
        if len(rows) < size:
            return


def _list(session: Session, filters: AuditFilter, limit: int, after: Sequence[Any] | None) -> list[AuditRow]:
    query = select(*_COLUMNS).where(*_conditions(filters)).order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
    if after:
        query = query.where(tuple_(AuditEvent.at, AuditEvent.id) < tuple_(*after))
    return [AuditRow(*row) for row in session.execute(query.limit(limit))]


def _conditions(filters: AuditFilter) -> list[ColumnElement[bool]]:
    alternatives = (
        (AuditEvent.subject_kind, filters.subject_kinds),
        (AuditEvent.subject_id, filters.subject_ids),
        (AuditEvent.actor, filters.actors),
        (AuditEvent.action, filters.actions),
        (AuditEvent.origin, filters.origins),
    )
    conditions: list[ColumnElement[bool]] = [column.in_(values) for column, values in alternatives if values]
    if filters.since:
        conditions.append(AuditEvent.at >= filters.since)
    if filters.until:
        conditions.append(AuditEvent.at < filters.until)
    if text := filters.text.strip():
        columns = (AuditEvent.subject_name, AuditEvent.actor, AuditEvent.subject_id)
        conditions.append(or_(*(contains_text(column, text) for column in columns)))
    return conditions
