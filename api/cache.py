"""Answers in a Redis that others may write to: each is sealed by a key that only programs with access to the database
have, and what does not fit its seal is as good as absent.

Answers kept by what was asked and by the version of the stored data: a sync that changes nothing makes nothing
stale. In this process, and in Redis for several of them.
"""

import gzip
import hashlib
import hmac
import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import redis
from cachetools import TTLCache
from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import VERSION
from core.redis_client import ERRORS, RedisClient
from db.access import installation_key, stored_key
from db.engine import DatabaseUnavailable, interactive_write_scope, session_scope
from db.repositories.repository_queries import heartbeat

log = logging.getLogger(__name__)
_PURPOSE = "answers"
_RETRY_SECONDS = 5.0
_DIGEST_SIZE = hashlib.sha256().digest_size
KeyProvider = Callable[[], bytes | None]


def sign(key: bytes, name: str, content: bytes) -> bytes:
    """The content behind its seal, which is good under this name alone."""
    return _digest(key, name, content) + content


def unsign(key: bytes, name: str, signed: bytes) -> bytes | None:
    """The content; null where it is not what was sealed under this name by a holder of the key."""
    seal, content = signed[:_DIGEST_SIZE], signed[_DIGEST_SIZE:]
    return content if hmac.compare_digest(seal, _digest(key, name, content)) else None


def _digest(key: bytes, name: str, content: bytes) -> bytes:
    made = hmac.new(key, name.encode(), "sha256")
    made.update(b"\0")
    made.update(content)
    return made.digest()


class InstallationKeyCache:
    """The key, read once from the database; null while that is away, and for all others while one waits for it: a
    replica may answer them meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self._known: bytes | None = None
        self._again_at = float("-inf")

    def __call__(self) -> bytes | None:
        if self._known is None and self._lock.acquire(blocking=False):
            try:
                if self._known is None and time.monotonic() >= self._again_at:
                    self._known = self._read()
            finally:
                self._lock.release()
        return self._known

    def _read(self) -> bytes | None:
        try:
            with session_scope(self._engine) as session:
                found = stored_key(session, _PURPOSE)
            if found is None:
                with interactive_write_scope(self._engine) as session:
                    found = installation_key(session, _PURPOSE)
            return found
        except (SQLAlchemyError, DatabaseUnavailable) as error:
            self._again_at = time.monotonic() + _RETRY_SECONDS
            log.warning(
                "Answers are not shared through Redis: the key that seals them cannot be read (%s)",
                type(error).__name__,
            )
            return None


_TTL_SECONDS = 60
# Of all answers in this process, and of one, as they are kept: what is larger is worked out anew each time.
_MAX_BYTES, _MAX_RESPONSE_BYTES = 64 * 2**20, 2**20
_ETAG_LENGTH = 32
# What fits into a few packets goes out as it is.
_MIN_COMPRESS_BYTES = 4000
_GZIP_MAGIC = b"\x1f\x8b"
# Of one entry in Redis: what is read of it never takes more, whoever wrote it.
_MAX_REDIS_BYTES = 8 * 2**20
_GZIP_WBITS = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class CachedResponse:
    """A JSON body, compressed where that pays, and its tag."""

    etag: str
    payload: bytes

    @classmethod
    def from_body(cls, body: bytes) -> "CachedResponse":
        return cls(etag_of(body), gzip.compress(body, 1, mtime=0) if len(body) >= _MIN_COMPRESS_BYTES else body)

    @classmethod
    def from_bytes(cls, content: bytes) -> "CachedResponse | None":
        """Of what `stored` gives; null for anything else, without unpacking more than an answer may have."""
        tag, kept = content[:_ETAG_LENGTH], content[_ETAG_LENGTH:]
        body = _decompress(kept) if kept.startswith(_GZIP_MAGIC) else kept
        if body is None or tag != etag_of(body).encode():
            return None
        return cls(tag.decode("ascii"), kept)

    @property
    def serialized(self) -> bytes:
        return self.etag.encode() + self.payload

    @property
    def is_compressed(self) -> bool:
        return self.payload.startswith(_GZIP_MAGIC)

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.payload) if self.is_compressed else self.payload

    def render(self, if_none_match: str, accept_encoding: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one who has those tags and accepts those encodings. The tag is weak: the same
        answer goes out compressed and plain."""
        headers = {"etag": f'W/"{self.etag}"', "cache-control": "private, no-cache", "vary": "Accept-Encoding"}
        if if_none_match and etag_matches(if_none_match, self.etag):
            return 304, headers, b""
        headers["content-type"] = "application/json"
        if self.is_compressed and _accepts_gzip(accept_encoding):
            headers["content-encoding"] = "gzip"
            return 200, headers, self.payload
        return 200, headers, self.body


class ResponseCache:
    """`name_space` keeps apart what several installations put into one Redis, which is used only with the `key` that
    its entries are sealed by."""

    def __init__(self, redis_client: RedisClient | None, namespace: str = "", key: KeyProvider = lambda: None) -> None:
        self._namespace, self._redis, self._key = namespace, redis_client, key
        self._memory: TTLCache[str, CachedResponse] = TTLCache(
            _MAX_BYTES, _TTL_SECONDS, getsizeof=lambda each: len(each.payload)
        )
        self._lock = threading.Lock()
        self._key_locks = [threading.Lock() for _ in range(64)]

    def get_local(self, key: str) -> CachedResponse | None:
        """From this process alone: never waits."""
        with self._lock:
            return self._memory.get(key)

    def get(self, key: str) -> CachedResponse | None:
        found = self.get_local(key)
        if found or not self._redis or not self._redis.is_available():
            return found
        secret = self._key()
        if secret is None:
            return None
        name = self._redis_key(key)
        try:
            stored = self._redis.client.getrange(name, 0, _MAX_REDIS_BYTES)
        except redis.ResponseError:
            # Something else has this name.
            return None
        except ERRORS as error:
            self._redis.mark_down(error)
            return None
        content = unsign(secret, name, stored) if isinstance(stored, bytes) and stored else None
        answer = CachedResponse.from_bytes(content) if content else None
        if answer:
            self._store_local(key, answer)
        return answer

    def store(self, key: str, response: CachedResponse) -> None:
        """Here and in Redis; an answer that is too large in neither."""
        if len(response.payload) > _MAX_RESPONSE_BYTES:
            return
        self._store_local(key, response)
        if not self._redis or not self._redis.is_available() or (secret := self._key()) is None:
            return
        name = self._redis_key(key)
        entry = sign(secret, name, response.serialized)
        if len(entry) > _MAX_REDIS_BYTES:
            return
        try:
            self._redis.client.set(name, entry, ex=_TTL_SECONDS)
        except ERRORS as error:
            self._redis.mark_down(error)

    def key_lock(self, key: str) -> threading.Lock:
        """Held by who makes this answer, so that fifty who ask the same at once have it made once."""
        return self._key_locks[hash(key) % len(self._key_locks)]

    def _store_local(self, key: str, response: CachedResponse) -> None:
        with self._lock:
            self._memory[key] = response

    def _redis_key(self, key: str) -> str:
        asked = f"{VERSION} {self._namespace} {key}"
        return "pipeline-health:" + hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()


def cache_key(path: str, parameters: Iterable[tuple[str, str]], version: int) -> str:
    """Windows that end now move on once a minute."""
    return f"{path}?{sorted(parameters)}@{version}/{int(time.time()) // _TTL_SECONDS}"


def cached_response(request: Request, session: Session, build: Callable[[], BaseModel | dict[str, Any]]) -> Response:
    """The answer, from the cache if nothing changed, with an ETag; 304 where the client has it already. A plain
    dictionary is sent as it is: a long series is not copied into a model first."""
    cache: ResponseCache = request.app.state.cache
    known = heartbeat(session)
    key = cache_key(request.url.path, request.query_params.multi_items(), known.data_version if known else 0)
    answer = cache.get(key)
    if answer is None:
        with cache.key_lock(key):
            answer = cache.get_local(key) or CachedResponse.from_body(_json(build()))
            cache.store(key, answer)
    return _to_response(request, answer)


def _json(body: BaseModel | dict[str, Any]) -> bytes:
    return to_json(body) if isinstance(body, dict) else body.model_dump_json().encode()


def with_etag(request: Request, body: BaseModel) -> Response:
    """An answer that is not kept."""
    return _to_response(request, CachedResponse.from_body(body.model_dump_json().encode()))


def _to_response(request: Request, cached: CachedResponse) -> Response:
    offered, accepted = (request.headers.get(name, "") for name in ("if-none-match", "accept-encoding"))
    status, headers, body = cached.render(offered, accepted)
    return Response(body, status, headers)


def _decompress(payload: bytes) -> bytes | None:
    """Null where it is no gzip, is broken, or unpacks to more than an answer may have."""
    unpacker = zlib.decompressobj(_GZIP_WBITS)
    try:
        body = unpacker.decompress(payload, _MAX_BYTES)
    except zlib.error:
        return None
    return body if unpacker.eof and not unpacker.unused_data else None


def etag_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_ETAG_LENGTH]


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Does If-None-Match name it? Compared weakly, RFC 9110 section 8.8.3.2."""
    return if_none_match.strip() == "*" or f'"{etag}"' in (
        each.strip().removeprefix("W/") for each in if_none_match.split(",")
    )


def _accepts_gzip(accept_encoding: str) -> bool:
    for each in accept_encoding.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
