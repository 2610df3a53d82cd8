"""The button of the command palette, and the menu of saved views."""

from collections.abc import Callable
from urllib.parse import parse_qsl

import streamlit as st

from app import session
from app.data import views
from app.data.outages import Unavailable
from app.filters.active_view import MAX_KIOSK_VIEWS, active_view, current_query, is_modified, unknown_view
from app.filters.url_state import VIEW_KEY
from app.widgets.cells import anchor
from app.widgets.table import paginate
from app.widgets.text import html, markdown, truncate
from db.saved_views import MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH, InvalidView, ViewRow

_PAGE_SIZE = 15
_MAX_LABEL = 28
# Ids of the views whose row is a form, and a question; the reason why the last change failed.
_EDITED_KEY, _DELETED_KEY, _FAILURE_KEY = "view-edited", "view-deleted", "view-failure"
# The id of a view that was saved as the default of the browser.
_DEFAULT_KEY = "view-new-default"


def tools(page: str, title: str, *, has_views: bool) -> None:
    """The buttons of saved views and of the command palette. The palette's button is in the sidebar, and in the header
    while the sidebar is hidden. `page`: path of the current page, `title`: its title."""
    button = (
        '<button type="button" class="ph-search" data-palette aria-haspopup="dialog" aria-label="Open the command '
        'palette"><i aria-hidden="true"></i><span>Search</span><kbd>Ctrl K</kbd></button>'
    )
    with st.sidebar, st.container(key="palette"):
        st.html(button)
    with st.container(horizontal=True, width="content", gap="small", key="tools"):
        if has_views:
            _menu(page, title)
        with st.container(width="content", key="palette-compact"):
            st.html(button, width="content")


def _menu(page: str, title: str) -> None:
    """The button that opens the dialog; it shows the name of the view that the URL names."""
    active = active_view()
    # Without an active view only the icon is visible.
    label = markdown(truncate(active.name, _MAX_LABEL)) if active else "Views"
    if active and is_modified(active, page):
        label += " (modified)"
    key = "views-active" if active else "views"
    with st.container(width="content", horizontal=True, gap=None, vertical_alignment="center", key=key):
        if st.button(label, icon=":material/bookmark:", key="views-open", help="Saved views", on_click=_reset):
            _dialog(page, title)
        if active:
            # The browser whose default view it is shows the star, and takes over the address as it is now.
            marker = f'<span class="ph-view" hidden data-view="{active.id}" data-address="{html(active.link)}"'
            if st.session_state.pop(_DEFAULT_KEY, None) == active.id:
                marker += f' data-new-default="{html(active.name)}"'
            st.html(f'{marker} title="Default view of this browser">★</span>', width="content")
        elif unknown_view():
            # A browser that opens this view by default stops doing so.
            st.html(f'<span hidden data-deleted-view="{html(st.query_params[VIEW_KEY])}"></span>', width="content")


def _reset() -> None:
    for key in (_EDITED_KEY, _DELETED_KEY, _FAILURE_KEY):
        st.session_state.pop(key, None)


@st.dialog("Saved views", icon=":material/bookmark:", width="medium", on_dismiss="rerun")
def _dialog(page: str, title: str) -> None:
    session.record_dialog()
    # An action in the dialog runs without the page, which reports errors otherwise.
    try:
        _dialog_content(page, title)
    except Unavailable as error:
        st.error(markdown(str(error)), icon=":material/database_off:")


def _dialog_content(page: str, title: str) -> None:
    failure = st.session_state.pop(_FAILURE_KEY, None)
    if failure:
        st.error(markdown(failure), icon=":material/error:")
    active, closes = active_view(), False
    if active and is_modified(active, page) and active.may_change(session.current_user_key()):
        label = f"Update {markdown(active.name)} to the current filters"
        closes |= st.button(label, key="view-update", on_click=_update, args=(active.id, page))
    closes |= _save_form(page, title)
    if closes and not failure:
        st.rerun()
    items = views.load_views()
    if not items:
        st.caption("No saved views yet.")
        return
    st.html("<hr>")
    for view in paginate(items, "views", "views", size=_PAGE_SIZE):
        _row(view)
    query = [("wall", 1), *(("view", view.id) for view in items[:MAX_KIOSK_VIEWS])]
    some = f"the first {MAX_KIOSK_VIEWS} views" if len(items) > MAX_KIOSK_VIEWS else "these views"
    st.html(f'<div class="ph-more">{anchor(f"Kiosk mode of {some}", "", query)}</div>')


def _save_form(page: str, title: str) -> bool:
    with st.form("view-save", border=False):
        st.caption(f"Save the current page: {_summary(title, current_query())}")
        st.text_input("Name", key="view-name", max_chars=MAX_NAME_LENGTH)
        st.text_input("Description (optional)", key="view-description", max_chars=MAX_DESCRIPTION_LENGTH)
        st.checkbox("Open by default in this browser", key="view-default")
        return st.form_submit_button(
            "Save view", type="primary", key="view-save-send", on_click=_save, args=(page, current_query())
        )


def _row(view: ViewRow) -> None:
    may_change = view.may_change(session.current_user_key())
    if may_change and st.session_state.get(_EDITED_KEY) == view.id:
        _edit_form(view)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"view-{view.id}"):
        st.html(_link(view), width="stretch")
        if may_change and st.session_state.get(_DELETED_KEY) == view.id:
            st.button("Cancel", key=f"view-keep-{view.id}", on_click=_select, args=(_DELETED_KEY, None))
            st.button("Delete view", key=f"view-delete-now-{view.id}", type="primary", on_click=_delete, args=(view,))
        elif may_change:
            for action, icon, key in (("Edit", "edit", _EDITED_KEY), ("Delete", "delete", _DELETED_KEY)):
                st.button(
                    action,
                    key=f"{key}-{view.id}",
                    type="tertiary",
                    icon=f":material/{icon}:",
                    on_click=_select,
                    args=(key, view.id),
                )


def _link(view: ViewRow) -> str:
    """The button makes the view the default of the browser, which is stored in the browser only."""
    url = html(view.link)
    more = " · ".join(part for part in (view.description, f"by {view.owner}" if view.owner else "") if part)
    return (
        f'<div class="ph-view-row"><button type="button" class="ph-default" data-default-view="{view.id}" '
        f'data-address="{url}" data-name="{html(view.name)}" aria-pressed="false" '
        f'aria-label="Default view: {html(view.name)}" title="Open by default in this browser">☆</button>'
        f'<div><a href="{url}" target="_self">{html(view.name)}</a><small>{html(more)}</small></div></div>'
    )


def _edit_form(view: ViewRow) -> None:
    name_key, description_key = f"view-name-{view.id}", f"view-description-{view.id}"
    with st.form(f"view-edit-form-{view.id}"):
        st.text_input("Name", view.name, key=name_key, max_chars=MAX_NAME_LENGTH)
        st.text_input("Description (optional)", view.description, key=description_key, max_chars=MAX_DESCRIPTION_LENGTH)
        with st.container(horizontal=True, gap="small"):
            arguments = (view.id, name_key, description_key)
            st.form_submit_button(
                "Save", type="primary", key=f"view-describe-{view.id}", on_click=_describe, args=arguments
            )
            st.form_submit_button("Cancel", key=f"view-undo-{view.id}", on_click=_select, args=(_EDITED_KEY, None))


def _select(key: str, view_id: int | None) -> None:
    st.session_state[key] = view_id


def _save(page: str, query: str) -> None:
    def save() -> None:
        view_id = views.save_view(_field("view-name"), _field("view-description"), page, query)
        st.query_params[VIEW_KEY] = str(view_id)
        if st.session_state.get("view-default"):
            st.session_state[_DEFAULT_KEY] = view_id
        st.session_state["view-name"] = st.session_state["view-description"] = ""

    _run(save)


def _update(view_id: int, page: str) -> None:
    _run(lambda: views.update_view(view_id, page, current_query()))


def _describe(view_id: int, name_key: str, description_key: str) -> None:
    def describe() -> None:
        views.describe_view(view_id, _field(name_key), _field(description_key))
        _select(_EDITED_KEY, None)

    _run(describe)


def _delete(view: ViewRow) -> None:
    _select(_DELETED_KEY, None)

    def delete() -> None:
        views.delete_view(view.id)
        if st.query_params.get(VIEW_KEY) == str(view.id):
            del st.query_params[VIEW_KEY]

    _run(delete)


def _run(change: Callable[[], None]) -> None:
    """Runs a change; the dialog shows why it failed."""
    try:
        change()
    except InvalidView as error:
        st.session_state[_FAILURE_KEY] = str(error)
    except Unavailable as error:
        st.session_state[_FAILURE_KEY] = f"The change could not be stored. {error}"


def _field(key: str) -> str:
    return str(st.session_state.get(key) or "")


def _summary(title: str, query: str) -> str:
    """The page and its filters in a few words, in Markdown."""
    filters = [f"{name} {value}" for name, value in parse_qsl(query)]
    return markdown(truncate(" · ".join([title, *filters]) if filters else f"{title} without filters"))
