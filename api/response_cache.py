"""Answers that are kept go out before anything else is done for a request."""

import time
from typing import NamedTuple

import anyio
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import is_allowed
from api.cache import Cache, key_of
from api.schema_guard import Gate
from db.engine import DatabaseUnavailable
from db.migrate import NotMigrated
from db.replica import Reader
from db.repositories.repository_queries import data_version

PATHS = (
    "/api/runs", "/api/metrics", "/api/metrics/series", "/api/metrics/groups", "/api/insights/flaky",
    "/api/insights/failures", "/api/insights/regressions", "/api/insights/attention",
)  # fmt: skip
# The version of the data is asked for so often, whatever number of requests arrive.
FRESH_SECONDS = 0.25


class _Route(NamedTuple):
    """For the measure of requests by route."""

    path: str


class KeptAnswers:
    """What is not kept, not allowed or not certain goes on to the route, which answers as ever."""

    def __init__(self, app: ASGIApp, *, reader: Reader, gate: Gate, cache: Cache, keys: tuple[str, ...]) -> None:
        self._app, self._cache, self._keys = app, cache, keys
        self._version = _Version(reader, gate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PATHS:
            headers = Headers(scope=scope)
            version = await self._version.now() if is_allowed(headers, self._keys) else None
            if version is not None:
                asked = QueryParams(scope["query_string"]).multi_items()
                kept = self._cache.here(key_of(scope["path"], asked, version))
                if kept:
                    scope["route"] = _Route(scope["path"])
                    tags, accepted = headers.get("if-none-match", ""), headers.get("accept-encoding", "")
                    await _send(send, *kept.to_send(tags, accepted))
                    return
        await self._app(scope, receive, send)


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    if status == 200:
        listed.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})


class _Version:
    """The version of the stored data, at most FRESH_SECONDS old; null while the database cannot be asked."""

    def __init__(self, reader: Reader, gate: Gate) -> None:
        self._reader, self._gate = reader, gate
        self._lock = anyio.Lock()
        self._known: int | None = None
        self._at = float("-inf")

    async def now(self) -> int | None:
        if time.monotonic() - self._at >= FRESH_SECONDS:
            async with self._lock:
                if time.monotonic() - self._at >= FRESH_SECONDS:
                    self._known = await run_in_threadpool(self._read)
                    self._at = time.monotonic()
        return self._known

    def _read(self) -> int | None:
        try:
            self._gate.check()
            found = self._ask()
            # A replica that is behind what was answered before is not asked any more.
            return self._ask() if found is None else found
        except (DatabaseUnavailable, NotMigrated, SQLAlchemyError):
            return None  # the route says what is wrong

    def _ask(self) -> int | None:
        """Null where the reader had gone back."""
        with self._reader.session() as session:
            version = data_version(session)
            return None if self._reader.went_back(session, version) else version
