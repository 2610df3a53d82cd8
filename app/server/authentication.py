"""The login middleware: if a login is configured, only signed-in users reach the dashboard.

Public paths are listed; every other path is closed, including those that Streamlit may add later.
"""

import asyncio
import logging
import re
import time
from typing import Any
from urllib.parse import quote, unquote

from anyio import to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.login import CALLBACK, LoginConfig, login
from app.access.policy import AccessDenied, User
from app.access.sessions import SESSIONS, SIGNED_OUT
from app.data.viewer import person_of, viewing
from app.routes import PAGES
from app.server import sign_in
from app.server.sign_in import SIGN_IN_LIMITER
from app.streamlit_patches.auth_routes import provider_url
from app.streamlit_patches.cookies import (
    COOKIE_PREFIX,
    USER_COOKIE,
    XSRF_COOKIE,
    claims,
    has_xsrf_token,
    new_xsrf_token,
)

log = logging.getLogger(__name__)
SIGN_IN, SIGN_IN_FAILED, _LOGIN, _LOGOUT = "/sign-in", "/sign-in/failed", "/auth/login", "/auth/logout"
PUBLIC_PATHS = ("/health/live", "/health/ready", "/_stcore/health", SIGN_IN, SIGN_IN_FAILED, _LOGIN, _LOGOUT, CALLBACK)
# Fonts and the logo.
_PUBLIC_FILES = "/app/static/"
# An open page reports the end of its session by itself, before its websocket is closed.
GRACE_SECONDS = 30.0
_NEXT_PAGE_COOKIE = "pipeline_health_next"
_NEXT_PAGE_SECONDS = 900
_MAX_NEXT_PAGE_LENGTH = 3_000
_MAX_AGE = re.compile("max-age=[1-9][0-9]*", re.IGNORECASE)
# The interval at which an open websocket checks whether its user has signed out elsewhere.
RECHECK_SECONDS = 5.0
_NO_STORE = {"cache-control": "no-store"}


class LoginMiddleware:
    """Authorizes HTTP requests and websockets. Without a login it passes everything on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        config = login() if scope["type"] in ("http", "websocket") else None
        if config is None:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        identity = claims(connection.cookies, config.origin)
        access = await _authorize(config, identity)
        if scope["type"] == "websocket":
            await _SessionWebSocket(config, identity, receive, send).serve(access, self._app, scope)
            return
        path = scope["path"].removeprefix(config.base)
        is_signed_in = isinstance(access, User)
        if path == _LOGOUT and scope["method"] == "GET" and identity is not None and is_signed_in:
            await _revoke(identity)
        login_send = _LoginSend(send, config, path, connection, is_signed_in)
        wait_seconds = SIGN_IN_LIMITER.retry_after(_client_address(scope)) if path == _LOGIN else 0
        if wait_seconds:
            await _too_many_attempts(wait_seconds)(scope, receive, login_send)
        elif path == SIGN_IN:
            await _redirect_to_provider(config, connection)(scope, receive, login_send)
        elif path == SIGN_IN_FAILED:
            await sign_in.page(config, None, _next_page(connection), failed=True)(scope, receive, login_send)
        elif path in PUBLIC_PATHS or path.startswith(_PUBLIC_FILES) or isinstance(access, User):
            with viewing(person_of(access)):
                await self._app(scope, receive, login_send)
        else:
            await _deny(config, path, access, scope)(scope, receive, login_send)


class _SessionWebSocket:
    """A websocket that is closed when its session ends: by its age, or because the user signed out in any browser. A
    page refreshes itself and would otherwise show new data for as long as its tab is open."""

    def __init__(self, config: LoginConfig, identity: dict[str, Any] | None, receive: Receive, send: Send) -> None:
        self._config, self._identity, self._receive, self._send = config, identity, receive, send
        self._pending: asyncio.Future[Message] | None = None
        self._checked_at, self._expires_at = time.monotonic(), 0.0

    async def serve(self, access: User | AccessDenied | None, app: ASGIApp, scope: Scope) -> None:
        if not isinstance(access, User):
            await self._receive()
            await self._send({"type": "websocket.close", "code": 1008, "reason": "Sign in first."})
            return
        self._expires_at = access.expires_at + GRACE_SECONDS
        try:
            await app(scope, self._receive_next, self._send)
        finally:
            if self._pending:
                self._pending.cancel()

    async def _receive_next(self) -> Message:
        while not await self._has_ended():
            self._pending = self._pending or asyncio.ensure_future(self._receive())
            timeout = min(self._expires_at - time.time(), RECHECK_SECONDS)
            done, _ = await asyncio.wait({self._pending}, timeout=max(timeout, 0))
            if done:
                message, self._pending = self._pending.result(), None
                return message
        await self._send({"type": "websocket.close", "code": 1008, "reason": "The session has ended."})
        return {"type": "websocket.disconnect", "code": 1008}

    async def _has_ended(self) -> bool:
        if time.time() >= self._expires_at:
            return True
        if time.monotonic() - self._checked_at < RECHECK_SECONDS:
            return False
        self._checked_at = time.monotonic()
        access = await _authorize(self._config, self._identity)
        # A session that is too old ends only after GRACE_SECONDS.
        return isinstance(access, AccessDenied) and access.reason == SIGNED_OUT


class _LoginSend:
    """Sends a response: limits the login's cookies in time, marks them as secure, and redirects to the requested page
    after the provider's callback."""

    def __init__(self, send: Send, config: LoginConfig, path: str, connection: HTTPConnection, signed_in: bool) -> None:
        self._send, self._config, self._path, self._signed_in = send, config, path, signed_in
        self._connection = connection
        self._drop_body = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [self._harden_cookie(name, value) for name, value in message["headers"]]
            if self._path == CALLBACK:
                self._redirect_after_login(message)
            elif self._path == _LOGIN and message["status"] >= 400 and message["status"] != 429:
                self._redirect(message, SIGN_IN_FAILED)
            elif self._signed_in and self._path.removeprefix("/") in PAGES:
                self._set_xsrf_cookie(message)
        elif self._drop_body:
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def _harden_cookie(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        if name.lower() != b"set-cookie" or not value.startswith(COOKIE_PREFIX.encode()):
            return name, value
        text = value.decode("latin-1")
        if text.startswith(USER_COOKIE):
            text = _MAX_AGE.sub(f"Max-Age={self._config.policy.session_seconds}", text)
        if self._config.encrypted and "; secure" not in text.lower():
            text += "; Secure"
        return name, text.encode("latin-1")

    def _redirect_after_login(self, message: Message) -> None:
        if any(_sets_login_cookie(name, value) for name, value in message["headers"]):
            self._redirect(message, _next_page(self._connection))
            MutableHeaders(raw=message["headers"]).append("set-cookie", _next_page_cookie(self._config, "", 0))
        elif not self._signed_in and {"state", "error"} & set(self._connection.query_params):
            # A callback without `state` and `error` is the provider's redirect after a logout.
            self._redirect(message, SIGN_IN_FAILED)

    def _set_xsrf_cookie(self, message: Message) -> None:
        """Streamlit accepts the identity cookie of a websocket only together with this token. Its own document requests
        one first; the dashboard's document connects at once and brings the token itself."""
        if not has_xsrf_token(self._connection.cookies):
            secure = "; Secure" if self._config.encrypted else ""
            cookie = f"{XSRF_COOKIE}={new_xsrf_token()}; Path=/; SameSite=Lax{secure}"
            MutableHeaders(raw=message["headers"]).append("set-cookie", cookie)

    def _redirect(self, message: Message, path: str) -> None:
        message["status"] = 302
        headers = MutableHeaders(raw=message["headers"])
        headers["location"], headers["content-length"] = self._config.base + path, "0"
        self._drop_body = True


async def _authorize(config: LoginConfig, identity: dict[str, Any] | None) -> User | AccessDenied | None:
    """The user, or why the access is denied; null without a session."""
    if identity is None:
        return None
    if SESSIONS.is_cached(identity):
        return SESSIONS.authorize(config, identity)
    return await to_thread.run_sync(SESSIONS.authorize, config, identity)


async def _revoke(identity: dict[str, Any]) -> None:
    if not await to_thread.run_sync(SESSIONS.revoke, identity):
        log.warning("A user signed out while the database was unavailable: copies of the session cookie remain valid")


def _client_address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _too_many_attempts(seconds: int) -> Response:
    detail = f"Too many sign-in attempts from this address: wait {seconds} s."
    return JSONResponse({"detail": detail}, 429, _NO_STORE | {"retry-after": str(seconds)})


def safe_next_page(text: str) -> str:
    """The URL of a page of the dashboard with its query, relative to the base path; `/` for any other text. The result
    never contains what a browser could read as another host."""
    path, _, query = unquote(text).partition("?")
    page = path.removeprefix("/")
    if page not in PAGES or not path.startswith("/") or len(text) > _MAX_NEXT_PAGE_LENGTH:
        return "/"
    safe_query = quote(query, safe="=&%+-._~*!'(),:@/")
    return f"/{page}?{safe_query}" if safe_query else f"/{page}"


def _next_page(connection: HTTPConnection) -> str:
    return safe_next_page(connection.cookies.get(_NEXT_PAGE_COOKIE, ""))


def _redirect_to_provider(config: LoginConfig, connection: HTTPConnection) -> Response:
    """The provider's URL is valid for two minutes, so that it is created when the user follows the link."""
    query = connection.query_params
    provider = query.get("provider", next(iter(config.providers)))
    if provider not in config.providers:
        detail = f"provider: invalid value; expected one of {', '.join(config.providers)}"
        return JSONResponse({"detail": detail}, 422, _NO_STORE)
    response = Response(status_code=302, headers=_NO_STORE | {"location": provider_url(provider)})
    next_page = quote(safe_next_page(quote(query.get("next", "/"))), safe="")
    response.headers.append("set-cookie", _next_page_cookie(config, next_page, _NEXT_PAGE_SECONDS))
    return response


def _deny(config: LoginConfig, path: str, denied: AccessDenied | None, scope: Scope) -> Response:
    if path.strip("/") in PAGES and scope["method"] in ("GET", "HEAD"):
        query = scope.get("query_string", b"").decode("latin-1")
        next_page = safe_next_page(quote(f"/{path.strip('/')}" + (f"?{query}" if query else "")))
        return sign_in.page(config, denied, next_page)
    is_forbidden = denied is not None and not denied.session_expired
    detail = denied.reason if denied is not None else "Open the dashboard in a browser and sign in."
    return JSONResponse({"detail": detail}, 403 if is_forbidden else 401, _NO_STORE)


def _sets_login_cookie(name: bytes, value: bytes) -> bool:
    is_user_cookie = name.lower() == b"set-cookie" and value.startswith(f"{USER_COOKIE}=".encode())
    return is_user_cookie and b"max-age=0" not in value.lower()


def _next_page_cookie(config: LoginConfig, value: str, seconds: int) -> str:
    secure = "; Secure" if config.encrypted else ""
    return f"{_NEXT_PAGE_COOKIE}={value}; Path={config.base or '/'}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
