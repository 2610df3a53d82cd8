"""Pages of long lists: of those that the database pages, older and newer ones; of those that are read as a whole, any
page."""

from collections.abc import Hashable, Sequence
from hashlib import sha256
from typing import TypeVar

import streamlit as st

from db.metrics import units

PAGE = 100
_KEY, _OF = "paging-trail", "paging-of"
T = TypeVar("T")


def paged(
    items: Sequence[T], name: str, what: str, *, of: Hashable = None, default: int = 0, size: int = PAGE
) -> Sequence[T]:
    """The page that is chosen, after a line that says which of how many items it has; all of them, and no line, where
    they fit on one page. `name` is that of the list, `what` the plural of its items. Another `of`, such as the text
    of a search, starts at the page with the item at `default` again."""
    if len(items) <= size:
        return items
    pages = -(-len(items) // size)
    question = sha256(repr(of).encode()).hexdigest()[:12]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"pages-{name}"):
        place = st.pagination(pages, default=min(default // size + 1, pages), key=f"page-{name}-{question}")
        first = (place - 1) * size
        shown = items[first : first + size]
        st.caption(_words(first, len(shown), len(items), what), width="content")
    return shown


def _words(first: int, shown: int, total: int, what: str) -> str:
    return f"{units.count(first + 1)} to {units.count(first + shown)} of {units.count(total)} {what}"


def cursor(question: Hashable) -> str | None:
    """Where the page begins; another question starts at the newest again."""
    if st.session_state.get(_OF) != question:
        st.session_state[_OF], st.session_state[_KEY] = question, []
    trail: list[str] = st.session_state[_KEY]
    return trail[-1] if trail else None


def pager(following: str | None, shown: int, total: int) -> None:
    trail: list[str] = st.session_state[_KEY]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="pager"):
        st.button("Newer", disabled=not trail, on_click=_back, icon=":material/chevron_left:")
        st.button("Older", disabled=following is None, on_click=_on, args=(following,), icon=":material/chevron_right:")
        st.caption(f"Page {len(trail) + 1} · {shown} of {total:,} runs")


def _back() -> None:
    st.session_state[_KEY].pop()


def _on(following: str) -> None:
    st.session_state[_KEY].append(following)
