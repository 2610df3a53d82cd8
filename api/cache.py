"""Answers kept by what was asked and by the version of the stored data: a sync that changes nothing makes nothing
stale. In this process, or in Redis for several of them; without Redis it is slower, never broken."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from cachetools import TTLCache
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from db.queries.repositories import heartbeat

log = logging.getLogger(__name__)
_SECONDS, _ENTRIES = 60, 512
_REDIS_SECONDS = 0.25
_COMPLAIN_SECONDS = 60.0


class Cache:
    def __init__(self, redis_url: str | None) -> None:
        self._memory: TTLCache[str, bytes] = TTLCache(_ENTRIES, _SECONDS)
        self._lock = threading.Lock()
        self._redis: Any = None
        self._complained = 0.0
        if redis_url:
            self._redis = redis.Redis.from_url(
                redis_url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
            )

    def get(self, key: str) -> bytes | None:
        if self._redis is not None:
            try:
                found: bytes | None = self._redis.get(key)
                return found
            except redis.RedisError as error:
                self._complain(error)
        with self._lock:
            return self._memory.get(key)

    def put(self, key: str, body: bytes) -> None:
        if self._redis is not None:
            try:
                self._redis.set(key, body, ex=_SECONDS)
                return
            except redis.RedisError as error:
                self._complain(error)
        with self._lock:
            self._memory[key] = body

    def _complain(self, error: redis.RedisError) -> None:
        if time.monotonic() - self._complained > _COMPLAIN_SECONDS or not self._complained:
            self._complained = time.monotonic()
            log.warning(
                "REDIS_URL: Redis cannot be used (%s); answers are cached in this process", type(error).__name__
            )


def cached(request: Request, session: Session, make: Callable[[], BaseModel]) -> Response:
    """The answer, from the cache if nothing changed, with an ETag; 304 where the client has it already."""
    cache: Cache = request.app.state.cache
    known = heartbeat(session)
    question = sorted(request.query_params.multi_items())
    asked = f"{request.url.path}?{question}@{known.data_version if known else 0}/{int(time.time()) // _SECONDS}"
    key = "pipeline-health:" + hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
    body = cache.get(key)
    if body is None:
        body = make().model_dump_json().encode()
        cache.put(key, body)
    return with_etag(request, body)


def with_etag(request: Request, body: bytes) -> Response:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    offered = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if etag in offered:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
