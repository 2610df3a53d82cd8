"""Answers that are kept go out before anything else is done for a request."""

import time
from typing import NamedTuple

import anyio
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import is_allowed
from api.cache import ResponseCache, cache_key
from api.schema_guard import SchemaGuard
from db.engine import DatabaseUnavailable
from db.migrate import NotMigrated
from db.replica import ReplicaRouter
from db.repositories.repository_queries import data_version

CACHED_PATHS = (
    "/api/runs", "/api/metrics", "/api/metrics/series", "/api/metrics/groups", "/api/insights/flaky",
    "/api/insights/failures", "/api/insights/regressions", "/api/insights/attention",
)  # fmt: skip
# The version of the data is asked for so often, whatever number of requests arrive.
VERSION_TTL_SECONDS = 0.25


class _Route(NamedTuple):
    """For the measure of requests by route."""

    path: str


class ResponseCacheMiddleware:
    """What is not kept, not allowed or not certain goes on to the route, which answers as ever."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        reader: ReplicaRouter,
        schema_guard: SchemaGuard,
        cache: ResponseCache,
        keys: tuple[str, ...],
    ) -> None:
        self._app, self._cache, self._keys = app, cache, keys
        self._version = _DataVersion(reader, schema_guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in CACHED_PATHS:
            headers = Headers(scope=scope)
            version = await self._version.current() if is_allowed(headers, self._keys) else None
            if version is not None:
                asked = QueryParams(scope["query_string"]).multi_items()
                kept = self._cache.get_local(cache_key(scope["path"], asked, version))
                if kept:
                    scope["route"] = _Route(scope["path"])
                    tags, accepted = headers.get("if-none-match", ""), headers.get("accept-encoding", "")
                    await _send(send, *kept.render(tags, accepted))
                    return
        await self._app(scope, receive, send)


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    if status == 200:
        listed.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})


class _DataVersion:
    """The version of the stored data, at most FRESH_SECONDS old; null while the database cannot be asked."""

    def __init__(self, reader: ReplicaRouter, schema_guard: SchemaGuard) -> None:
        self._reader, self._schema_guard = reader, schema_guard
        self._lock = anyio.Lock()
        self._value: int | None = None
        self._read_at = float("-inf")

    async def current(self) -> int | None:
        if time.monotonic() - self._read_at >= VERSION_TTL_SECONDS:
            async with self._lock:
                if time.monotonic() - self._read_at >= VERSION_TTL_SECONDS:
                    self._value = await run_in_threadpool(self._read)
                    self._read_at = time.monotonic()
        return self._value

    def _read(self) -> int | None:
        try:
            self._schema_guard.check()
            found = self._query()
            # A replica that is behind what was answered before is not asked any more.
            return self._query() if found is None else found
        except (DatabaseUnavailable, NotMigrated, SQLAlchemyError):
            return None  # the route says what is wrong

    def _query(self) -> int | None:
        """Null where the reader had gone back."""
        with self._reader.session() as session:
            version = data_version(session)
            return None if self._reader.is_stale_read(session, version) else version
