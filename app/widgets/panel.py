"""Bordered panels with title, subtitle, choice of columns and export menu; figures; and the CSS that Streamlit's theme
cannot express."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from app.charts.links import ChartLinks, with_links
from app.charts.theme import CONFIG
from app.streamlit_patches.figure import UncheckedFigure
from app.widgets.exports import ALL_ROWS, ExportBuilder, SearchResult, export_menu
from app.widgets.text import html

_FILES = (
    "loading.css",
    "style.css",
    "tables.css",
    "alerts.css",
    "alert_list.css",
    "audit.css",
    "answers.css",
    "cause_marks.css",
    "cause_page.css",
    "charts.css",
    "filters.css",
    "views.css",
    "search.css",
    "rates.css",
    "frame.css",
    "kiosk.css",
    "print.css",
)
# A part of every page's document: a style that Streamlit renders would arrive after the first elements.
STYLES = "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in _FILES)


@contextmanager
def panel(
    title: str,
    subtitle: str = "",
    *,
    key: str | None = None,
    export: tuple[str, ExportBuilder] | None = None,
    export_note: str = ALL_ROWS,
    search: SearchResult | None = None,
    stretch: bool = False,
) -> Iterator[None]:
    """A bordered container. `export`: the name of the files of its table without extension, and a function that returns
    their columns and rows; `export_note` says what the files contain; `search`: the rows that the current search
    matches. `stretch`: as high as its neighbours in a grid."""
    with st.container(border=True, key=key, gap="small", height="stretch" if stretch else "content"):
        columns = '<button type="button" class="ph-columns" aria-haspopup="dialog">Columns</button>' if export else ""
        head = f'<div class="ph-panel"><h2>{html(title)}</h2><span>{html(subtitle)}</span>{columns}</div>'
        if export:
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.html(head, width="stretch")
                export_menu(*export, export_note, search)
        else:
            st.html(head)
        yield


def section_html(name: str, summary: str, content: str, *, is_open: bool) -> str:
    """A section of HTML that can be opened and closed. `name`: the section in URLs; `is_open`: `view_state.is_open`."""
    state = " open" if is_open else ""
    return f'<details data-section="{html(name)}"{state}><summary>{summary}</summary>{content}</details>'


def figure(spec: dict[str, Any], key: str, alt: str, links: ChartLinks | None = None) -> None:
    """A Plotly figure. `alt`: its description for screen readers, and the title of its image. `links`: what clicks on
    its marks and drags along its time axis open; marks that contain an address need none."""
    drawn = with_links(spec, links) if links else spec
    st.plotly_chart(UncheckedFigure(drawn), key=f"chart-{key}", config=CONFIG, theme="streamlit", alt=alt)
