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
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.orm import Session

from db.queries.repositories import heartbeat
from db.version import VERSION

log = logging.getLogger(__name__)
_SECONDS, _ENTRIES = 60, 512
_REDIS_SECONDS = 0.25
_REDIS_PAUSE_SECONDS = 5.0
_COMPLAIN_SECONDS = 60.0


class Cache:
    """`name_space` keeps apart what several installations put into one Redis."""

    def __init__(self, redis_url: str | None, name_space: str = "") -> None:
        self._name_space = name_space
        self._memory: TTLCache[str, bytes] = TTLCache(_ENTRIES, _SECONDS)
        self._lock = threading.Lock()
        self._redis: Any = None
        self._complained_at = self._redis_again_at = float("-inf")
        if redis_url:
            self._redis = redis.Redis.from_url(
                redis_url,
                socket_timeout=_REDIS_SECONDS,
                socket_connect_timeout=_REDIS_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )

    def get(self, key: str) -> bytes | None:
        if self._redis_is_well():
            try:
                found: bytes | None = self._redis.get(self._full(key))
                return found
            except (redis.RedisError, OSError) as error:
                self._leave_redis(error)
        with self._lock:
            return self._memory.get(key)

    def put(self, key: str, body: bytes) -> None:
        if self._redis_is_well():
            try:
                self._redis.set(self._full(key), body, ex=_SECONDS)
                return
            except (redis.RedisError, OSError) as error:
                self._leave_redis(error)
        with self._lock:
            self._memory[key] = body

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()

    def _full(self, key: str) -> str:
        asked = f"{VERSION} {self._name_space} {key}"
        return "pipeline-health:" + hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()

    def _redis_is_well(self) -> bool:
        return self._redis is not None and time.monotonic() >= self._redis_again_at

    def _leave_redis(self, error: Exception) -> None:
        """For a few seconds nobody waits for it; the name of the error says enough, its text may hold the URL."""
        now = time.monotonic()
        self._redis_again_at = now + _REDIS_PAUSE_SECONDS
        if now - self._complained_at > _COMPLAIN_SECONDS:
            self._complained_at = now
            log.warning(
                "REDIS_URL: Redis cannot be used (%s); answers are cached in this process", type(error).__name__
            )


def cached(request: Request, session: Session, make: Callable[[], BaseModel]) -> Response:
    """The answer, from the cache if nothing changed, with an ETag; 304 where the client has it already."""
    cache: Cache = request.app.state.cache
    known = heartbeat(session)
    question = sorted(request.query_params.multi_items())
    asked = f"{request.url.path}?{question}@{known.data_version if known else 0}/{int(time.time()) // _SECONDS}"
    body = cache.get(asked)
    if body is None:
        body = make().model_dump_json().encode()
        cache.put(asked, body)
    return with_etag(request, body)


def with_etag(request: Request, body: bytes) -> Response:
    """The tag is weak: the same answer may go out compressed."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}
    offered = request.headers.get("if-none-match", "")
    if offered.strip() == "*" or f'"{tag}"' in (each.strip().removeprefix("W/") for each in offered.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
