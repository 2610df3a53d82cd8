"""The addresses that the dashboard's server has. All else is a 404, also what Streamlit serves besides: uploads, its
metrics, components of other packages."""

import streamlit as st
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.login import CALLBACK, login
from app.addresses import PAGES
from front.answers import refuse
from front.origins import SAFE_METHODS

_STREAM = "/_stcore/stream"
_WHOLE = frozenset(
    ("/health/live", "/health/ready", "/_stcore/health", "/_stcore/host-config", "/favicon.png", "/manifest.json")
)
_OF_LOGIN = frozenset(("/sign-in", "/sign-in/failed", "/auth/login", "/auth/logout", CALLBACK))
_BEGINNINGS = ("/static/", "/app/static/", "/media/", "/logs/", "/log-viewer-")


class Known:
    """Of HTTP and of websockets; nothing of a request is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        base = (st.get_option("server.baseUrlPath") or "").strip("/")
        self._base = f"/{base}" if base else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(self._base)
        is_known = path == _STREAM if scope["type"] == "websocket" else is_address(path)
        if not is_known:
            await refuse(scope, receive, send, 404, "There is nothing at this address; the dashboard begins at /.")
        elif scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            allowed = {"allow": ", ".join(SAFE_METHODS)}
            await refuse(scope, receive, send, 405, "Nothing is sent to this address; it can be read.", allowed)
        else:
            await self._app(scope, receive, send)


def is_address(path: str) -> bool:
    """`path` below the base. A page's trailing slash is Streamlit's to take away."""
    if path in _WHOLE or path.startswith(_BEGINNINGS):
        return True
    if path in _OF_LOGIN:
        return login() is not None
    return not path.startswith("//") and path.removesuffix("/").removeprefix("/") in PAGES
