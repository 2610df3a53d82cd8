"""Middleware for all requests: request id, security headers, request metrics, compression, and retries of replica
errors on the primary database."""

import logging
import random
import re
import time
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
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
    """Sets the request id and security headers, and counts and times requests. `log_requests` logs method, path, status
    and duration of each request, never its query or headers."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, *, log_requests: bool = False) -> None:
        self._app, self._log_requests = app, log_requests
        self._count = Counter(
            "pipeline_health_http_requests",
            "HTTP requests by route and status code",
            ["route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "pipeline_health_http_request_seconds", "Duration of HTTP requests by route", ["route"], registry=registry
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

        # Worker threads inherit the log context.
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
    """Repeats a GET request once on the primary database where the replica aborted its query, before any byte is
    sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        original_scope, retry = dict(scope), False

        async def sending(message: Message) -> None:
            nonlocal retry
            if message["type"] == "http.response.start":
                retry = scope.get("state", {}).pop(RETRY_ON_PRIMARY, False)
            if not retry:
                await send(message)

        await self._app(scope, receive, sending)
        if retry:
            # Routing added entries.
            scope.clear()
            scope.update(original_scope)
            await self._app(scope, receive, send)


class CompressionMiddleware(GZipMiddleware):
    """Compresses responses, except for `precompressed_paths`: their cached responses are compressed already."""

    def __init__(self, app: ASGIApp, *, precompressed_paths: Collection[str]) -> None:
        super().__init__(
            app,
            minimum_size=1000,
            compresslevel=5,
            exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.parquet"),
        )
        self._precompressed_paths = frozenset(precompressed_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._precompressed_paths:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _request_id(scope: Scope) -> str:
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def _add_headers(headers: list[tuple[bytes, bytes]], path: str, request_id: str) -> None:
    headers += (*_HEADERS, (b"x-request-id", request_id.encode()))
    if path.startswith("/api/") and not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-store"))
