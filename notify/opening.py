"""Requests of urllib whose answers have a limit of time and of bytes, for libraries that are built on it."""

import http.client
import io
import ssl
from functools import cache
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

from notify.exchange import CountedResponse, Limits

# Of a channel's answer as a whole: what it says in a line, or a page of a proxy.
LIMITS = Limits(seconds=30.0, size=1_000_000)


class _Connection(http.client.HTTPConnection):
    response_class = CountedResponse


class _TlsConnection(http.client.HTTPSConnection):
    response_class = CountedResponse


class _Plain(HTTPHandler):
    def http_open(self, req: Request) -> Any:
        return self.do_open(_Connection, req)


class _Tls(HTTPSHandler):
    def https_open(self, req: Request) -> Any:
        return self.do_open(_TlsConnection, req, context=ssl.create_default_context())


@cache
def _opener() -> OpenerDirector:
    """As urllib's own, for http and https alone, wherever a redirect leads."""
    made = OpenerDirector()
    for handler in (ProxyHandler, UnknownHandler, _Plain, _Tls, HTTPDefaultErrorHandler, HTTPRedirectHandler,
                    HTTPErrorProcessor):  # fmt: skip
        made.add_handler(handler())
    return made


def opened(request: Request, timeout: float) -> Any:
    """The answer, as of urllib.request.urlopen, to be used within `notify.exchange.limited`; raises the same, and
    TooMuch. The body of an HTTPError has been read."""
    try:
        return _opener().open(request, timeout=timeout)
    except HTTPError as error:
        with error:
            body = io.BytesIO(error.read())
        raise HTTPError(error.url, error.code, error.msg, error.headers, body) from None


def decoded(answer: Any) -> str:
    """Its body, and it is closed. Raises LookupError and UnicodeError where its encoding is none."""
    charset: str = answer.headers.get_content_charset() or "utf-8"
    with answer:
        body: bytes = answer.read()
    return body.decode(charset)
