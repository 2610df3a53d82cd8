"""What is known of who looks: who it is, light or dark, the time zone, and whether it is a screen on the wall."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from app.access.login import login
from app.access.policy import AccessDenied, User
from app.access.sessions import SESSIONS

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


def is_kiosk() -> bool:
    """A screen that nobody touches: `?wall=1`."""
    return st.query_params.get("wall", "") not in ("", "0")


def current_user() -> User | AccessDenied | None:
    """Who is signed in, as of now; null where no login is configured. Every call looks anew: sessions end."""
    known = login()
    if known is None:
        return None
    # Streamlit reads the cookie only where the browser's origin and its token against forgery are right.
    claims = st.user.to_dict()
    if claims.get("is_logged_in") is not True:
        return AccessDenied("", "You are not signed in.", session_expired=True)
    return SESSIONS.authorize(known, claims)


def current_user_name() -> str | None:
    """By which what somebody does is recorded: nobody can type another one. Null where no login is configured."""
    found = current_user()
    return found.name if found is not None else None
