"""A bordered panel: bold title, grey subtitle, and a figure or table inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from app.charts.theme import CONFIG


@contextmanager
def panel(title: str, subtitle: str = "", *, key: str | None = None) -> Iterator[None]:
    with st.container(border=True, key=key):
        st.markdown(f"**{title}** &nbsp;:gray[:small[{subtitle}]]" if subtitle else f"**{title}**")
        yield


def is_dark() -> bool:
    """What the viewer's browser shows: few figures need to know."""
    return st.context.theme.type == "dark"


def figure(spec: dict[str, Any], key: str, alt: str) -> None:
    st.plotly_chart(spec, key=key, config=CONFIG, theme="streamlit", alt=alt)
