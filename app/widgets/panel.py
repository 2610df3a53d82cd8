"""Bordered panels with title, subtitle and CSV button; figures; and the CSS that Streamlit's theme cannot express."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from app.charts.theme import CONFIG
from app.streamlit_patches.figure import UncheckedFigure
from app.widgets.table import Column, Row, csv_button
from app.widgets.text import html

_FILES = ("style.css", "alerts.css", "answers.css", "frame.css", "kiosk.css", "print.css")
_CSS = "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in _FILES)
_CSS = f"<style>{_CSS}</style>"


def style() -> None:
    st.html(_CSS)


CsvBuilder = Callable[[], tuple[Sequence[Column], Sequence[Row]]]


@contextmanager
def panel(
    title: str,
    subtitle: str = "",
    *,
    key: str | None = None,
    csv: tuple[str, CsvBuilder] | None = None,
    stretch: bool = False,
) -> Iterator[None]:
    """A bordered container. `csv`: the name of the file without extension, and a function that returns its columns and
    rows. `stretch`: as high as its neighbours in a grid."""
    with st.container(border=True, key=key, gap="small", height="stretch" if stretch else "content"):
        head = f'<div class="ph-panel"><h2>{html(title)}</h2><span>{html(subtitle)}</span></div>'
        if csv:
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.html(head, width="stretch")
                csv_button(*csv)
        else:
            st.html(head)
        yield


def figure(spec: dict[str, Any], key: str, alt: str, *, opens: bool = False) -> None:
    """A Plotly figure. `alt`: its description for screen readers. `opens`: a click on a point opens the URL that is the
    first value of its `customdata`."""
    name = f"opens-{key}" if opens else key
    st.plotly_chart(UncheckedFigure(spec), key=name, config=CONFIG, theme="streamlit", alt=alt)
