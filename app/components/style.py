"""The little CSS that Streamlit's theme cannot say. Two colours each: for light and for dark ground."""

from pathlib import Path

import streamlit as st

_FILES = ("style.css", "alerts/alerts.css")
_CSS = "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in _FILES)
_CSS = f"<style>{_CSS}</style>"


def style() -> None:
    st.html(_CSS)
