"""HTTP clients with limits for the time and size of a whole response, for requests and for urllib.

The timeout of a socket applies to each read, so that a response which arrives byte by byte never times out. Here each
read from the connection is counted, from the first byte of the status line on, and waits at most for the remaining time
of the response. Connecting and the TLS handshake have their own timeout."""

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

# A response with several encodings is rejected: decompression could multiply its size several times.
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
_CHUNK_BYTES = 65_536


class ResponseLimitExceeded(Exception):
    """A response exceeds its limits. The message completes the phrase "the response …"."""


@dataclass(frozen=True)
class ResponseLimits:
    """A response takes at most `max_seconds`; with `bytes_per_second`, the time for its bytes at that rate is added, up
    to `max_total_seconds`. It has at most `max_bytes`, both compressed and decompressed."""

    max_seconds: float
    max_bytes: int
    bytes_per_second: float | None = None
    max_total_seconds: float = 0.0


class Exchange:
    """The remaining limits of one request and its response."""

    def __init__(self, limits: ResponseLimits) -> None:
        self.limits = limits
        self._started_at, self._received = time.monotonic(), 0

    def remaining_seconds(self) -> float:
        """Remaining time of the response. Raises ResponseLimitExceeded where none is left."""
        limits, allowed = self.limits, self.limits.max_seconds
        if limits.bytes_per_second:
            allowed = min(allowed + self._received / limits.bytes_per_second, limits.max_total_seconds)
        remaining = self._started_at + allowed - time.monotonic()
        if remaining <= 0:
            raise ResponseLimitExceeded(f"was not complete after {allowed:.0f} s")
        return remaining

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
    """Applies the limits to requests that this thread sends within the block, by a BoundedAdapter or by `open_url`."""
    outer, _thread.exchange = _thread.exchange, Exchange(limits)
    try:
        yield _thread.exchange
    finally:
        _thread.exchange = outer


class CountedResponse(HTTPResponse):
    """A response of http.client whose reads count for the exchange of this thread."""

    def __init__(self, sock: Any, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        if _thread.exchange is not None:
            # http.client and urllib3 read everything from `fp`: headers, chunk sizes, body and trailers.
            self.fp = io.BufferedReader(_CountedStream(self.fp.detach(), sock, _thread.exchange), _CHUNK_BYTES)


class _CountedStream(io.RawIOBase):
    def __init__(self, raw: Any, sock: Any, exchange: Exchange) -> None:
        super().__init__()
        self._raw, self._sock, self._exchange = raw, sock, exchange
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        remaining = self._exchange.remaining_seconds()
        self._sock.settimeout(remaining if self._timeout is None else min(remaining, self._timeout))
        try:
            count = int(self._raw.readinto(buffer) or 0)
        except TimeoutError:
            # Raises ResponseLimitExceeded if the time of the whole response is over.
            self._exchange.remaining_seconds()
            raise
        self._exchange.count_bytes(count)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class BoundedResponse(requests.Response):
    """Its body is read within the limits: `content`, `json` and `iter_content` raise ResponseLimitExceeded."""

    exchange: Exchange

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise ResponseLimitExceeded(f"has the encoding {encoding[:40]!r}, which was not requested")
        size = 0
        for chunk in super().iter_content(chunk_size, decode_unicode):
            size += len(chunk)
            self.exchange.check_length(size)
            yield chunk


class BoundedAdapter(HTTPAdapter):
    """An adapter of requests that applies the limits of the surrounding `limited` block."""

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = self.pools(self.poolmanager.pool_classes_by_scheme)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        exists = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **named)
        if not exists:
            manager.pool_classes_by_scheme = bounded_pools(manager.pool_classes_by_scheme)
        return manager

    def pools(self, pool_classes: Mapping[str, Any]) -> dict[str, Any]:
        """Classes of connection pools by scheme, for connections without a proxy."""
        return bounded_pools(pool_classes)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        if _thread.exchange is not None:
            response.__class__ = BoundedResponse
            response.exchange = _thread.exchange  # type: ignore[attr-defined]
        return response


def bounded_pools(pool_classes: Mapping[str, Any], *mixins: type) -> dict[str, Any]:
    """By scheme, subclasses of the pool classes whose connections count. `mixins` come first among the bases of the
    connections."""
    return {scheme: _bounded(pool, mixins) for scheme, pool in pool_classes.items()}


@cache
def _bounded(pool: Any, mixins: tuple[type, ...]) -> Any:
    base = pool.ConnectionCls
    connection = type(f"Bounded{base.__name__}", (*mixins, base), {"response_class": CountedResponse})
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


# Of the response of a notification channel: a short status, or an error page of a proxy.
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
    """As urllib's default opener, but only for http and https, also after redirects."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler,
        UnknownHandler,
        _HttpHandler,
        _HttpsHandler,
        HTTPDefaultErrorHandler,
        HTTPRedirectHandler,
        HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def open_url(request: Request, timeout: float) -> Any:
    """As urllib.request.urlopen, within the limits of the surrounding `limited` block. Also raises
    ResponseLimitExceeded. The body of an HTTPError is read before it is raised."""
    try:
        return _opener().open(request, timeout=timeout)
    except HTTPError as error:
        with error:
            body = io.BytesIO(error.read())
        raise HTTPError(error.url, error.code, error.msg, error.headers, body) from None


def read_text(response: Any) -> str:
    """Reads and decodes the body, and closes the response. Raises LookupError for an unknown encoding, UnicodeError for
    an invalid body."""
    charset: str = response.headers.get_content_charset() or "utf-8"
    with response:
        body: bytes = response.read()
    return body.decode(charset)
