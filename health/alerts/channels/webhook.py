"""Webhooks: notifications as signed JSON, posted to a URL."""

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
from pydantic import SecretStr, field_validator, model_validator

from core.formatting import iso_timestamp
from core.http.client import LIMITS, BoundedAdapter, ResponseLimitExceeded, limited
from core.http.settings import PlainHttpSettings
from core.text import printable, register_secrets, strip_control_sequences
from health.alerts.channels.base import (
    DeliveryContext,
    DeliveryFailed,
    Message,
    NotificationEvent,
    Receipt,
    parse_url,
    short_line,
)
from health.alerts.channels.email import as_text
from health.alerts.channels.slack import retry_after

VERSION = 1
_CONNECT_SECONDS, _READ_TIMEOUT_SECONDS = 5, 10
_MAX_RESPONSE_CHARS = 4_000
# Client errors that a retry can help: too slow, too early, too often.
_RETRYABLE_STATUSES = (408, 425, 429)
# Its debug lines contain the path of the URL, which may contain a secret.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class WebhookSettings(PlainHttpSettings):
    alert_webhook_url: SecretStr | None = None
    alert_webhook_secret: SecretStr | None = None

    @field_validator("alert_webhook_url")
    @classmethod
    def _validate_alert_webhook_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = parse_url(value.get_secret_value())
            if parts is None or parts.scheme not in ("http", "https"):
                raise ValueError("the value is not a URL; expected one that begins with http:// or https://")
        return value

    @field_validator("alert_webhook_secret")
    @classmethod
    def _validate_alert_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        """Blanks alone are an accident: a secret is set in order to sign."""
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("the value is empty; set a secret that the receiver knows, or unset it")
        return value

    @model_validator(mode="after")
    def _require_alert_webhook_url(self) -> "WebhookSettings":
        if self.alert_webhook_secret and not self.alert_webhook_url:
            raise ValueError("ALERT_WEBHOOK_URL: required with ALERT_WEBHOOK_SECRET; set it to the receiver's URL")
        return self

    @model_validator(mode="after")
    def _require_tls_for_webhook(self) -> "WebhookSettings":
        """A URL with a password, and messages that are signed with a secret, need TLS."""
        url = self.alert_webhook_url.get_secret_value().strip() if self.alert_webhook_url else ""
        has_secret = bool(self.alert_webhook_secret) or bool(parse_url(url) and urlsplit(url).password)
        needs_tls = bool(url) and has_secret and not url.startswith("https://")
        if needs_tls and (remedy := self.encryption_remediation(url)):
            raise ValueError(f"ALERT_WEBHOOK_URL: messages with a secret would be sent unencrypted; {remedy}")
        return self


def webhook_channel(settings: WebhookSettings) -> "WebhookChannel | None":
    """The configured webhook; null without a URL."""
    if not settings.alert_webhook_url:
        return None
    secret = settings.alert_webhook_secret
    return WebhookChannel(settings.alert_webhook_url.get_secret_value(), secret.get_secret_value() if secret else None)


class WebhookChannel:
    """Logs and errors contain only the host of the URL: path, query and user may be secrets."""

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
        """Returns when the response is a 2xx; raises DeliveryFailed otherwise."""
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
        """The status of a HEAD request, which sends no notification. Raises DeliveryFailed without a response."""
        with self._request("HEAD", {"User-Agent": "pipeline-health"}, None) as response:
            return f"{response.status_code}"

    def _request(self, method: str, headers: dict[str, str], raw: bytes | None) -> requests.Response:
        try:
            with limited(LIMITS), requests.Session() as session:
                session.mount("http://", BoundedAdapter())
                session.mount("https://", BoundedAdapter())
                return session.request(
                    method,
                    self._url,
                    data=raw,
                    headers=headers,
                    timeout=(_CONNECT_SECONDS, _READ_TIMEOUT_SECONDS),
                    allow_redirects=False,
                    stream=True,
                )
        except ResponseLimitExceeded as error:
            raise DeliveryFailed(f"The response of the webhook at {self._host} {error}") from None
        except (requests.RequestException, OSError, ValueError) as error:
            # The text of the error contains the URL.
            raise DeliveryFailed(f"The webhook at {self._host} cannot be reached: {_cause(error)}") from None

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        answered = f"The webhook at {self._host} answered {status}"
        if 300 <= status < 400:
            raise DeliveryFailed(
                f"{answered}, a redirect, which is not followed; check ALERT_WEBHOOK_URL", permanent=True
            )
        body_line = self._response_line(response)
        permanent = 400 <= status < 500 and status not in _RETRYABLE_STATUSES
        hint = "; check ALERT_WEBHOOK_URL" if status in (404, 405, 410) else ""
        delay = None
        if status in (429, 503) and _requests_retry(response):
            delay = retry_after(_retry_after_in_seconds(response.headers))
        raise DeliveryFailed(
            f"{answered}{f': {body_line}' if body_line else ''}{hint}", permanent=permanent, retry_after=delay
        )

    def _response_line(self, response: requests.Response) -> str:
        """One line of the response body, without secrets that it may repeat from the request."""
        text = strip_control_sequences(_read_prefix(response))
        for secret in self._secrets():
            text = text.replace(secret, "…")
        return short_line(text)

    def _secrets(self) -> Iterator[str]:
        parts = urlsplit(self._url)
        pieces = [self._secret, self._url, parts.password, parts.path.strip("/"), parts.query]
        pieces += parts.path.split("/") + [pair.partition("=")[2] for pair in parts.query.split("&")]
        pieces += [unquote(piece) for piece in pieces if piece]
        # A short piece such as "api" is not a secret and occurs in ordinary text.
        return iter(sorted({piece for piece in pieces if piece and len(piece) >= 6}, key=len, reverse=True))


def signature(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def body(message: Message, context: DeliveryContext, now: datetime) -> dict[str, Any]:
    """The body as docs/alerts.md, "Webhook", describes it. All fields are present; unknown values are null."""
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
        "weekly_digest": data.get("weekly_digest"),
    }


def _stamp(moment: datetime) -> str:
    return iso_timestamp(moment, timespec="seconds")


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
    """The beginning of a response body. Size and time are limited, because the body may never end."""
    body, deadline = b"", time.monotonic() + _READ_TIMEOUT_SECONDS
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


def _cause(error: BaseException) -> str:
    """The innermost reason; the outer errors contain the URL."""
    if isinstance(error, requests.Timeout):
        connecting = isinstance(error, requests.ConnectTimeout)
        return (
            f"no connection within {_CONNECT_SECONDS} s"
            if connecting
            else f"no answer within {_READ_TIMEOUT_SECONDS} s"
        )
    inner: BaseException | None = error
    while inner is not None:
        error, reason = inner, getattr(inner, "verify_message", None) or getattr(inner, "strerror", None)
        if reason:
            return short_line(reason)
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__
