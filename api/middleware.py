"""Around every request: an id, security headers, and the measure of it."""

import logging
import random
import re
import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import RETRY_ON_PRIMARY, internal_error
from core.logging import log_context

log = logging.getLogger("api.access")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class RequestContextMiddleware:
    """`log_requests` writes a line for each: path, status and time, never the query or a header."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, *, log_requests: bool = False) -> None:
        self._app, self._log_requests = app, log_requests
        self._count = Counter("pipeline_health_http_requests", "Requests", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "pipeline_health_http_request_seconds", "Time to answer", ["route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message["headers"], scope["path"], request_id)
            await send(message)

        # The threads that answer take the fields with them.
        with log_context(request_id=request_id):
            try:
                await self._app(scope, receive, sending)
            except Exception as error:
                if status:
                    raise
                response = internal_error(request_id, scope["method"], scope["path"], error)
                await response(scope, receive, sending)
            finally:
                self._observe(scope, status, time.perf_counter() - started)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._count.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if self._log_requests:
            method, path = scope["method"], scope["path"]
            fields = {"method": method, "path": path, "status": status, "seconds": round(seconds, 4)}
            log.info("%s %s %d in %.0f ms", method, path, status, seconds * 1000, extra=fields)


class ReplicaRetryMiddleware:
    """What the replica broke off is asked once more, of the database itself, before anything is said of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        before, again = dict(scope), False

        async def sending(message: Message) -> None:
            nonlocal again
            if message["type"] == "http.response.start":
                again = scope.get("state", {}).pop(RETRY_ON_PRIMARY, False)
            if not again:
                await send(message)

        await self._app(scope, receive, sending)
        if again:
            # Routing has left its traces there.
            scope.clear()
            scope.update(before)
            await self._app(scope, receive, send)


def _request_id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def _add_headers(headers: list[tuple[bytes, bytes]], path: str, request_id: str) -> None:
    headers += (*_HEADERS, (b"x-request-id", request_id.encode()))
    if path.startswith("/api/") and not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store"))
