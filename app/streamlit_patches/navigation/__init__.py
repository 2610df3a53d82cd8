"""Links without a reload, and keyboard shortcuts.

Streamlit reloads the page for every link that it has not rendered itself (links in HTML and in tables, points of
charts). The component's script changes the page as the sidebar does: it sends a popstate event, which Streamlit
answers by running the page of the address. Written for Streamlit 1.67.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from app.javascript import bundle, script_path

_navigation = st.components.v2.component(
    "pipeline_health_navigation",
    js=bundle("navigation"),
    css=(Path(__file__).parent / "navigation.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def navigation(
    pages: Mapping[str, str], keys: Mapping[str, str], parents: Mapping[str, str], filters: Sequence[str]
) -> None:
    """Mounts the component. `pages`: title by path of the page. `keys`: path by letter, which follows the letter g.
    `parents`: the page of the menu that a page without an entry belongs to. `filters`: the query parameters that
    filter."""
    data = {"pages": dict(pages), "keys": dict(keys), "parents": dict(parents), "filters": list(filters)}
    _navigation(data=data | {"palette": script_path("palette")}, key="navigation")
