"""Settings of the channels, shared by the programs that send."""

import re
from email.utils import parseaddr
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr, field_validator, model_validator

from db.config import EnvironmentSettings

_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+", re.ASCII)


class ChannelSettings(EnvironmentSettings):
    slack_webhook_url: SecretStr | None = None
    smtp_url: SecretStr | None = None
    alert_email_from: str | None = None
    alert_email_to: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.alert_email_to.split(",") if part.strip())

    @property
    def sender(self) -> str:
        host = urlsplit(self.smtp_url.get_secret_value()).hostname if self.smtp_url else None
        return self.alert_email_from or f"pipeline-health@{host or 'localhost'}"

    @field_validator("slack_webhook_url")
    @classmethod
    def _slack(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = _parsed(value.get_secret_value())
            if parts is None or parts.scheme not in ("http", "https"):
                raise ValueError("the value is no webhook URL; it looks like https://hooks.slack.com/services/…")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = _parsed(value.get_secret_value())
            if parts is None or parts.scheme not in ("smtp", "smtps"):
                raise ValueError("the value is no mail server; write smtp://user:password@host:587 or smtps://…")
        return value

    @field_validator("alert_email_from", "alert_email_to")
    @classmethod
    def _addresses(cls, value: str | None) -> str | None:
        for part in (value or "").split(","):
            address = parseaddr(part.strip())[1]
            if part.strip() and (not _ADDRESS.fullmatch(address) or not part.isprintable()):
                raise ValueError(f"{part.strip()[:60]!r} is no mail address; write name@example.com, more by commas")
        return value

    @field_validator("alert_email_from")
    @classmethod
    def _one_sender(cls, value: str | None) -> str | None:
        if value and ("," in value or not value.strip()):
            raise ValueError("allowed is one mail address, such as pipeline-health@example.com")
        return value

    @model_validator(mode="after")
    def _mail_needs_somebody(self) -> "ChannelSettings":
        if self.smtp_url and not self.recipients:
            raise ValueError("ALERT_EMAIL_TO: SMTP_URL is set but nobody is named to write to; set it to an address")
        return self


def _parsed(url: str) -> SplitResult | None:
    """Null where it has no host or cannot be sent to: spaces, letters beyond ASCII, an impossible port."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable and re.fullmatch(r"[\x21-\x7e]+", text) else None
