"""The session of a browser: its user, colour theme, time zone and kiosk mode."""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from app.access.login import login
from app.access.policy import AccessDenied, User
from app.access.sessions import SESSIONS, person_id
from core.roles import Role
from db.audit import Actor, anonymous
from db.enums import ActorKind, Origin

UTC = ZoneInfo("UTC")
# Values of the parameters of kiosk mode.
KIOSK_VIEWS = ("overview", "failing", "alerts")
ROTATION_SECONDS, DEFAULT_ROTATION = (5, 3_600), 30
THEMES = ("system", "light", "dark")
_PAGE_KEY, _SAME_PAGE_KEY, _DIALOG_KEY = "page-shown", "page-is-update", "dialog-is-open"
_VISIT_KEY = "page-visit"


class ActionRefused(ValueError):
    """The user may not do this; the message is a sentence for the user."""


class SessionEnded(ActionRefused):
    """The user is not signed in any more."""


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


def kiosk_view() -> str:
    """The only view of kiosk mode, `?wall=failing`; empty for the Overview, or for all views in turn."""
    value = st.query_params.get("wall", "")
    return value if value in KIOSK_VIEWS else ""


def kiosk_rotation() -> int:
    """The seconds for which kiosk mode shows each view, `?rotate=30`; 0 for no rotation. Several saved views rotate
    without the parameter as well."""
    seconds = _rotation()
    return seconds or (DEFAULT_ROTATION if len(kiosk_view_ids()) > 1 else 0)


def _rotation() -> int:
    value = st.query_params.get("rotate", "")
    seconds = int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0
    return seconds if ROTATION_SECONDS[0] <= seconds <= ROTATION_SECONDS[1] else 0


def kiosk_view_ids() -> list[str]:
    """The ids of the saved views that kiosk mode shows, `?view=3&view=7`, in their order."""
    return list(dict.fromkeys(value for value in st.query_params.get_all("view") if value))


def kiosk_problems() -> list[str]:
    """A sentence for each parameter of kiosk mode with an invalid value."""
    value, theme = st.query_params.get("wall", ""), st.query_params.get("theme", "")
    problems = []
    if value not in ("", "0", "1", *KIOSK_VIEWS):
        problems.append(f"wall={value} is invalid (expected 1, {', '.join(KIOSK_VIEWS)}): showing the Overview.")
    if st.query_params.get("rotate", "") and not _rotation():
        least, most = ROTATION_SECONDS
        problems.append(f"rotate={st.query_params['rotate']} is invalid (expected {least} to {most} seconds).")
    if theme not in ("", *THEMES):
        problems.append(f"theme={theme} is invalid (expected {', '.join(THEMES)}).")
    return problems


def is_update() -> bool:
    """Whether the browser shows an earlier result of the same page."""
    return bool(st.session_state.get(_SAME_PAGE_KEY))


def record_page(page: str) -> None:
    """Called at the start of every run of a page."""
    is_same = st.session_state.get(_PAGE_KEY) == page
    st.session_state[_SAME_PAGE_KEY] = is_same
    st.session_state[_PAGE_KEY] = page
    st.session_state[_VISIT_KEY] = page_visit() + (not is_same)
    st.session_state[_DIALOG_KEY] = False


def page_visit() -> int:
    """Counts the changes of the page: equal as long as the user stays on one."""
    return int(st.session_state.get(_VISIT_KEY, 0))


def record_dialog() -> None:
    """Called by a dialog, which a run of the page would close. Its `on_dismiss` must be `rerun`."""
    st.session_state[_DIALOG_KEY] = True


def has_dialog() -> bool:
    return bool(st.session_state.get(_DIALOG_KEY))


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


def current_user_key() -> str | None:
    """Identifies the user, signed in or not; null without a login. Names are not unique."""
    return None if login() is None else person_id(st.user.to_dict())


def current_user_name() -> str | None:
    """The name that is recorded with the user's actions; null without a login."""
    user = current_user()
    return user.name if user is not None else None


def current_role() -> Role:
    """The role of the user, by the claims of the sign-in and the current AUTH_ROLES; ADMIN without a login. A user
    whose session has ended is a VIEWER, for whom pages show nothing."""
    user = current_user()
    if user is None:
        return Role.ADMIN
    return user.role if isinstance(user, User) else Role.VIEWER


def may(role: Role) -> bool:
    """Whether the user may do what needs this role. Only for what a page offers: functions that change something call
    `require`."""
    return current_role() >= role


def require(role: Role) -> Actor:
    """The user, as the actor of a change that needs this role. Raises SessionEnded or ActionRefused. Functions that
    change something call it before the change: dialogs and fragments run without the page, and a browser can send an
    event of a button that the page does not show."""
    user = current_user()
    if isinstance(user, AccessDenied):
        raise SessionEnded("Your session has ended: reload the page and sign in.")
    if user is not None and user.role < role:
        raise ActionRefused(missing_role(role))
    return Actor(user.name, ActorKind.USER, Origin.DASHBOARD) if user else anonymous(Origin.DASHBOARD)


def current_actor() -> Actor:
    """The actor of changes that every user may make. Raises SessionEnded."""
    return require(Role.VIEWER)


def button_rights(role: Role, help_text: str | None = None) -> dict[str, Any]:
    """Arguments of a button for which the user needs the role: without it the button is disabled, and its help is the
    reason instead of `help_text`."""
    return {"help": help_text} if may(role) else {"disabled": True, "help": missing_role(role)}


def missing_role(role: Role) -> str:
    """The sentence for a user without this role."""
    return f"This needs the role {role.label}; yours is {current_role().label}. Ask an administrator of the dashboard."
