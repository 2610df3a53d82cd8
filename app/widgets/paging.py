"""Pages of long lists, with the page in the URL.

Lists in memory have page numbers (`paginate`); lists that the database pages have buttons for the previous and the next
page (`pager`), and the URL has the number of the page and the cursor at which it begins.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

import streamlit as st

from app.filters import view_state
from core import formatting

PAGE_SIZE = 100
T = TypeVar("T")
_CURSOR_PAGE = re.compile(r"([1-9][0-9]{0,5})(?:\.([A-Za-z0-9_-]{1,200}))?", re.ASCII)


def paginate(
    items: Sequence[T], name: str, noun: str, *, reset_key: Hashable = None, default: int = 0, size: int = PAGE_SIZE
) -> Sequence[T]:
    """The items of the selected page, after a row of page numbers; all items, without this row, if they fit on one
    page. `name` identifies the list, `noun` is the plural of its items. A new `reset_key`, such as the text of a
    search, selects the page of the item at index `default`."""
    if len(items) <= size:
        return items
    pages = -(-len(items) // size)
    key = f"page-{name}"
    reset = sha256(repr(reset_key).encode(errors="replace")).hexdigest()
    view_state.sync_page(name, key, pages, min(default // size + 1, pages), reset)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"pages-{name}"):
        page = st.pagination(pages, key=key)
        first = (page - 1) * size
        shown = items[first : first + size]
        st.caption(_range_text(first, len(shown), len(items), noun), width="content")
    return shown


def _range_text(first: int, shown: int, total: int, noun: str) -> str:
    return f"{formatting.count(first + 1)} to {formatting.count(first + shown)} of {formatting.count(total)} {noun}"


@dataclass(frozen=True)
class CursorPage:
    """A page of a list that the database pages: its number, and the cursor at which it begins, null for the first."""

    number: int = 1
    cursor: str | None = None

    def __str__(self) -> str:
        """The page in URLs; empty for the first."""
        return f"{self.number}.{self.cursor}" if self.cursor else ""


def parse_cursor_page(text: str) -> CursorPage | None:
    """Null for an invalid text."""
    match = _CURSOR_PAGE.fullmatch(text)
    if match is None or (match[1] == "1") != (match[2] is None):
        return None
    return CursorPage(int(match[1]), match[2])


def current_page(name: str, reset_key: Hashable) -> CursorPage:
    """The page that the URL selects, else the first. A new `reset_key` selects the first page, unless the URL changed
    by itself."""
    state_key = f"cursor-{name}"
    text = view_state.table_value(view_state.PAGE, name)
    known_text, known_reset = st.session_state.get(state_key, (text, reset_key))
    if text and text == known_text and reset_key != known_reset:
        view_state.set_table_value(view_state.PAGE, name, "")
        text = ""
    st.session_state[state_key] = text, reset_key
    page = parse_cursor_page(text) if text else CursorPage()
    if page is None:
        report_bad_page(name, text)
    return page or CursorPage()


def report_bad_page(name: str, text: str) -> None:
    """Reports that the page of a list does not exist."""
    view_state.report(f"{view_state.PAGE}={name}.{text[:60]} is invalid: showing the first page.")


def pager(
    name: str, page: CursorPage, previous: str | None, following: str | None, text: str, labels: tuple[str, str]
) -> None:
    """Buttons for the previous and the next page. `previous`, `following`: the cursors of these pages, null for none;
    `labels`: of both buttons."""
    earlier = CursorPage(max(page.number - 1, 2), previous) if previous else CursorPage()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"pager-{name}"):
        st.button(
            labels[0],
            disabled=page.cursor is None,
            on_click=_open,
            args=(name, earlier),
            key=f"{name}-previous",
            icon=":material/chevron_left:",
        )
        st.button(
            labels[1],
            disabled=following is None,
            on_click=_open,
            args=(name, CursorPage(page.number + 1, following)),
            key=f"{name}-next",
            icon=":material/chevron_right:",
        )
        st.caption(f"Page {formatting.count(page.number)} · {text}")


def _open(name: str, page: CursorPage) -> None:
    view_state.set_table_value(view_state.PAGE, name, str(page))
    _, reset_key = st.session_state.get(f"cursor-{name}", ("", None))
    st.session_state[f"cursor-{name}"] = str(page), reset_key
