"""HTTP answers with a limit of time and of bytes, whoever sends them and however slowly.

Timeouts of sockets hold between two pieces of an answer alone: one that comes byte by byte passes them for ever. Here
every read of a connection is counted, from the first byte of the head on, and waits no longer than what is left of
the answer's time. Connecting and TLS are limited by their own timeout.

Requests of urllib whose answers have a limit of time and of bytes, for libraries that are built on it.
"""

import http.client
import io
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

import requests
from requests.adapters import HTTPAdapter

# One of several encodings would be unpacked several times over.
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
_CHUNK_BYTES = 65_536


class ResponseLimitExceeded(Exception):
    """An answer beyond its limits; the message is what was exceeded, in words that follow "the answer …"."""


@dataclass(frozen=True)
class ResponseLimits:
    """An answer takes `seconds` at most; where `bytes_per_second` is given, as much longer as its bytes take at that
    rate, up to `longest` seconds. It has `size` bytes at most, as sent and unpacked."""

    max_seconds: float
    max_bytes: int
    bytes_per_second: float | None = None
    max_total_seconds: float = 0.0


class Exchange:
    """One request and its answer."""

    def __init__(self, limits: ResponseLimits) -> None:
        self.limits = limits
        self._begun, self._received = time.monotonic(), 0

    def remaining_seconds(self) -> float:
        """Seconds. Raises TooMuch where none are left."""
        limits, allowed = self.limits, self.limits.max_seconds
        if limits.bytes_per_second:
            allowed = min(allowed + self._received / limits.bytes_per_second, limits.max_total_seconds)
        left = self._begun + allowed - time.monotonic()
        if left <= 0:
            raise ResponseLimitExceeded(f"was not complete after {allowed:.0f} s")
        return left

    def count_bytes(self, count: int) -> None:
        self._received += count
        self.check_length(self._received)

    def check_length(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise ResponseLimitExceeded(f"is larger than {self.limits.max_bytes:,} bytes")


class _Thread(threading.local):
    exchange: Exchange | None = None


_thread = _Thread()


@contextmanager
def limited(limits: ResponseLimits) -> Iterator[Exchange]:
    """The request that is sent within by a BoundedAdapter, or a connection of `response_class`, has these limits."""
    before, _thread.exchange = _thread.exchange, Exchange(limits)
    try:
        yield _thread.exchange
    finally:
        _thread.exchange = before


class CountedResponse(HTTPResponse):
    """What http.client reads from a socket, counted for the exchange of this thread."""

    def __init__(self, sock: Any, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        if _thread.exchange is not None:
            # http.client and urllib3 read all of an answer from here: head, sizes of chunks, body and trailers.
            self.fp = io.BufferedReader(_Counted(self.fp.detach(), sock, _thread.exchange), _CHUNK_BYTES)


class _Counted(io.RawIOBase):
    def __init__(self, raw: Any, sock: Any, exchange: Exchange) -> None:
        super().__init__()
        self._raw, self._sock, self._exchange = raw, sock, exchange
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._exchange.remaining_seconds()
        self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        try:
            count = int(self._raw.readinto(buffer) or 0)
        except TimeoutError:
            self._exchange.remaining_seconds()
            raise
        self._exchange.count_bytes(count)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class BoundedResponse(requests.Response):
    """Its body is read within the limits, by `content`, `json` and `iter_content` alike; each raises TooMuch."""

    exchange: Exchange

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise ResponseLimitExceeded(f"is packed as {encoding[:40]!r}, which nobody asked for")
        size = 0
        for piece in super().iter_content(chunk_size, decode_unicode):
            size += len(piece)
            self.exchange.check_length(size)
            yield piece


class BoundedAdapter(HTTPAdapter):
    """Sends within the limits of `limited`."""

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = self.pools(self.poolmanager.pool_classes_by_scheme)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **named)
        if not known:
            manager.pool_classes_by_scheme = bounded_pools(manager.pool_classes_by_scheme)
        return manager

    def pools(self, usual: Mapping[str, Any]) -> dict[str, Any]:
        """By scheme, of connections without a proxy."""
        return bounded_pools(usual)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        if _thread.exchange is not None:
            response.__class__ = BoundedResponse
            response.exchange = _thread.exchange  # type: ignore[attr-defined]
        return response


def bounded_pools(usual: Mapping[str, Any], *mixins: type) -> dict[str, Any]:
    return {scheme: _bounded(pool, mixins) for scheme, pool in usual.items()}


@cache
def _bounded(pool: Any, mixins: tuple[type, ...]) -> Any:
    """The same kind of pool, whose connections count; `mixins` come first among their bases."""
    usual = pool.ConnectionCls
    connection = type(f"Bounded{usual.__name__}", (*mixins, usual), {"response_class": CountedResponse})
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


# Of a channel's answer as a whole: what it says in a line, or a page of a proxy.
LIMITS = ResponseLimits(max_seconds=30.0, max_bytes=1_000_000)


class _Connection(http.client.HTTPConnection):
    response_class = CountedResponse


class _TlsConnection(http.client.HTTPSConnection):
    response_class = CountedResponse


class _HttpHandler(HTTPHandler):
    def http_open(self, req: Request) -> Any:
        return self.do_open(_Connection, req)


class _HttpsHandler(HTTPSHandler):
    def https_open(self, req: Request) -> Any:
        return self.do_open(_TlsConnection, req, context=ssl.create_default_context())


@cache
def _opener() -> OpenerDirector:
    """As urllib's own, for http and https alone, wherever a redirect leads."""
    made = OpenerDirector()
    for handler in (ProxyHandler, UnknownHandler, _HttpHandler, _HttpsHandler, HTTPDefaultErrorHandler, HTTPRedirectHandler,
                    HTTPErrorProcessor):  # fmt: skip
        made.add_handler(handler())
    return made


def open_url(request: Request, timeout: float) -> Any:
    """The answer, as of urllib.request.urlopen, to be used within `core.http.client.limited`; raises the same, and
    TooMuch. The body of an HTTPError has been read."""
    try:
        return _opener().open(request, timeout=timeout)
    except HTTPError as error:
        with error:
            body = io.BytesIO(error.read())
        raise HTTPError(error.url, error.code, error.msg, error.headers, body) from None


def read_text(response: Any) -> str:
    """Its body, and it is closed. Raises LookupError and UnicodeError where its encoding is none."""
    charset: str = response.headers.get_content_charset() or "utf-8"
    with response:
        body: bytes = response.read()
    return body.decode(charset)
