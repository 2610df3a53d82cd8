"""Alerts as JSON to a URL, signed."""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from core.http.client import LIMITS, BoundedAdapter, ResponseLimitExceeded, limited
from core.text import register_secrets
from health.alerts.channels.base import (
    DeliveryContext,
    DeliveryFailed,
    Message,
    NotificationEvent,
    Receipt,
    printable,
    short_line,
    strip_control_sequences,
)
from health.alerts.channels.email import as_text
from health.alerts.channels.slack import retry_after

VERSION = 1
_CONNECT_SECONDS, _READ_TIMEOUT_SECONDS = 5, 10
_MAX_RESPONSE_CHARS = 4_000
# Asked to come back: too slow, too early, too often.
_RETRYABLE_STATUSES = (408, 425, 429)
# Its lines for debugging show the path of the URL, which may hold a secret.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class WebhookChannel:
    """Of the URL only the host is ever shown: path, query and user may be secrets."""

    name = "webhook"

    def __init__(self, url: str, secret: str | None = None) -> None:
        self._url = url.strip()
        self._host = urlsplit(self._url).hostname or ""
        self._secret = secret
        register_secrets(secret, urlsplit(self._url).password)

    @property
    def host(self) -> str:
        return self._host

    @property
    def signs(self) -> bool:
        return self._secret is not None

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Taken when the answer is a 2xx."""
        context = context or DeliveryContext()
        raw = json.dumps(body(message, context, datetime.now(UTC)), ensure_ascii=False).encode("utf-8", "replace")
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "pipeline-health",
            "X-Pipeline-Health-Event": str(context.event),
            "X-Pipeline-Health-Delivery": context.idempotency_key,
        }
        if self._secret is not None:
            headers["X-Pipeline-Health-Signature-256"] = signature(self._secret, raw)
        with self._request("POST", headers, raw) as response:
            self._check_status(response)
        return Receipt()

    def check_connection(self) -> str:
        """What the host answers to a HEAD, which sends no alert. Raises DeliveryFailed when nothing comes back."""
        with self._request("HEAD", {"User-Agent": "pipeline-health"}, None) as response:
            return f"{response.status_code}"

    def _request(self, method: str, headers: dict[str, str], raw: bytes | None) -> requests.Response:
        try:
            with limited(LIMITS), requests.Session() as session:
                session.mount("http://", BoundedAdapter())
                session.mount("https://", BoundedAdapter())
                return session.request(
                    method, self._url, data=raw, headers=headers, timeout=(_CONNECT_SECONDS, _READ_TIMEOUT_SECONDS),
                    allow_redirects=False, stream=True,
                )  # fmt: skip
        except ResponseLimitExceeded as error:
            raise DeliveryFailed(f"The answer of the webhook at {self._host} {error}") from None
        except (requests.RequestException, OSError, ValueError) as error:
            # Its own text holds the URL.
            raise DeliveryFailed(f"The webhook at {self._host} cannot be reached: {_cause(error)}") from None

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        told = f"The webhook at {self._host} answered {status}"
        if 300 <= status < 400:
            raise DeliveryFailed(f"{told}, a redirect, which is not followed; check ALERT_WEBHOOK_URL", permanent=True)
        said = self._response_line(response)
        gone = 400 <= status < 500 and status not in _RETRYABLE_STATUSES
        hint = "; check ALERT_WEBHOOK_URL" if status in (404, 405, 410) else ""
        raise DeliveryFailed(
            f"{told}{f': {said}' if said else ''}{hint}", permanent=gone,
            retry_after=retry_after(_retry_after_in_seconds(response.headers)) if status in (429, 503) and _requests_retry(response) else None,
        )  # fmt: skip

    def _response_line(self, response: requests.Response) -> str:
        """One line of the answer, without what it may repeat of the question."""
        text = strip_control_sequences(_read_prefix(response))
        for secret in self._secrets():
            text = text.replace(secret, "…")
        return short_line(text)

    def _secrets(self) -> Iterator[str]:
        parts = urlsplit(self._url)
        pieces = [self._secret, self._url, parts.password, parts.path.strip("/"), parts.query]
        pieces += parts.path.split("/") + [pair.partition("=")[2] for pair in parts.query.split("&")]
        pieces += [unquote(each) for each in pieces if each]
        # A short piece such as "api" is no secret, and would cut holes into the text.
        return iter(sorted({each for each in pieces if each and len(each) >= 6}, key=len, reverse=True))


def signature(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def body(message: Message, context: DeliveryContext, now: datetime) -> dict[str, Any]:
    """docs/alerts.md, "Webhook". What is not known is null; nothing is left out."""
    data = message.data
    alerts = list(data.get("alerts") or [])
    return {
        "version": VERSION,
        "event": str(context.event),
        "delivery": context.idempotency_key,
        "written_at": _stamp(context.created_at),
        "sent_at": _stamp(now),
        "title": printable(message.subject),
        "text": printable(as_text(message)),
        "resolved": context.event is NotificationEvent.RESOLVED,
        "severity": data.get("severity"),
        "rule": data.get("rule"),
        "alert": alerts[0] if len(alerts) == 1 else None,
        "alerts": alerts,
        "links": dict(message.links),
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _requests_retry(response: requests.Response) -> bool:
    return bool(response.headers.get("Retry-After"))


def _retry_after_in_seconds(headers: Any) -> dict[str, str]:
    """Retry-After may be a date as well (RFC 9110, 10.2.3)."""
    given = str(headers.get("Retry-After", ""))
    try:
        left = (parsedate_to_datetime(given).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return {"Retry-After": given}
    return {"Retry-After": str(max(1, int(left)))}


def _read_prefix(response: requests.Response) -> str:
    """So much of an answer as one line needs, and no longer than a moment: it may never end."""
    found, ends = b"", time.monotonic() + _READ_TIMEOUT_SECONDS
    try:
        while len(found) < _MAX_RESPONSE_CHARS and time.monotonic() < ends:
            piece = response.raw.read1(_MAX_RESPONSE_CHARS, decode_content=True)
            if not piece:
                break
            found += piece
    except Exception:
        # Whatever it was, the status is known.
        found += b" (the answer broke off)"
    return found.decode("utf-8", "replace")


def _cause(error: BaseException) -> str:
    """The reason below the layers that name the URL."""
    if isinstance(error, requests.Timeout):
        connecting = isinstance(error, requests.ConnectTimeout)
        return (
            f"no connection within {_CONNECT_SECONDS} s"
            if connecting
            else f"no answer within {_READ_TIMEOUT_SECONDS} s"
        )
    found: BaseException | None = error
    while found is not None:
        error, told = found, getattr(found, "verify_message", None) or getattr(found, "strerror", None)
        if told:
            return short_line(told)
        found = found.__cause__ or found.__context__
    return type(error).__name__
