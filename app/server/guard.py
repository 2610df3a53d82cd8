"""Nothing of the dashboard goes to anybody who is not signed in, where a login is configured. What is open is named
here; all else is shut, also what Streamlit may serve one day."""

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
from streamlit.web.server.starlette.starlette_app_utils import decode_xsrf_token_string, generate_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import XSRF_COOKIE_NAME

from app.access.login import CALLBACK, LoginConfig, login
from app.access.policy import AccessDenied, User
from app.access.sessions import SESSIONS, SIGNED_OUT
from app.routes import PAGES
from app.server import sign_in
from app.server.sign_in import SIGN_IN_LIMITER
from app.streamlit_patches.cookies import claims

log = logging.getLogger(__name__)
SIGN_IN, SIGN_IN_FAILED, _LOGIN, _LOGOUT = "/sign-in", "/sign-in/failed", "/auth/login", "/auth/logout"
PUBLIC_PATHS = ("/health/live", "/health/ready", "/_stcore/health", SIGN_IN, SIGN_IN_FAILED, _LOGIN, _LOGOUT, CALLBACK)
# Fonts and the logo.
_PUBLIC_FILES = "/app/static/"
# Open pages say by themselves that a session has ended, shortly before they are cut off.
GRACE_SECONDS = 30.0
_NEXT_COOKIE = "pipeline_health_next"
_NEXT_SECONDS = 900
_MAX_AGE = re.compile("max-age=[1-9][0-9]*", re.IGNORECASE)
# How often an open page is looked at whose person may have signed out elsewhere.
RECHECK_SECONDS = 5.0
_NO_STORE = {"cache-control": "no-store"}


class LoginMiddleware:
    """Of HTTP and of websockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = login() if scope["type"] in ("http", "websocket") else None
        if known is None:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        told = claims(connection.cookies, known.origin)
        found = await _authorize(known, told)
        if scope["type"] == "websocket":
            await _SessionWebSocket(known, told, receive, send).serve(found, self._app, scope)
            return
        path = scope["path"].removeprefix(known.base)
        if path == _LOGOUT and scope["method"] == "GET" and told is not None and isinstance(found, User):
            await _revoke(told)
        sending = _LoginSend(send, known, path, connection, isinstance(found, User))
        wait = SIGN_IN_LIMITER.retry_after(_client_address(scope)) if path == _LOGIN else 0
        if wait:
            await _too_many_attempts(wait)(scope, receive, sending)
        elif path == SIGN_IN:
            await _to_provider(known, connection)(scope, receive, sending)
        elif path == SIGN_IN_FAILED:
            await sign_in.page(known, None, _next_page(connection), failed=True)(scope, receive, sending)
        elif path in PUBLIC_PATHS or path.startswith(_PUBLIC_FILES) or isinstance(found, User):
            await self._app(scope, receive, sending)
        else:
            await _deny(known, path, found, scope)(scope, receive, sending)


class _SessionWebSocket:
    """A websocket that is cut off when the session ends, by time or by signing out anywhere: what refreshes by itself
    would go on for as long as the tab is open."""

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
            left = min(self._expires_at - time.time(), RECHECK_SECONDS)
            done, _ = await asyncio.wait({self._pending}, timeout=max(left, 0))
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
        found = await _authorize(self._config, self._identity)
        # Its time is up only GRACE_SECONDS later.
        return isinstance(found, AccessDenied) and found.reason == SIGNED_OUT


class _LoginSend:
    """Sends an answer with the login's cookies as short-lived and as secret as they can be, and leads on to the page
    that was asked for when somebody comes back from the provider."""

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
        if name.lower() != b"set-cookie" or not value.startswith(b"_streamlit_"):
            return name, value
        text = value.decode("latin-1")
        if text.startswith("_streamlit_user"):
            text = _MAX_AGE.sub(f"Max-Age={self._config.policy.session_seconds}", text)
        if self._config.encrypted and "; secure" not in text.lower():
            text += "; Secure"
        return name, text.encode("latin-1")

    def _redirect_after_login(self, message: Message) -> None:
        if any(_sets_login_cookie(name, value) for name, value in message["headers"]):
            self._redirect(message, safe_next_page(self._connection.cookies.get(_NEXT_COOKIE, "")))
            MutableHeaders(raw=message["headers"]).append("set-cookie", _cookie(self._config, "", 0))
        elif not self._signed_in and {"state", "error"} & set(self._connection.query_params):
            # Without both, the provider only says that somebody signed out.
            self._redirect(message, SIGN_IN_FAILED)

    def _set_xsrf_cookie(self, message: Message) -> None:
        """Streamlit believes the cookie of a websocket only beside this token. Its own pages fetch one first; ours
        connect at once, so that it comes with them."""
        if decode_xsrf_token_string(self._connection.cookies.get(XSRF_COOKIE_NAME, ""))[0] is None:
            secure = "; Secure" if self._config.encrypted else ""
            made = f"{XSRF_COOKIE_NAME}={generate_xsrf_token_string()}; Path=/; SameSite=Lax{secure}"
            MutableHeaders(raw=message["headers"]).append("set-cookie", made)

    def _redirect(self, message: Message, path: str) -> None:
        message["status"] = 302
        headers = MutableHeaders(raw=message["headers"])
        headers["location"], headers["content-length"] = self._config.base + path, "0"
        self._drop_body = True


async def _authorize(config: LoginConfig, identity: dict[str, Any] | None) -> User | AccessDenied | None:
    """Null where nobody is signed in."""
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
    why = f"Too many attempts to sign in from this address: wait {seconds} s."
    return JSONResponse({"detail": why}, 429, _NO_STORE | {"retry-after": str(seconds)})


def safe_next_page(text: str) -> str:
    """A page of ours with its query, below the base; anything else is the first page. Nothing that a browser could
    take for another host gets through."""
    path, _, query = unquote(text).partition("?")
    page = path.removeprefix("/")
    if page not in PAGES or not path.startswith("/") or len(text) > 3_000:
        return "/"
    safe = quote(query, safe="=&%+-._~*!'(),:@/")
    return f"/{page}?{safe}" if safe else f"/{page}"


def _next_page(connection: HTTPConnection) -> str:
    return safe_next_page(connection.cookies.get(_NEXT_COOKIE, ""))


def _to_provider(config: LoginConfig, connection: HTTPConnection) -> Response:
    """The link itself lasts two minutes, so that it is made when somebody follows it."""
    query = connection.query_params
    provider = query.get("provider", next(iter(config.providers)))
    if provider not in config.providers:
        return JSONResponse({"detail": f"provider: there is {', '.join(config.providers)}."}, 422, _NO_STORE)
    answer = Response(status_code=302, headers=_NO_STORE | {"location": sign_in.provider_url(provider)})
    answer.headers.append(
        "set-cookie", _cookie(config, quote(safe_next_page(quote(query.get("next", "/"))), safe=""), _NEXT_SECONDS)
    )
    return answer


def _deny(config: LoginConfig, path: str, denied: AccessDenied | None, scope: Scope) -> Response:
    if path.strip("/") in PAGES and scope["method"] in ("GET", "HEAD"):
        query = scope.get("query_string", b"").decode("latin-1")
        return sign_in.page(
            config, denied, safe_next_page(quote(f"/{path.strip('/')}" + (f"?{query}" if query else "")))
        )
    signed_in = denied is not None and not denied.session_expired
    why = denied.reason if denied is not None else "Open the dashboard in a browser and sign in."
    return JSONResponse({"detail": why}, 403 if signed_in else 401, _NO_STORE)


def _sets_login_cookie(name: bytes, value: bytes) -> bool:
    return name.lower() == b"set-cookie" and value.startswith(b"_streamlit_user=") and b"max-age=0" not in value.lower()


def _cookie(config: LoginConfig, value: str, seconds: int) -> str:
    secure = "; Secure" if config.encrypted else ""
    return f"{_NEXT_COOKIE}={value}; Path={config.base or '/'}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
