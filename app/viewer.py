"""What is known of who looks: light or dark, the time zone, and whether it is a screen on the wall."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

UTC = ZoneInfo("UTC")


def zone() -> ZoneInfo:
    """The browser's time zone; UTC where it names none that is known here."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def is_dark() -> bool:
    """What the viewer's browser shows: few figures need to know."""
    return st.context.theme.type == "dark"


def on_wall() -> bool:
    """A screen that nobody touches: `?wall=1`."""
    return st.query_params.get("wall", "") not in ("", "0")
