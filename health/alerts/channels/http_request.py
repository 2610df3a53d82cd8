"""HTTP requests of channels: limited in time and size, without redirects, and with errors that contain no URL, because
path, query and user of a URL may be secrets."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from core.http.client import LIMITS, BoundedAdapter, ResponseLimitExceeded, limited
from core.text import strip_control_sequences
from health.alerts.channels.base import DeliveryFailed, short_line
from health.alerts.channels.slack import retry_after

CONNECT_SECONDS, READ_TIMEOUT_SECONDS = 5, 10
_MAX_RESPONSE_CHARS = 4_000
# Client errors that a retry can help: too slow, too early, too often.
_RETRYABLE_STATUSES = (408, 425, 429)


@contextmanager
def request(
    receiver: str, method: str, url: str, headers: Mapping[str, str], raw: bytes | None
) -> Iterator[requests.Response]:
    """The response, whose body is not read yet. `receiver`: its name in errors, such as "webhook at HOST". Raises
    DeliveryFailed without a response."""
    try:
        with limited(LIMITS), requests.Session() as session:
            session.mount("http://", BoundedAdapter())
            session.mount("https://", BoundedAdapter())
            response = session.request(
                method,
                url,
                data=raw,
                headers=dict(headers),
                timeout=(CONNECT_SECONDS, READ_TIMEOUT_SECONDS),
                allow_redirects=False,
                stream=True,
            )
    except ResponseLimitExceeded as error:
        raise DeliveryFailed(f"The response of the {receiver} {error}") from None
    except (requests.RequestException, OSError, ValueError) as error:
        # The text of the error contains the URL.
        raise DeliveryFailed(f"The {receiver} cannot be reached: {error_cause(error)}") from None
    with response:
        yield response


def check_status(response: requests.Response, receiver: str, setting: str, secrets: Collection[str | None]) -> None:
    """Returns for a 2xx; raises DeliveryFailed otherwise. `setting`: the one to check where the address is wrong.
    `secrets` are removed from the line of the response that the error quotes."""
    status = response.status_code
    if 200 <= status < 300:
        return
    answered = f"The {receiver} answered {status}"
    if 300 <= status < 400:
        raise DeliveryFailed(f"{answered}, a redirect, which is not followed; check {setting}", permanent=True)
    body_line = _response_line(response, secrets)
    permanent = is_permanent(status)
    hint = f"; check {setting}" if status in (401, 403, 404, 405, 410) else ""
    raise DeliveryFailed(
        f"{answered}{f': {body_line}' if body_line else ''}{hint}",
        permanent=permanent,
        retry_after=retry_delay(status, response.headers),
    )


def is_permanent(status: int) -> bool:
    """Whether a retry cannot help."""
    return 300 <= status < 500 and status not in _RETRYABLE_STATUSES


def retry_delay(status: int, headers: Mapping[str, str]) -> timedelta | None:
    """The delay that a 429 or 503 names; null without one."""
    if status not in (429, 503) or not headers.get("Retry-After"):
        return None
    return retry_after(_retry_after_in_seconds(headers))


def secret_parts(url: str, *secrets: str | None) -> list[str]:
    """The parts of a URL that may be secrets, and the given secrets, the longest first."""
    parts = urlsplit(url)
    pieces = [*secrets, url, parts.username, parts.password, parts.path.strip("/"), parts.query]
    pieces += parts.path.split("/") + [pair.partition("=")[2] for pair in parts.query.split("&")]
    pieces += [unquote(piece) for piece in pieces if piece]
    # A short piece such as "api" is not a secret and occurs in ordinary text.
    return sorted({piece for piece in pieces if piece and len(piece) >= 6}, key=len, reverse=True)


def _response_line(response: requests.Response, secrets: Collection[str | None]) -> str:
    """One line of the response body, without secrets that it may repeat from the request."""
    text = strip_control_sequences(_read_prefix(response))
    for secret in secrets:
        text = text.replace(secret, "…") if secret else text
    return short_line(text)


def _retry_after_in_seconds(headers: Mapping[str, Any]) -> dict[str, str]:
    """Retry-After may be a date as well (RFC 9110, 10.2.3)."""
    given = str(headers.get("Retry-After", ""))
    try:
        left = (parsedate_to_datetime(given).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return {"Retry-After": given}
    return {"Retry-After": str(max(1, int(left)))}


def _read_prefix(response: requests.Response) -> str:
    """The beginning of a response body. Size and time are limited, because the body may never end."""
    body, deadline = b"", time.monotonic() + READ_TIMEOUT_SECONDS
    try:
        while len(body) < _MAX_RESPONSE_CHARS and time.monotonic() < deadline:
            piece = response.raw.read1(_MAX_RESPONSE_CHARS, decode_content=True)
            if not piece:
                break
            body += piece
    except Exception:
        # The status is known, whatever the error is.
        body += b" (the response broke off)"
    return body.decode("utf-8", "replace")


def error_cause(error: BaseException) -> str:
    """The innermost reason; the outer errors contain the URL."""
    if isinstance(error, requests.Timeout):
        connecting = isinstance(error, requests.ConnectTimeout)
        return (
            f"no connection within {CONNECT_SECONDS} s" if connecting else f"no answer within {READ_TIMEOUT_SECONDS} s"
        )
    inner: BaseException | None = error
    while inner is not None:
        error, reason = inner, getattr(inner, "verify_message", None) or getattr(inner, "strerror", None)
        if reason:
            return short_line(reason)
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__
