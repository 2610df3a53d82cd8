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
from core.redis_client import ERRORS, RedisLink
from db.access import installation_key, stored_key
from db.engine import DatabaseUnavailable, brief_write_scope, session_scope
from db.repositories.repository_queries import heartbeat

log = logging.getLogger(__name__)
_PURPOSE = "answers"
_PAUSE_SECONDS = 5.0
_SIZE = hashlib.sha256().digest_size
Key = Callable[[], bytes | None]


def sealed(key: bytes, name: str, content: bytes) -> bytes:
    """The content behind its seal, which is good under this name alone."""
    return _seal(key, name, content) + content


def unsealed(key: bytes, name: str, stored: bytes) -> bytes | None:
    """The content; null where it is not what was sealed under this name by a holder of the key."""
    seal, content = stored[:_SIZE], stored[_SIZE:]
    return content if hmac.compare_digest(seal, _seal(key, name, content)) else None


def _seal(key: bytes, name: str, content: bytes) -> bytes:
    made = hmac.new(key, name.encode(), "sha256")
    made.update(b"\0")
    made.update(content)
    return made.digest()


class InstallationKey:
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
                with brief_write_scope(self._engine) as session:
                    found = installation_key(session, _PURPOSE)
            return found
        except (SQLAlchemyError, DatabaseUnavailable) as error:
            self._again_at = time.monotonic() + _PAUSE_SECONDS
            log.warning(
                "Answers are not shared through Redis: the key that seals them cannot be read (%s)",
                type(error).__name__,
            )
            return None


_SECONDS = 60
# Of all answers in this process, and of one, as they are kept: what is larger is worked out anew each time.
_MOST_BYTES, _MOST_ANSWER_BYTES = 64 * 2**20, 2**20
_TAG_LENGTH = 32
# What fits into a few packets goes out as it is.
_WORTH_PACKING = 4000
_MAGIC = b"\x1f\x8b"
# Of one entry in Redis: what is read of it never takes more, whoever wrote it.
_MOST_SHARED_BYTES = 8 * 2**20
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Answer:
    """A JSON body, compressed where that pays, and its tag."""

    tag: str
    kept: bytes

    @classmethod
    def of(cls, body: bytes) -> "Answer":
        return cls(tag_of(body), gzip.compress(body, 1, mtime=0) if len(body) >= _WORTH_PACKING else body)

    @classmethod
    def read(cls, content: bytes) -> "Answer | None":
        """Of what `stored` gives; null for anything else, without unpacking more than an answer may have."""
        tag, kept = content[:_TAG_LENGTH], content[_TAG_LENGTH:]
        body = _unpacked(kept) if kept.startswith(_MAGIC) else kept
        if body is None or tag != tag_of(body).encode():
            return None
        return cls(tag.decode("ascii"), kept)

    @property
    def stored(self) -> bytes:
        return self.tag.encode() + self.kept

    @property
    def packed(self) -> bool:
        return self.kept.startswith(_MAGIC)

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.kept) if self.packed else self.kept

    def to_send(self, offered_tags: str, accepted: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one who has those tags and accepts those encodings. The tag is weak: the same
        answer goes out compressed and plain."""
        headers = {"etag": f'W/"{self.tag}"', "cache-control": "private, no-cache", "vary": "Accept-Encoding"}
        if offered_tags and has(offered_tags, self.tag):
            return 304, headers, b""
        headers["content-type"] = "application/json"
        if self.packed and _takes_gzip(accepted):
            headers["content-encoding"] = "gzip"
            return 200, headers, self.kept
        return 200, headers, self.body


class Cache:
    """`name_space` keeps apart what several installations put into one Redis, which is used only with the `key` that
    its entries are sealed by."""

    def __init__(self, link: RedisLink | None, name_space: str = "", key: Key = lambda: None) -> None:
        self._name_space, self._link, self._key = name_space, link, key
        self._memory: TTLCache[str, Answer] = TTLCache(_MOST_BYTES, _SECONDS, getsizeof=lambda each: len(each.kept))
        self._lock = threading.Lock()
        self._making = [threading.Lock() for _ in range(64)]

    def here(self, key: str) -> Answer | None:
        """From this process alone: never waits."""
        with self._lock:
            return self._memory.get(key)

    def get(self, key: str) -> Answer | None:
        found = self.here(key)
        if found or not self._link or not self._link.is_well():
            return found
        secret = self._key()
        if secret is None:
            return None
        name = self._full(key)
        try:
            stored = self._link.client.getrange(name, 0, _MOST_SHARED_BYTES)
        except redis.ResponseError:
            # Something else has this name.
            return None
        except ERRORS as error:
            self._link.leave(error)
            return None
        content = unsealed(secret, name, stored) if isinstance(stored, bytes) and stored else None
        answer = Answer.read(content) if content else None
        if answer:
            self._keep(key, answer)
        return answer

    def put(self, key: str, answer: Answer) -> None:
        """Here and in Redis; an answer that is too large in neither."""
        if len(answer.kept) > _MOST_ANSWER_BYTES:
            return
        self._keep(key, answer)
        if not self._link or not self._link.is_well() or (secret := self._key()) is None:
            return
        name = self._full(key)
        entry = sealed(secret, name, answer.stored)
        if len(entry) > _MOST_SHARED_BYTES:
            return
        try:
            self._link.client.set(name, entry, ex=_SECONDS)
        except ERRORS as error:
            self._link.leave(error)

    def making(self, key: str) -> threading.Lock:
        """Held by who makes this answer, so that fifty who ask the same at once have it made once."""
        return self._making[hash(key) % len(self._making)]

    def _keep(self, key: str, answer: Answer) -> None:
        with self._lock:
            self._memory[key] = answer

    def _full(self, key: str) -> str:
        asked = f"{VERSION} {self._name_space} {key}"
        return "pipeline-health:" + hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()


def key_of(path: str, parameters: Iterable[tuple[str, str]], version: int) -> str:
    """Windows that end now move on once a minute."""
    return f"{path}?{sorted(parameters)}@{version}/{int(time.time()) // _SECONDS}"


def cached(request: Request, session: Session, make: Callable[[], BaseModel | dict[str, Any]]) -> Response:
    """The answer, from the cache if nothing changed, with an ETag; 304 where the client has it already. A plain
    dictionary is sent as it is: a long series is not copied into a model first."""
    cache: Cache = request.app.state.cache
    known = heartbeat(session)
    key = key_of(request.url.path, request.query_params.multi_items(), known.data_version if known else 0)
    answer = cache.get(key)
    if answer is None:
        with cache.making(key):
            answer = cache.here(key) or Answer.of(_json(make()))
            cache.put(key, answer)
    return _respond(request, answer)


def _json(body: BaseModel | dict[str, Any]) -> bytes:
    return to_json(body) if isinstance(body, dict) else body.model_dump_json().encode()


def with_etag(request: Request, body: BaseModel) -> Response:
    """An answer that is not kept."""
    return _respond(request, Answer.of(body.model_dump_json().encode()))


def _respond(request: Request, answer: Answer) -> Response:
    offered, accepted = (request.headers.get(name, "") for name in ("if-none-match", "accept-encoding"))
    status, headers, body = answer.to_send(offered, accepted)
    return Response(body, status, headers)


def _unpacked(kept: bytes) -> bytes | None:
    """Null where it is no gzip, is broken, or unpacks to more than an answer may have."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        body = unpacker.decompress(kept, _MOST_BYTES)
    except zlib.error:
        return None
    return body if unpacker.eof and not unpacker.unused_data else None


def tag_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:_TAG_LENGTH]


def has(offered: str, tag: str) -> bool:
    """Does If-None-Match name it? Compared weakly, RFC 9110 section 8.8.3.2."""
    return offered.strip() == "*" or f'"{tag}"' in (each.strip().removeprefix("W/") for each in offered.split(","))


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
