"""The addresses that the dashboard's server has. All else is a 404, also what Streamlit serves besides: uploads, its
metrics, components of other packages.

The front layer, with the dashboard's settings.
"""

import streamlit as st
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.login import CALLBACK, login
from app.routes import PAGES
from app.settings import AccessSettings
from core.http.bodies import send_problem
from core.http.middleware import HostOriginMiddleware
from core.http.origins import SAFE_METHODS
from core.http.settings import ListenAddress, host_policy, require_protection

_WEBSOCKET_PATH = "/_stcore/stream"
_EXACT_PATHS = frozenset(
    ("/health/live", "/health/ready", "/_stcore/health", "/_stcore/host-config", "/favicon.png", "/manifest.json")
)
_LOGIN_PATHS = frozenset(("/sign-in", "/sign-in/failed", "/auth/login", "/auth/logout", CALLBACK))
_PATH_PREFIXES = ("/static/", "/app/static/", "/media/", "/logs/", "/log-viewer-")


class AllowedPathsMiddleware:
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
        is_known = path == _WEBSOCKET_PATH if scope["type"] == "websocket" else is_allowed_path(path)
        if not is_known:
            await send_problem(
                scope, receive, send, 404, "There is nothing at this address; the dashboard begins at /."
            )
        elif scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            allowed = {"allow": ", ".join(SAFE_METHODS)}
            await send_problem(scope, receive, send, 405, "Nothing is sent to this address; it can be read.", allowed)
        else:
            await self._app(scope, receive, send)


def is_allowed_path(path: str) -> bool:
    """`path` below the base. A page's trailing slash is Streamlit's to take away."""
    if path in _EXACT_PATHS or path.startswith(_PATH_PREFIXES):
        return True
    if path in _LOGIN_PATHS:
        return login() is not None
    return not path.startswith("//") and path.removesuffix("/").removeprefix("/") in PAGES


_ANY_ADDRESS = "::"


def listen_address(settings: AccessSettings) -> ListenAddress:
    """By what Streamlit was told; without a word it listens at all addresses."""
    return settings.listen_address(str(st.get_option("server.address") or _ANY_ADDRESS))


def check_access() -> None:
    """Raises ConfigError where others reach a dashboard that nothing guards."""
    settings = AccessSettings.load()
    require_protection(settings, listen_address(settings), guarded=login() is not None)


class FrontMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        settings, known = AccessSettings.load(), login()
        shown = known.origin if known else settings.app_url
        found = host_policy(settings, listen_address(settings), guarded=known is not None, public=shown)
        self._app = HostOriginMiddleware(_normalize_host(app), policy=found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _normalize_host(app: ASGIApp) -> ASGIApp:
    """Streamlit compares a websocket's Origin with its Host as texts, and asks the internet for this machine's address
    where they differ. Here they are known to belong together."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope = {**scope, "headers": _with_host_of_origin(scope)}
        await app(scope, receive, send)

    return named


def _with_host_of_origin(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    given = next((value for name, value in headers if name == b"origin"), None)
    if given is None:
        return headers
    netloc = given.strip().partition(b"://")[2]
    return [(name, netloc if name == b"host" else value) for name, value in headers]
