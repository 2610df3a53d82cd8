"""How often one address may begin to sign in: each attempt makes the dashboard ask the provider or sign a state.

The page that somebody sees who is not signed in, or may not in: HTML by itself, without Streamlit and a session.
"""

import threading
import time
from collections import OrderedDict
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

from starlette.responses import HTMLResponse
from streamlit.user_info import generate_login_redirect_url

from app.access.login import LoginConfig
from app.access.policy import AccessDenied
from core.text import printable

MAX_ATTEMPTS, WINDOW_SECONDS = 30, 60.0
_MAX_ADDRESSES = 10_000


class SignInLimiter:
    """Counts by address within windows of SECONDS; the longest known address is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def retry_after(self, address: str) -> int:
        """Counts one; 0 where it may go on, else the seconds until it may again."""
        now = time.monotonic()
        with self._lock:
            began, count = self._counts.get(address, (now, 0))
            if now - began >= WINDOW_SECONDS:
                began, count = now, 0
            self._counts[address] = began, count + 1
            while len(self._counts) > _MAX_ADDRESSES:
                self._counts.popitem(last=False)
            return 0 if count < MAX_ATTEMPTS else max(1, round(began + WINDOW_SECONDS - now))

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()


SIGN_IN_LIMITER = SignInLimiter()


def page(config: LoginConfig, denied: AccessDenied | None, next_page: str, *, failed: bool = False) -> HTMLResponse:
    """`asked`: where to go afterwards, below the base."""
    refused = denied is not None and not denied.session_expired
    content = _template().substitute(
        base=config.base,
        title="No access" if refused else "Sign in",
        told=_message(denied, failed=failed),
        actions=_denied_actions(config, next_page) if refused else _actions(config, next_page),
    )
    return HTMLResponse(content, 403 if refused else 401, {"cache-control": "no-store"})


def provider_url(provider: str) -> str:
    """Streamlit's own way to the provider."""
    return generate_login_redirect_url(provider)


def sign_in_url(config: LoginConfig, next_page: str, provider: str = "") -> str:
    """On the host that the cookies are for, whatever name somebody came by."""
    named = f"&provider={quote(provider, safe='')}" if provider else ""
    return f"{config.origin}{config.base}/sign-in?next={quote(next_page, safe='')}{named}"


def _message(denied: AccessDenied | None, *, failed: bool) -> str:
    if failed:
        return _lines(
            "error", "That did not work", "The provider refused it, could not be reached, or it took too long."
        )
    if denied is None:
        return _lines("", "Sign in", "The health of your pipelines, for your organisation.")
    if denied.session_expired:
        return _lines("", "Sign in again", f"{denied.reason} This page waits for you.")
    who = f"You are signed in as <b>{escape(printable(denied.name))}</b>."
    return _lines(
        "error", "No access", f"{who} {escape(denied.reason)} Ask whoever runs the dashboard, or use another account."
    )


def _lines(kind: str, heading: str, text: str) -> str:
    """`text` is HTML."""
    role = ' role="alert"' if kind else ""
    return f"<div{role}><h1>{escape(heading)}</h1><p>{text}</p></div>"


def _actions(config: LoginConfig, next_page: str) -> str:
    several = len(config.providers) > 1
    links = {sign_in_url(config, next_page, name if several else ""): label for name, label in config.providers.items()}
    return "".join(
        f'<a class="go" href="{escape(to)}">Continue with {escape(label)}</a>' for to, label in links.items()
    )


def _denied_actions(config: LoginConfig, next_page: str) -> str:
    return (
        f'<a class="go" href="{escape(sign_in_url(config, next_page))}">Use another account</a>'
        f'<a class="other" href="{config.base}/auth/logout">Sign out</a>'
    )


@cache
def _template() -> Template:
    return Template((Path(__file__).parent / "sign_in.html").read_text("utf-8"))
