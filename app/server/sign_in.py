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

from app.access.login import Login
from app.access.policy import Refusal
from core.text import printable

MOST, SECONDS = 30, 60.0
_MOST_ADDRESSES = 10_000


class Attempts:
    """Counts by address within windows of SECONDS; the longest known address is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Counts one; 0 where it may go on, else the seconds until it may again."""
        now = time.monotonic()
        with self._lock:
            began, count = self._counts.get(address, (now, 0))
            if now - began >= SECONDS:
                began, count = now, 0
            self._counts[address] = began, count + 1
            while len(self._counts) > _MOST_ADDRESSES:
                self._counts.popitem(last=False)
            return 0 if count < MOST else max(1, round(began + SECONDS - now))

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()


ATTEMPTS = Attempts()


def page(known: Login, found: Refusal | None, asked: str, *, failed: bool = False) -> HTMLResponse:
    """`asked`: where to go afterwards, below the base."""
    refused = found is not None and not found.ended
    content = _template().substitute(
        base=known.base,
        title="No access" if refused else "Sign in",
        told=_told(found, failed=failed),
        actions=_refused_actions(known, asked) if refused else _actions(known, asked),
    )
    return HTMLResponse(content, 403 if refused else 401, {"cache-control": "no-store"})


def provider_address(provider: str) -> str:
    """Streamlit's own way to the provider."""
    return generate_login_redirect_url(provider)


def address(known: Login, asked: str, provider: str = "") -> str:
    """On the host that the cookies are for, whatever name somebody came by."""
    named = f"&provider={quote(provider, safe='')}" if provider else ""
    return f"{known.origin}{known.base}/sign-in?next={quote(asked, safe='')}{named}"


def _told(found: Refusal | None, *, failed: bool) -> str:
    if failed:
        return _lines(
            "error", "That did not work", "The provider refused it, could not be reached, or it took too long."
        )
    if found is None:
        return _lines("", "Sign in", "The health of your pipelines, for your organisation.")
    if found.ended:
        return _lines("", "Sign in again", f"{found.why} This page waits for you.")
    who = f"You are signed in as <b>{escape(printable(found.name))}</b>."
    return _lines(
        "error", "No access", f"{who} {escape(found.why)} Ask whoever runs the dashboard, or use another account."
    )


def _lines(kind: str, heading: str, text: str) -> str:
    """`text` is HTML."""
    role = ' role="alert"' if kind else ""
    return f"<div{role}><h1>{escape(heading)}</h1><p>{text}</p></div>"


def _actions(known: Login, asked: str) -> str:
    several = len(known.providers) > 1
    links = {address(known, asked, name if several else ""): label for name, label in known.providers.items()}
    return "".join(
        f'<a class="go" href="{escape(to)}">Continue with {escape(label)}</a>' for to, label in links.items()
    )


def _refused_actions(known: Login, asked: str) -> str:
    return (
        f'<a class="go" href="{escape(address(known, asked))}">Use another account</a>'
        f'<a class="other" href="{known.base}/auth/logout">Sign out</a>'
    )


@cache
def _template() -> Template:
    return Template((Path(__file__).parent / "sign_in.html").read_text("utf-8"))
