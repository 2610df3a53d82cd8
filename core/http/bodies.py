"""Limits of request bodies (size, time, media type) and problem documents for rejected requests."""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.http.origins import SAFE_METHODS
from core.numbers import parse_digits

MEDIA_TYPE = b"application/problem+json"


async def send_problem(
    scope: Scope, receive: Receive, send: Send, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> None:
    """Sends an RFC 9457 problem document as an HTTP response or as the rejection of a WebSocket handshake. `detail` is
    one line with the problem and the remedy."""
    message_prefix = ""
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
            return
        message_prefix = "websocket."
    title = HTTPStatus(status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    all_headers = {"content-length": str(len(body)), "cache-control": "no-store", **(headers or {})}
    raw = [
        (b"content-type", MEDIA_TYPE),
        *((name.lower().encode(), value.encode()) for name, value in all_headers.items()),
    ]
    await send({"type": f"{message_prefix}http.response.start", "status": status, "headers": raw})
    await send({"type": f"{message_prefix}http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})


MAX_BYTES = 64 * 1024
READ_TIMEOUT_SECONDS = 10.0
# Without draining, a client that is rejected while it sends would see a broken connection instead of the response.
_DRAIN_BYTES, _DRAIN_SECONDS = 8 * 2**20, 2.0


class RequestBodyMiddleware:
    """Reads each body before the application runs: at most MAX_BYTES within READ_TIMEOUT_SECONDS. Bodies must be JSON,
    which forms on pages of other sites cannot send. `exempt_paths`: routes with their own limits. `allow_forms` returns
    whether a request cannot come from a page, so that it may send a form."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        exempt_paths: Collection[str] = (),
        allow_forms: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app, self._exempt_paths, self._allow_forms = app, frozenset(exempt_paths), allow_forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt_paths:
            await self._app(scope, receive, send)
            return
        if _is_form(scope) and not self._allow_forms(scope):
            await send_problem(scope, receive, send, 415, "Content-Type: a body must be JSON; send application/json.")
            return
        if not has_body(scope):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(READ_TIMEOUT_SECONDS):
                body = await _read(scope, receive)
        except TimeoutError:
            late = f"The body did not arrive within {READ_TIMEOUT_SECONDS:.0f} seconds; send it again."
            await send_problem(scope, receive, send, 408, late)
            return
        except _TooLarge:
            limit = f"{MAX_BYTES // 1024} KB"
            await send_problem(scope, receive, send, 413, f"The body is larger than {limit}, the limit of this route.")
            return
        if body is not None:
            await self._app(scope, _replay_body(body, receive), send)


class BodyDrainMiddleware:
    """Closes the connection of a request whose response was sent before its body was complete. The rest of the body is
    discarded for a moment, so that the client can read the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        complete = False

        async def receiving() -> Message:
            nonlocal complete
            message = await receive()
            complete = complete or message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not complete:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            elif message["type"] == "http.response.body" and not message.get("more_body", False) and not complete:
                await send({**message, "more_body": True})
                await _drain(receiving)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, receiving, sending)


def has_body(scope: Scope) -> bool:
    """True where the headers of the request announce a body."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b" 0") != b""


class _TooLarge(Exception):
    """The announced or received body is larger than MAX_BYTES."""


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """The body; null where the client disconnected before its end. Raises _TooLarge."""
    length = dict(scope["headers"]).get(b"content-length", b"0").strip().decode("latin-1")
    if length.isascii() and length.isdigit() and parse_digits(length, MAX_BYTES) is None:
        raise _TooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BYTES:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _replay_body(body: bytes, receive: Receive) -> Receive:
    unread = True

    async def receiving() -> Message:
        nonlocal unread
        if unread:
            unread = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return receiving


async def _drain(receive: Receive) -> None:
    size = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _is_form(scope: Scope) -> bool:
    """True for a media type other than JSON: forms have one even if they are empty. A body without a type is not parsed
    as JSON, so that it is harmless."""
    media_type = dict(scope["headers"]).get(b"content-type")
    if scope["method"] in SAFE_METHODS or media_type is None:
        return False
    name = media_type.partition(b";")[0].strip().lower()
    return not (name == b"application/json" or (name.startswith(b"application/") and name.endswith(b"+json")))
