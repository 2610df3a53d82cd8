"""Links without a reload, and keys. Every link of ours, in text and in tables, changes the page as the sidebar does."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from app.javascript import bundle

_HERE = Path(__file__).parent
_navigation = st.components.v2.component(
    "pipeline_health_navigation",
    js=bundle("navigation"),
    css=(_HERE / "navigation.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def navigation(pages: Mapping[str, str], keys: Mapping[str, str]) -> None:
    """`pages`: the address of each page to its title. `keys`: a letter, pressed after g, to an address."""
    _navigation(data={"pages": dict(pages), "keys": dict(keys)}, key="navigation")
