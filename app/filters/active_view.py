"""Saved views in the URL: which one it names, and the query that a view of the current page has."""

from urllib.parse import urlencode

import streamlit as st

from app import session
from app.data.views import load_view, load_views
from app.filters.url_state import VIEW_KEY
from db.saved_views import ViewRow

# Parameters that are not part of a view: those of a screen, pages of tables and selected runs, as rows change, and open
# sections.
_OTHER_KEYS = (VIEW_KEY, "wall", "rotate", "view", "theme", "page", "open", "selected")


def active_view() -> ViewRow | None:
    """The view that the URL names; null if it names none, or one that does not exist."""
    view_id = st.query_params.get(VIEW_KEY, "")
    return load_view(view_id) if view_id else None


# Views that a wall screen shows in turn: each of them is computed again with new data.
MAX_KIOSK_VIEWS = 12


def kiosk_views() -> list[ViewRow]:
    """The saved views that the URL names for kiosk mode and that exist, at most MAX_KIOSK_VIEWS."""
    ids = session.kiosk_view_ids()
    by_id = {str(view.id): view for view in load_views()} if ids else {}
    return [by_id[name] for name in ids if name in by_id][:MAX_KIOSK_VIEWS]


def kiosk_view_problems() -> list[str]:
    """A sentence for each view of kiosk mode that is not shown."""
    ids = session.kiosk_view_ids()
    known = {str(view.id) for view in load_views()} if ids else set()
    problems = [
        f"view={name[:40]} is ignored: this saved view does not exist or has been deleted."
        for name in ids
        if name not in known
    ]
    if len(ids) - len(problems) > MAX_KIOSK_VIEWS:
        problems.append(f"Kiosk mode shows the first {MAX_KIOSK_VIEWS} of the {len(ids)} saved views.")
    return problems


def unknown_view() -> str | None:
    """A sentence if the view that the URL names does not exist."""
    view_id = st.query_params.get(VIEW_KEY, "")
    if not view_id or active_view():
        return None
    return f"The saved view {view_id[:40]} does not exist or has been deleted; the filters of the link apply."


def current_query() -> str:
    """The query of the URL that a view of the current page has, in a fixed order."""
    names = sorted(name for name in st.query_params if name not in _OTHER_KEYS)
    return urlencode([(name, value) for name in names for value in st.query_params.get_all(name) if value])


def is_modified(view: ViewRow, page: str) -> bool:
    """Whether the current page has other filters than the view."""
    return (view.page, view.query) != (page, current_query())
