"""Saved views: reading them for pages, and the changes of users."""

from app import session
from app.access.policy import AccessDenied
from app.data.caching import cache_data
from app.data.connection import read_session, utc_now, write_session
from app.data.outages import serve_stale
from core.roles import Role
from db import saved_views
from db.saved_views import InvalidView, Owner, ViewRow


@cache_data(ttl=2, max_entries=1)
def _cached_views() -> list[ViewRow]:
    return _stored_views()


def _stored_views() -> list[ViewRow]:
    with read_session() as database:
        return saved_views.list_views(database)


@serve_stale
def load_views() -> list[ViewRow]:
    """All saved views by name. Raises Unavailable."""
    return _cached_views()


@serve_stale
def load_view(view_id: str) -> ViewRow | None:
    """The saved view with this id; null if none has it. Raises Unavailable.

    The cache may lack a view that was just saved, also by another process, and a browser forgets its default view when
    it does not exist. So a view that the cache does not have is looked up in the database."""
    for views in (_cached_views, _stored_views):
        if view := next((view for view in views() if str(view.id) == view_id), None):
            return view
    return None


def save_view(name: str, description: str, page: str, query: str) -> int:
    """Returns the id of the new view. Raises InvalidView, Unavailable."""
    owner, actor = _user(), session.current_actor()
    with write_session(Role.VIEWER) as database:
        view_id = saved_views.save_view(
            database, name, description, page, query, owner=owner, now=utc_now(), actor=actor
        )
    _cached_views.clear()
    return view_id


def describe_view(view_id: int, name: str, description: str) -> None:
    """Changes name and description. Raises InvalidView, Unavailable."""
    user, actor = _user_key(), session.current_actor()
    with write_session(Role.VIEWER) as database:
        saved_views.describe_view(database, view_id, name, description, user=user, now=utc_now(), actor=actor)
    _cached_views.clear()


def update_view(view_id: int, page: str, query: str) -> None:
    """Changes page and filters. Raises InvalidView, Unavailable."""
    user, actor = _user_key(), session.current_actor()
    with write_session(Role.VIEWER) as database:
        saved_views.update_view(database, view_id, page, query, user=user, now=utc_now(), actor=actor)
    _cached_views.clear()


def delete_view(view_id: int) -> None:
    """Raises InvalidView, Unavailable."""
    user, actor = _user_key(), session.current_actor()
    with write_session(Role.VIEWER) as database:
        saved_views.delete_view(database, view_id, user=user, now=utc_now(), actor=actor)
    _cached_views.clear()


def _user() -> Owner | None:
    """The signed-in user, null without a login. Dialogs run without the page, so the session is checked."""
    user = session.current_user()
    if isinstance(user, AccessDenied):
        raise InvalidView("Your session has ended: reload the page and sign in.")
    key = session.current_user_key()
    return Owner(key, user.name) if user and key else None


def _user_key() -> str | None:
    user = _user()
    return user.key if user else None
