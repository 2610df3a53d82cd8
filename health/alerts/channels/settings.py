"""Settings of the channels, shared by the programs that send."""

import re
from email.utils import parseaddr
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr, field_validator, model_validator

from core.http.settings import PlainHttpSettings

_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+", re.ASCII)


class ChannelSettings(PlainHttpSettings):
    slack_webhook_url: SecretStr | None = None
    slack_bot_token: SecretStr | None = None
    slack_channel: str | None = None
    slack_api_url: str = "https://slack.com/api/"
    alert_webhook_url: SecretStr | None = None
    alert_webhook_secret: SecretStr | None = None
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
            parts = _parse_url(value.get_secret_value())
            if parts is None or parts.scheme not in ("http", "https"):
                raise ValueError("the value is no webhook URL; it looks like https://hooks.slack.com/services/…")
        return value

    @field_validator("slack_bot_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9._-]+", value.get_secret_value().strip(), re.ASCII):
            raise ValueError("the value is no token; a bot's begins with xoxb-")
        return value

    @field_validator("slack_channel")
    @classmethod
    def _channel(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"#?[^\s#@,<>:/]{1,80}", value.strip()):
            raise ValueError(f"given was {value[:40]!r}; allowed is one channel: its ID, such as C0123456789, or #name")
        return value and value.strip()

    @field_validator("slack_api_url")
    @classmethod
    def _slack_api(cls, value: str) -> str:
        parts = _parse_url(value)
        if parts is None or parts.scheme not in ("http", "https") or parts.username or parts.query:
            raise ValueError("allowed is a URL without a user, such as https://slack.com/api/")
        return value.strip()

    @field_validator("alert_webhook_url")
    @classmethod
    def _webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = _parse_url(value.get_secret_value())
            if parts is None or parts.scheme not in ("http", "https"):
                raise ValueError("the value is no URL to post to; it begins with http:// or https://")
        return value

    @field_validator("alert_webhook_secret")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        """Whoever sets one wants signatures: spaces alone are an accident."""
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("the value is empty; set a secret that the receiver knows, or leave it out")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = _parse_url(value.get_secret_value())
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
    def _check_slack_settings(self) -> "ChannelSettings":
        if self.slack_bot_token and not self.slack_channel:
            raise ValueError("SLACK_CHANNEL: SLACK_BOT_TOKEN is set but no channel to post to; set it to its ID")
        if self.slack_channel and not self.slack_bot_token:
            raise ValueError("SLACK_BOT_TOKEN: SLACK_CHANNEL is set but no bot to post there; set the bot's token")
        return self

    @model_validator(mode="after")
    def _check_webhook_settings(self) -> "ChannelSettings":
        if self.alert_webhook_secret and not self.alert_webhook_url:
            raise ValueError("ALERT_WEBHOOK_URL: ALERT_WEBHOOK_SECRET is set but no URL to post to; set it")
        return self

    @model_validator(mode="after")
    def _require_tls_for_secrets(self) -> "ChannelSettings":
        """A webhook of Slack is a secret itself; another one is where it has a password or a secret for signing."""
        if self.slack_bot_token and (remedy := self.encryption_remediation(self.slack_api_url)):
            raise ValueError(f"SLACK_API_URL: SLACK_BOT_TOKEN would be sent in clear; {remedy}")
        if self.slack_webhook_url and (
            remedy := self.encryption_remediation(self.slack_webhook_url.get_secret_value())
        ):
            raise ValueError(f"SLACK_WEBHOOK_URL: it would be sent in clear; {remedy}")
        url = self.alert_webhook_url.get_secret_value() if self.alert_webhook_url else ""
        has_secret = bool(self.alert_webhook_secret) or bool(_parse_url(url) and urlsplit(url.strip()).password)
        if (
            url
            and has_secret
            and not url.strip().startswith("https://")
            and (remedy := self.encryption_remediation(url))
        ):
            raise ValueError(f"ALERT_WEBHOOK_URL: messages with a secret would be sent in clear; {remedy}")
        return self

    @model_validator(mode="after")
    def _require_recipients(self) -> "ChannelSettings":
        if self.smtp_url and not self.recipients:
            raise ValueError("ALERT_EMAIL_TO: SMTP_URL is set but nobody is named to write to; set it to an address")
        return self


def _parse_url(url: str) -> SplitResult | None:
    """Null where it has no host or cannot be sent to: spaces, letters beyond ASCII, an impossible port."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable and re.fullmatch(r"[\x21-\x7e]+", text) else None
