"""Cache of JSON responses, in this process and in a Redis that several processes share.

The key of an entry has the version of the stored data: a sync that changes nothing invalidates nothing. Other programs
may write to the same Redis, so that entries there are signed with a key from the database; an entry with a wrong
signature counts as missing."""

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
from core.http.headers import ETAG_LENGTH, accepts_gzip, etag_matches, etag_of
from core.redis_client import ERRORS, RedisClient
from db.access import installation_key, stored_key
from db.engine import DatabaseUnavailable, interactive_write_scope, session_scope
from db.replica import reads_replica
from db.repositories.repository_queries import data_version
from db.visibility import Visibility, visibility_key, visibility_of

log = logging.getLogger(__name__)
_PURPOSE = "answers"
# In the state of a request: the version of the stored data, as ResponseCacheMiddleware read it.
DATA_VERSION = "data_version"
_RETRY_SECONDS = 5.0
_DIGEST_SIZE = hashlib.sha256().digest_size
KeyProvider = Callable[[], bytes | None]


def sign(key: bytes, name: str, content: bytes) -> bytes:
    """The signature followed by the content. The signature is valid only for this name."""
    return _digest(key, name, content) + content


def unsign(key: bytes, name: str, signed: bytes) -> bytes | None:
    """The content; null where the signature is wrong."""
    signature, content = signed[:_DIGEST_SIZE], signed[_DIGEST_SIZE:]
    return content if hmac.compare_digest(signature, _digest(key, name, content)) else None


def _digest(key: bytes, name: str, content: bytes) -> bytes:
    mac = hmac.new(key, name.encode(), "sha256")
    mac.update(b"\0")
    mac.update(content)
    return mac.digest()


class InstallationKeyCache:
    """The signing key of this installation, read once from the database. Null while the database is unavailable, and
    for other threads while one thread reads it: they do not wait, as a replica may serve them."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self._key: bytes | None = None
        self._retry_at = float("-inf")

    def __call__(self) -> bytes | None:
        if self._key is None and self._lock.acquire(blocking=False):
            try:
                if self._key is None and time.monotonic() >= self._retry_at:
                    self._key = self._read()
            finally:
                self._lock.release()
        return self._key

    def _read(self) -> bytes | None:
        try:
            with session_scope(self._engine) as session:
                key = stored_key(session, _PURPOSE)
            if key is None:
                with interactive_write_scope(self._engine) as session:
                    key = installation_key(session, _PURPOSE)
            return key
        except (SQLAlchemyError, DatabaseUnavailable) as error:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            log.warning(
                "Responses are not cached in Redis: their signing key cannot be read from the database (%s)",
                type(error).__name__,
            )
            return None


_TTL_SECONDS = 60
# Sizes as stored: of all responses in this process, and of one. Larger responses are not cached.
_MAX_BYTES, _MAX_RESPONSE_BYTES = 64 * 2**20, 2**20
# Smaller responses fit into a few packets and are sent uncompressed.
_MIN_COMPRESS_BYTES = 4000
_GZIP_MAGIC = b"\x1f\x8b"
# Limits what is read of one entry in Redis, whatever another program stored there.
_MAX_REDIS_BYTES = 8 * 2**20
_GZIP_WBITS = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class CachedResponse:
    """A JSON body, compressed from _MIN_COMPRESS_BYTES on, and its entity tag."""

    etag: str
    payload: bytes

    @classmethod
    def from_body(cls, body: bytes) -> "CachedResponse":
        return cls(etag_of(body), gzip.compress(body, 1, mtime=0) if len(body) >= _MIN_COMPRESS_BYTES else body)

    @classmethod
    def from_bytes(cls, content: bytes) -> "CachedResponse | None":
        """Parses `serialized`; null for anything else. Decompresses at most _MAX_BYTES."""
        tag, payload = content[:ETAG_LENGTH], content[ETAG_LENGTH:]
        body = _decompress(payload) if payload.startswith(_GZIP_MAGIC) else payload
        if body is None or tag != etag_of(body).encode():
            return None
        return cls(tag.decode("ascii"), payload)

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
        """Status, headers and body for a request with these If-None-Match and Accept-Encoding headers. The entity tag
        is weak, because it is the same for the compressed and the plain body."""
        headers = {"etag": f'W/"{self.etag}"', "cache-control": "private, no-cache", "vary": "Accept-Encoding"}
        if if_none_match and etag_matches(if_none_match, self.etag):
            return 304, headers, b""
        headers["content-type"] = "application/json"
        if self.is_compressed and accepts_gzip(accept_encoding):
            headers["content-encoding"] = "gzip"
            return 200, headers, self.payload
        return 200, headers, self.body


class ResponseCache:
    """`namespace` separates installations that share a Redis. `key` returns the signing key; while it returns null,
    Redis is not used. Safe to use from several threads."""

    def __init__(self, redis_client: RedisClient | None, namespace: str = "", key: KeyProvider = lambda: None) -> None:
        self._namespace, self._redis, self._key = namespace, redis_client, key
        self._memory: TTLCache[str, CachedResponse] = TTLCache(
            _MAX_BYTES, _TTL_SECONDS, getsizeof=lambda response: len(response.payload)
        )
        self._lock = threading.Lock()
        self._skip_redis_until = float("-inf")
        self._key_locks = [threading.Lock() for _ in range(64)]

    def get_local(self, key: str) -> CachedResponse | None:
        """Looks in this process only: never blocks."""
        with self._lock:
            return self._memory.get(key)

    def get(self, key: str) -> CachedResponse | None:
        """Looks in this process, then in Redis."""
        local = self.get_local(key)
        if local or not self._redis or not self._redis.is_available() or time.monotonic() < self._skip_redis_until:
            return local
        secret = self._key()
        if secret is None:
            return None
        name = self._redis_key(key)
        try:
            stored = self._redis.client.getrange(name, 0, _MAX_REDIS_BYTES)
        except redis.ResponseError:
            # The key has a value of another type.
            return None
        except ERRORS as error:
            self._redis.mark_down(error)
            return None
        content = unsign(secret, name, stored) if isinstance(stored, bytes) and stored else None
        response = CachedResponse.from_bytes(content) if content else None
        if response:
            self._store_local(key, response)
        return response

    def store(self, key: str, response: CachedResponse) -> None:
        """Stores the response in this process and in Redis, unless it is too large."""
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

    def clear(self) -> None:
        """Deletes all responses in this process; those in Redis are not read until they have expired. For a change by a
        user that does not change the version of the data. Other processes return theirs until they expire (60 s)."""
        with self._lock:
            self._memory.clear()
            self._skip_redis_until = time.monotonic() + _TTL_SECONDS

    def key_lock(self, key: str) -> threading.Lock:
        """Held while the response is built, so that simultaneous equal requests build it once."""
        return self._key_locks[hash(key) % len(self._key_locks)]

    def _store_local(self, key: str, response: CachedResponse) -> None:
        with self._lock:
            self._memory[key] = response

    def _redis_key(self, key: str) -> str:
        name = f"{VERSION} {self._namespace} {key}"
        return "pipeline-health:" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def cache_key(path: str, parameters: Iterable[tuple[str, str]], version: int, visibility: Visibility) -> str:
    """Includes the repositories that the caller may see, and the minute: a window that ends now moves on once a
    minute."""
    minute = int(time.time()) // _TTL_SECONDS
    return f"{path}?{sorted(parameters)}@{version}/{minute}/{visibility_key(visibility)}"


def cached_response(request: Request, session: Session, build: Callable[[], BaseModel | dict[str, Any]]) -> Response:
    """Returns the cached response for this URL and version of the data, or builds and caches it. The response has an
    ETag; its status is 304 where If-None-Match names it. A dictionary is serialized without validation, because a long
    series would take several times as long."""
    cache: ResponseCache = request.app.state.cache
    version, parameters = _data_version(request, session), request.query_params.multi_items()
    key = cache_key(request.url.path, parameters, version, visibility_of(session))
    response = cache.get(key)
    if response is None:
        with cache.key_lock(key):
            response = cache.get_local(key) or CachedResponse.from_body(_json(build()))
            cache.store(key, response)
    return _to_response(request, response)


def _data_version(request: Request, session: Session) -> int:
    """The version that the response cache read for this request, if it did; data in the primary database is at least as
    new. A replica may be behind that version, so that its own version is read in the transaction of the response."""
    version: int | None = getattr(request.state, DATA_VERSION, None)
    return data_version(session) if version is None or reads_replica(session) else version


def _json(body: BaseModel | dict[str, Any]) -> bytes:
    return to_json(body) if isinstance(body, dict) else body.model_dump_json().encode()


def with_etag(request: Request, body: BaseModel) -> Response:
    """A response with an ETag that is not cached."""
    return _to_response(request, CachedResponse.from_body(body.model_dump_json().encode()))


def _to_response(request: Request, cached: CachedResponse) -> Response:
    if_none_match, accept_encoding = (request.headers.get(name, "") for name in ("if-none-match", "accept-encoding"))
    status, headers, body = cached.render(if_none_match, accept_encoding)
    return Response(body, status, headers)


def _decompress(payload: bytes) -> bytes | None:
    """Null for invalid data and for a body of more than _MAX_BYTES."""
    decompressor = zlib.decompressobj(_GZIP_WBITS)
    try:
        body = decompressor.decompress(payload, _MAX_BYTES)
    except zlib.error:
        return None
    return body if decompressor.eof and not decompressor.unused_data else None
