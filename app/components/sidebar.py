"""The foot of the sidebar: colour theme, keyboard shortcuts and kiosk mode. The browser answers its buttons
(`app/javascript/navigation`)."""

import streamlit as st

from app.filters import url_state
from app.widgets.cells import address
from app.widgets.text import html

# Label and sign by the name that the browser keeps.
_THEMES = {"system": ("System", "◐"), "light": ("Light", "☀"), "dark": ("Dark", "☾")}


def sidebar_foot() -> None:
    with st.sidebar:
        st.html(f'<div class="ph-foot">{_theme_switch()}{_actions()}</div>')


def kiosk_link() -> str:
    """The URL of kiosk mode with the selected filters."""
    selected = [(key, value) for key in url_state.SHARED_KEYS for value in url_state.query_values(key)]
    return address("", [("wall", 1), *selected])


def _theme_switch() -> str:
    buttons = "".join(
        f'<button type="button" data-theme="{name}" aria-pressed="{str(name == "system").lower()}">'
        f'<span aria-hidden="true">{sign}</span> {label}</button>'
        for name, (label, sign) in _THEMES.items()
    )
    return f'<div class="ph-themes" role="group" aria-label="Colour theme">{buttons}</div>'


def _actions() -> str:
    return (
        '<button type="button" class="ph-help"><kbd aria-hidden="true">?</kbd> Keyboard shortcuts</button>'
        f'<a href="{html(kiosk_link())}" target="_self">Kiosk mode</a>'
    )
