"""Answers kept by what was asked and by the version of the stored data: a sync that changes nothing makes nothing
stale. In this process, and in Redis for several of them."""

import gzip
import hashlib
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cachetools import TTLCache
from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy.orm import Session

from api.redis_link import ERRORS, RedisLink
from db.queries.repositories import heartbeat
from db.version import VERSION

_SECONDS = 60
# Of all answers in this process, and of one, as they are kept: what is larger is worked out anew each time.
_MOST_BYTES, _MOST_ANSWER_BYTES = 64 * 2**20, 2**20
_TAG_LENGTH = 32
# What fits into a few packets goes out as it is.
_WORTH_PACKING = 4000
_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Answer:
    """A JSON body, compressed where that pays, and its tag."""

    tag: str
    kept: bytes

    @classmethod
    def of(cls, body: bytes) -> "Answer":
        return cls(tag_of(body), gzip.compress(body, 1, mtime=0) if len(body) >= _WORTH_PACKING else body)

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
    """`name_space` keeps apart what several installations put into one Redis."""

    def __init__(self, link: RedisLink | None, name_space: str = "") -> None:
        self._name_space, self._link = name_space, link
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
        try:
            stored = self._link.client.get(self._full(key))
        except ERRORS as error:
            self._link.leave(error)
            return None
        if not isinstance(stored, bytes):
            return None
        answer = Answer(stored[:_TAG_LENGTH].decode("ascii", "replace"), stored[_TAG_LENGTH:])
        if not _is_whole(answer):
            return None
        self._keep(key, answer)
        return answer

    def put(self, key: str, answer: Answer) -> None:
        """Here and in Redis; an answer that is too large in neither."""
        if len(answer.kept) > _MOST_ANSWER_BYTES:
            return
        self._keep(key, answer)
        if self._link and self._link.is_well():
            try:
                self._link.client.set(self._full(key), answer.tag.encode() + answer.kept, ex=_SECONDS)
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


def _is_whole(answer: Answer) -> bool:
    """Whether what Redis gave is an answer of ours, which unpacks to no more than is ever kept."""
    body = answer.kept
    if answer.packed:
        unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            body = unpacking.decompress(answer.kept, _MOST_BYTES)
        except zlib.error:
            return False
        if not unpacking.eof:
            return False
    return tag_of(body) == answer.tag


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
