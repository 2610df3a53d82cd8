"""The little CSS that Streamlit's theme cannot say. Two colours each: for light and for dark ground."""

from pathlib import Path

import streamlit as st

_CSS = f"<style>{(Path(__file__).parent / 'style.css').read_text(encoding='utf-8')}</style>"


def style() -> None:
    st.html(_CSS)
