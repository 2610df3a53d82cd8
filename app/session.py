"""The session of a browser: its user, colour theme, time zone and kiosk mode."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from app.access.login import login
from app.access.policy import AccessDenied, User
from app.access.sessions import SESSIONS

UTC = ZoneInfo("UTC")


def zone() -> ZoneInfo:
    """The browser's time zone; UTC if it is missing or unknown."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def is_dark() -> bool:
    """Whether the browser shows the dark theme. Only a few charts depend on it."""
    return st.context.theme.type == "dark"


def is_kiosk() -> bool:
    """Whether the page is a wall screen without controls: `?wall=1`."""
    return st.query_params.get("wall", "") not in ("", "0")


def current_user() -> User | AccessDenied | None:
    """The signed-in user, or why access is denied; null without a login. Sessions end, so every call checks again."""
    config = login()
    if config is None:
        return None
    # Streamlit reads the cookie only if the websocket's origin and XSRF token are valid.
    claims = st.user.to_dict()
    if claims.get("is_logged_in") is not True:
        return AccessDenied("", "You are not signed in.", session_expired=True)
    return SESSIONS.authorize(config, claims)


def current_user_name() -> str | None:
    """The name that is recorded with the user's actions; null without a login."""
    user = current_user()
    return user.name if user is not None else None
