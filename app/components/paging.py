"""Older and newer pages of a list that the database pages."""

from collections.abc import Hashable

import streamlit as st

_KEY, _OF = "paging-trail", "paging-of"


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
