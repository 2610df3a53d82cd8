"""Saved views: the URL of a page with its filters, by name. With a login only the owner of a view may change it;
everybody may change views that were saved while there was no login."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.text import printable
from db.audit import Actor, record
from db.enums import AuditAction, AuditSubject
from db.models import SavedView
from db.visibility import is_restricted, visible_names

# The parameter of a URL with the id of the view that the link belongs to.
VIEW_PARAMETER = "saved"
# The parameter of a URL with the name of a repository.
REPOSITORY_PARAMETER = "repo"
MAX_VIEWS = 500
MAX_NAME_LENGTH, MAX_DESCRIPTION_LENGTH, MAX_QUERY_LENGTH = 100, 500, 4_000
# The case folding of a letter has up to three letters.
_MAX_KEY_LENGTH = 3 * MAX_NAME_LENGTH


class InvalidView(ValueError):
    """The view cannot be saved; the message is a sentence for the user."""


@dataclass(frozen=True)
class Owner:
    """A signed-in user. `key` identifies the user; `name` is for display, and several users may have the same."""

    key: str
    name: str


@dataclass(frozen=True)
class ViewRow:
    """`query`: the encoded query of the URL. `owner`, `owner_key`: name and key of the owner; null for a view that was
    saved without a login."""

    id: int
    name: str
    description: str
    page: str
    query: str
    owner: str | None
    owner_key: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def link(self) -> str:
        """The URL that opens the view, relative to the base URL of the dashboard."""
        query = "&".join(part for part in (self.query, f"{VIEW_PARAMETER}={self.id}") if part)
        return f"{self.page or './'}?{query}"

    def may_change(self, user: str | None) -> bool:
        """`user`: the key of the signed-in user; null without a login, where everybody may change every view."""
        return user is None or self.owner_key is None or self.owner_key == user


_COLUMNS = [getattr(SavedView, name) for name in ViewRow.__dataclass_fields__]


def list_views(session: Session) -> list[ViewRow]:
    """All views by name. A restricted session has none with the name of a hidden repository in its filters."""
    views = (ViewRow(*row) for row in session.execute(select(*_COLUMNS).order_by(SavedView.name_key)))
    return [view for view in views if _is_visible(session, view)]


def get_view(session: Session, view_id: int) -> ViewRow | None:
    row = session.execute(select(*_COLUMNS).where(SavedView.id == view_id)).first()
    view = ViewRow(*row) if row else None
    return view if view and _is_visible(session, view) else None


def _is_visible(session: Session, view: ViewRow) -> bool:
    if not is_restricted(session):
        return True
    repos = {value.lower() for name, value in parse_qsl(view.query) if name == REPOSITORY_PARAMETER}
    return repos <= visible_names(session)


def save_view(
    session: Session,
    name: str,
    description: str,
    page: str,
    query: str,
    *,
    owner: Owner | None,
    now: datetime,
    actor: Actor,
) -> int:
    """Stores a new view and returns its id. Raises InvalidView."""
    name, description = _check_name(name), _check_description(description)
    _check_query(query)
    if (session.scalar(select(func.count()).select_from(SavedView)) or 0) >= MAX_VIEWS:
        raise InvalidView(f"There are {MAX_VIEWS} saved views, which is the maximum: delete one first.")
    row = SavedView(
        name=name,
        name_key=_name_key(name),
        description=description,
        page=page,
        query=query,
        owner=owner.name if owner else None,
        owner_key=owner.key if owner else None,
        created_at=now,
        updated_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise _name_exists(name) from None
    fields = {"name": name, "description": description, "page": page, "query": query}
    record(session, actor, AuditAction.CREATED, AuditSubject.SAVED_VIEW, row.id, name, now, after=fields)
    return row.id


def describe_view(
    session: Session, view_id: int, name: str, description: str, *, user: str | None, now: datetime, actor: Actor
) -> None:
    """Changes the name and the description. Raises InvalidView."""
    name, description = _check_name(name), _check_description(description)
    view = _require_change(session, view_id, user)
    values = {"name": name, "name_key": _name_key(name), "description": description, "updated_at": now}
    try:
        with session.begin_nested():
            _update(session, view, values, now, actor)
    except IntegrityError:
        raise _name_exists(name) from None


def update_view(
    session: Session, view_id: int, page: str, query: str, *, user: str | None, now: datetime, actor: Actor
) -> None:
    """Changes the page and its filters. Raises InvalidView."""
    _check_query(query)
    view = _require_change(session, view_id, user)
    values = {"page": page, "query": query, "updated_at": now}
    _update(session, view, values, now, actor)


def delete_view(session: Session, view_id: int, *, user: str | None, now: datetime, actor: Actor) -> None:
    """Raises InvalidView. A view that has been deleted before is no error."""
    view = get_view(session, view_id)
    if view and not view.may_change(user):
        raise _not_owner(view)
    deleted = session.scalar(delete(SavedView).where(SavedView.id == view_id).returning(SavedView.id))
    if view and deleted is not None:
        _record(session, actor, AuditAction.DELETED, view, now, before=_values(view), after=None)


def _update(session: Session, view: ViewRow, values: dict[str, Any], now: datetime, actor: Actor) -> None:
    """Another user may have deleted the view since it was read."""
    changed = session.scalar(update(SavedView).where(SavedView.id == view.id).values(values).returning(SavedView.id))
    if changed is None:
        raise _deleted()
    before = _values(view)
    after = {name: values.get(name, value) for name, value in before.items()}
    _record(session, actor, AuditAction.CHANGED, view, now, before=before, after=after)


def _record(
    session: Session,
    actor: Actor,
    action: AuditAction,
    view: ViewRow,
    now: datetime,
    *,
    before: dict[str, str] | None,
    after: dict[str, str] | None,
) -> None:
    name = after["name"] if after else view.name
    record(session, actor, action, AuditSubject.SAVED_VIEW, view.id, name, now, before=before, after=after)


def _values(view: ViewRow) -> dict[str, str]:
    return {"name": view.name, "description": view.description, "page": view.page, "query": view.query}


def _require_change(session: Session, view_id: int, user: str | None) -> ViewRow:
    view = get_view(session, view_id)
    if view is None:
        raise _deleted()
    if not view.may_change(user):
        raise _not_owner(view)
    return view


def _deleted() -> InvalidView:
    return InvalidView("This view has been deleted: save it under a new name.")


def _not_owner(view: ViewRow) -> InvalidView:
    return InvalidView(f"Only {view.owner} may change or delete this view: save a view of your own.")


def _name_exists(name: str) -> InvalidView:
    return InvalidView(f"A view with the name {name} exists: choose another name.")


def _check_name(name: str) -> str:
    name = _one_line(name)
    if not name:
        raise InvalidView("Enter a name for the view.")
    if len(name) > MAX_NAME_LENGTH or len(_name_key(name)) > _MAX_KEY_LENGTH:
        raise InvalidView(f"The name has more than {MAX_NAME_LENGTH} characters.")
    return name


def _check_description(description: str) -> str:
    description = _one_line(description)
    if len(description) > MAX_DESCRIPTION_LENGTH:
        raise InvalidView(f"The description has more than {MAX_DESCRIPTION_LENGTH} characters.")
    return description


def _check_query(query: str) -> None:
    if len(query) > MAX_QUERY_LENGTH:
        raise InvalidView("The page has too many filters to be saved: select fewer values.")


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())


def _name_key(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
