"""Webhooks: notifications as signed JSON, posted to a URL."""

import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from core.formatting import iso_timestamp
from core.http.settings import PlainHttpSettings
from core.text import printable, register_secrets
from health.alerts.channels.base import DeliveryContext, Message, NotificationEvent, Receipt, parse_url
from health.alerts.channels.email import as_text
from health.alerts.channels.http_request import check_status, request, secret_parts

VERSION = 1
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
    """Logs and errors contain only the host of the URL: path, query and user may be secrets. `setting`: the one that
    contains the URL, for error messages."""

    def __init__(
        self, url: str, secret: str | None = None, *, name: str = "webhook", setting: str = "ALERT_WEBHOOK_URL"
    ) -> None:
        self.name, self._setting = name, setting
        self._url = url.strip()
        self._host = urlsplit(self._url).hostname or ""
        self._receiver = f"webhook at {self._host}"
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
        with request(self._receiver, "POST", self._url, headers, raw) as response:
            check_status(response, self._receiver, self._setting, secret_parts(self._url, self._secret))
        return Receipt()

    def check_connection(self) -> str:
        """The status of a HEAD request, which sends no notification. Raises DeliveryFailed without a response."""
        with request(self._receiver, "HEAD", self._url, {"User-Agent": "pipeline-health"}, None) as response:
            return f"{response.status_code}"


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
