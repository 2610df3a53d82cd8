"""The sign-in page, the page for unknown paths, and the limit of sign-in attempts.

The pages are plain HTML: a user who is not signed in gets no Streamlit session.
"""

import threading
import time
from collections import OrderedDict
from difflib import get_close_matches
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

from starlette.responses import HTMLResponse

from app.access.login import LoginConfig
from app.access.policy import AccessDenied
from app.routes import NAMES
from core.text import printable

MAX_ATTEMPTS, WINDOW_SECONDS = 30, 60.0
_MAX_SHOWN = 80
_MAX_ADDRESSES = 10_000


class SignInLimiter:
    """Counts attempts by client address in windows of WINDOW_SECONDS: each attempt makes the dashboard send a request
    to the provider or sign a state. The oldest address is forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Address to (start of its window, number of attempts).
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def retry_after(self, address: str) -> int:
        """Counts an attempt; 0 if it is allowed, else the seconds until the next one is."""
        now = time.monotonic()
        with self._lock:
            started_at, count = self._counts.get(address, (now, 0))
            if now - started_at >= WINDOW_SECONDS:
                started_at, count = now, 0
            self._counts[address] = started_at, count + 1
            while len(self._counts) > _MAX_ADDRESSES:
                self._counts.popitem(last=False)
            return 0 if count < MAX_ATTEMPTS else max(1, round(started_at + WINDOW_SECONDS - now))

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()


SIGN_IN_LIMITER = SignInLimiter()


def page(config: LoginConfig, denied: AccessDenied | None, next_page: str, *, failed: bool = False) -> HTMLResponse:
    """The sign-in page, or why a signed-in user has no access. `next_page`: the page that follows, relative to the base
    path."""
    is_forbidden = denied is not None and not denied.session_expired
    return plain_page(
        config.base,
        "No access" if is_forbidden else "Sign in",
        _message(denied, failed=failed),
        _denied_actions(config, next_page) if is_forbidden else _actions(config, next_page),
        403 if is_forbidden else 401,
    )


def plain_page(base: str, title: str, message: str, actions: str, status: int) -> HTMLResponse:
    """A page without Streamlit. `message` and `actions` are HTML, the latter links of the class `go` or `other`."""
    content = _template().substitute(base=base, title=title, message=message, actions=actions)
    return HTMLResponse(content, status, {"cache-control": "no-store"})


def not_found_page(base: str, path: str) -> HTMLResponse:
    """The page for a path that does not exist, with a link to the page of the most similar name."""
    name = path.strip("/")[:_MAX_SHOWN]
    similar = get_close_matches(name.lower(), [page for page in NAMES if page], n=1)
    links = [*similar, ""]
    actions = "".join(
        f'<a class="{"go" if index == 0 else "other"}" href="{escape(base)}/{link}">Open {escape(NAMES[link])}</a>'
        for index, link in enumerate(links)
    )
    text = f"The dashboard has no page <b>/{escape(printable(name))}</b>."
    return plain_page(base, "Page not found", _heading_and_text("error", "Page not found", text), actions, 404)


def sign_in_url(config: LoginConfig, next_page: str, provider: str = "") -> str:
    """An URL on the host of the cookies, even if the user opened the dashboard by another name."""
    parameter = f"&provider={quote(provider, safe='')}" if provider else ""
    return f"{config.origin}{config.base}/sign-in?next={quote(next_page, safe='')}{parameter}"


def _message(denied: AccessDenied | None, *, failed: bool) -> str:
    """HTML."""
    if failed:
        reason = "The provider refused it, could not be reached, or did not answer in time."
        return _heading_and_text("error", "Sign-in failed", reason)
    if denied is None:
        return _heading_and_text("", "Sign in", "The health of your organization's pipelines.")
    if denied.session_expired:
        return _heading_and_text("", "Sign in again", f"{denied.reason} You return to this page afterwards.")
    user = f"You are signed in as <b>{escape(printable(denied.name))}</b>."
    advice = "Ask the administrator of the dashboard for access, or use another account."
    return _heading_and_text("error", "No access", f"{user} {escape(denied.reason)} {advice}")


def _heading_and_text(kind: str, heading: str, text: str) -> str:
    """`text` is HTML."""
    role = ' role="alert"' if kind else ""
    return f"<div{role}><h1>{escape(heading)}</h1><p>{text}</p></div>"


def _actions(config: LoginConfig, next_page: str) -> str:
    several = len(config.providers) > 1
    links = {sign_in_url(config, next_page, name if several else ""): label for name, label in config.providers.items()}
    return "".join(
        f'<a class="go" href="{escape(url)}">Continue with {escape(label)}</a>' for url, label in links.items()
    )


def _denied_actions(config: LoginConfig, next_page: str) -> str:
    return (
        f'<a class="go" href="{escape(sign_in_url(config, next_page))}">Use another account</a>'
        f'<a class="other" href="{config.base}/auth/logout">Sign out</a>'
    )


@cache
def _template() -> Template:
    return Template((Path(__file__).parent / "sign_in.html").read_text("utf-8"))
