"""Which requests the server accepts: known paths, safe methods, allowed hosts and origins.

Every other path is a 404, including what Streamlit serves besides the dashboard: uploads, its metrics, components of
other packages.
"""

import streamlit as st
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.login import CALLBACK, login
from app.routes import PAGES
from app.server.sign_in import not_found_page
from app.settings import AccessSettings
from app.streamlit_patches.websocket_host import WebSocketHostMiddleware
from core.http.bodies import send_problem
from core.http.middleware import HostOriginMiddleware
from core.http.origins import SAFE_METHODS
from core.http.settings import ListenAddress, host_policy, require_protection

_WEBSOCKET_PATH = "/_stcore/stream"
_EXACT_PATHS = frozenset(
    (
        "/health/live",
        "/health/ready",
        "/_stcore/health",
        "/_stcore/host-config",
        "/favicon.png",
        "/manifest.json",
        "/palette.json",
    )
)
_LOGIN_PATHS = frozenset(("/sign-in", "/sign-in/failed", "/auth/login", "/auth/logout", CALLBACK))
_PATH_PREFIXES = ("/static/", "/app/static/", "/media/", "/logs/", "/log-viewer-", "/palette-")
_ANY_ADDRESS = "::"


class AllowedPathsMiddleware:
    """Refuses other paths with 404 and other methods with 405, for HTTP and websockets, without reading the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._base = base_path()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(self._base)
        is_known = path == _WEBSOCKET_PATH if scope["type"] == "websocket" else is_allowed_path(path)
        if not is_known:
            if scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", ""):
                await not_found_page(self._base, path)(scope, receive, send)
                return
            detail = "This address does not exist; the dashboard starts at /."
            await send_problem(scope, receive, send, 404, detail)
        elif scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            allowed = ", ".join(SAFE_METHODS)
            detail = f"This address does not accept {scope['method']}; allowed: {allowed}."
            await send_problem(scope, receive, send, 405, detail, {"allow": allowed})
        else:
            await self._app(scope, receive, send)


def is_allowed_path(path: str) -> bool:
    """`path` is relative to the base path. Streamlit redirects a page with a trailing slash."""
    if path in _EXACT_PATHS or path.startswith(_PATH_PREFIXES):
        return True
    if path in _LOGIN_PATHS:
        return login() is not None
    return not path.startswith("//") and path.removesuffix("/").removeprefix("/") in PAGES


def base_path() -> str:
    """The path below which Streamlit serves the dashboard: empty, or like `/x`."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def listen_address(settings: AccessSettings) -> ListenAddress:
    """Streamlit's server.address; without one it listens on all addresses."""
    return settings.listen_address(str(st.get_option("server.address") or _ANY_ADDRESS))


def check_access() -> None:
    """Raises ConfigError if other machines can reach a dashboard without a login."""
    settings = AccessSettings.load()
    require_protection(settings, listen_address(settings), guarded=login() is not None)


class AllowedHostsMiddleware:
    """Refuses requests whose Host or Origin is not one of the dashboard's."""

    def __init__(self, app: ASGIApp) -> None:
        settings, config = AccessSettings.load(), login()
        public_url = config.origin if config else settings.app_url
        policy = host_policy(settings, listen_address(settings), guarded=config is not None, public=public_url)
        self._app = HostOriginMiddleware(WebSocketHostMiddleware(app), policy=policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
