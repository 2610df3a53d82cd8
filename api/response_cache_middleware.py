"""Middleware that sends cached responses before the rest of the application runs."""

import time
from typing import NamedTuple

import anyio
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from api.keyring import caller_of
from api.response_cache import DATA_VERSION, ResponseCache, cache_key
from api.schema_guard import SchemaGuard
from api.visibility import Visibilities, person_of
from db.engine import DatabaseUnavailable
from db.migrate import NotMigrated
from db.replica import ReplicaRouter
from db.repositories.repository_queries import data_version

CACHED_PATHS = (
    "/api/runs",
    "/api/metrics",
    "/api/metrics/series",
    "/api/metrics/groups",
    "/api/insights/flaky",
    "/api/insights/failures",
    "/api/insights/regressions",
    "/api/insights/attention",
)
# The version of the stored data is read at most once in this time.
VERSION_TTL_SECONDS = 0.25


class _Route(NamedTuple):
    """Has the attribute of a route that RequestContextMiddleware uses as a label."""

    path: str


class ResponseCacheMiddleware:
    """Serves GET requests for CACHED_PATHS from the memory of this process. All other requests, including those without
    a valid key and those while the database is unavailable, continue to the route."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        reader: ReplicaRouter,
        schema_guard: SchemaGuard,
        cache: ResponseCache,
        visibilities: Visibilities,
    ) -> None:
        self._app, self._cache, self._visibilities = app, cache, visibilities
        self._version = _DataVersion(reader, schema_guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in CACHED_PATHS:
            headers = Headers(scope=scope)
            principal = caller_of(scope).principal
            version = await self._version.current() if principal else None
            if version is not None:
                scope.setdefault("state", {})[DATA_VERSION] = version
                parameters = QueryParams(scope["query_string"]).multi_items()
                visible = self._visibilities.cached(person_of(principal))
                cached = visible and self._cache.get_local(cache_key(scope["path"], parameters, version, visible[0]))
                if cached:
                    scope["route"] = _Route(scope["path"])
                    if_none_match, accept_encoding = (
                        headers.get("if-none-match", ""),
                        headers.get("accept-encoding", ""),
                    )
                    await _send(send, *cached.render(if_none_match, accept_encoding))
                    return
        await self._app(scope, receive, send)


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
    if status == 200:
        raw_headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": raw_headers})
    await send({"type": "http.response.body", "body": body})


class _DataVersion:
    """The version of the stored data, at most VERSION_TTL_SECONDS old; null while the database is unavailable."""

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
            version = self._query()
            # After a stale read the router uses the primary database.
            return self._query() if version is None else version
        except (DatabaseUnavailable, NotMigrated, SQLAlchemyError):
            return None  # the route reports the error

    def _query(self) -> int | None:
        """Null where a replica is behind an earlier read."""
        with self._reader.session() as session:
            version = data_version(session)
            return None if self._reader.is_stale_read(session, version) else version
