"""All channels: those of the environment variables, and named ones. A new kind is one module, its fields in
`definitions`, and its entry here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator

from health.alerts.channels import opsgenie, pagerduty
from health.alerts.channels.apprise_service import AppriseChannel
from health.alerts.channels.base import Channel, DeliveryContext, DeliveryFailed, Message, Receipt, parse_url
from health.alerts.channels.definitions import ChannelDefinition, ChannelKind
from health.alerts.channels.email import EmailChannel, EmailSettings, email_channel
from health.alerts.channels.opsgenie import OpsgenieChannel
from health.alerts.channels.pagerduty import PagerDutyChannel
from health.alerts.channels.references import UnresolvedReference, resolve
from health.alerts.channels.slack import SlackSettings, SlackWebhookChannel
from health.alerts.channels.slack_bot import SlackBotChannel, slack_channel
from health.alerts.channels.webhook import WebhookChannel, WebhookSettings, webhook_channel


def _url(value: object) -> str:
    parts = parse_url(str(value))
    if parts is None or parts.scheme not in ("http", "https") or parts.username or parts.query:
        raise ValueError("invalid value; expected a URL without a user that begins with http:// or https://")
    return str(value).strip()


class ChannelSettings(EmailSettings, WebhookSettings, SlackSettings):
    """Settings of all channels, for the programs that send. Empty URLs of PagerDuty and Opsgenie: those of the region
    of each channel."""

    pagerduty_events_url: Annotated[str, BeforeValidator(_url)] | None = None
    opsgenie_api_url: Annotated[str, BeforeValidator(_url)] | None = None


_CHANNELS: dict[str, Callable[[ChannelSettings], Channel | None]] = {
    "slack": slack_channel,
    "email": email_channel,
    "webhook": webhook_channel,
}
# The settings that configure a channel, for error messages.
CHANNEL_SETTINGS = (
    "SLACK_BOT_TOKEN and SLACK_CHANNEL, SLACK_WEBHOOK_URL, SMTP_URL and ALERT_EMAIL_TO, or ALERT_WEBHOOK_URL"
)


def configured_channels(settings: ChannelSettings) -> dict[str, Channel]:
    """The channels of the environment variables by name."""
    channels = {name: create(settings) for name, create in _CHANNELS.items()}
    return {name: channel for name, channel in channels.items() if channel is not None}


@dataclass
class UnusableChannel:
    """A named channel that cannot send here, for example because a reference has no value. Its messages wait in the
    outbox, as for a receiver that does not respond."""

    name: str
    reason: str

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Raises DeliveryFailed."""
        raise DeliveryFailed(self.reason)


def build_channels(settings: ChannelSettings, definitions: Iterable[ChannelDefinition]) -> dict[str, Channel]:
    """The channels of the environment variables and the enabled named ones, by name."""
    named = {item.name: build_channel(settings, item) for item in definitions if item.enabled}
    return {**named, **configured_channels(settings)}


def build_channel(settings: ChannelSettings, definition: ChannelDefinition) -> Channel:
    """The channel of a definition, with its references resolved; an UnusableChannel if that is impossible."""
    try:
        return _BUILDERS[ChannelKind(definition.kind)](settings, definition)
    except (UnresolvedReference, _Unusable) as error:
        return UnusableChannel(definition.name, str(error))
    except Exception as error:
        # The text of an unexpected error may contain a secret.
        return UnusableChannel(definition.name, f"The channel cannot be used: {type(error).__name__}")


class _Unusable(ValueError):
    """The message is one line without secrets."""


def _slack(settings: ChannelSettings, definition: ChannelDefinition) -> Channel:
    values, name = definition.settings, definition.name
    if "webhook_url" in values:
        url = _http_url(settings, values, "webhook_url")
        return SlackWebhookChannel(url, name=name, setting=f"webhook_url of the channel {name}")
    default = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else None
    token = resolve(values["token"]) if "token" in values else default
    if not token:
        raise _Unusable("token: required, because SLACK_BOT_TOKEN is not set")
    if remedy := settings.encryption_remediation(settings.slack_api_url):
        raise _Unusable(f"SLACK_API_URL: the token would be sent unencrypted; {remedy}")
    labels = (f"channel of {name}", f"token of the channel {name}")
    return SlackBotChannel(token, values["channel"], settings.slack_api_url, name=name, settings=labels)


def _email(settings: ChannelSettings, definition: ChannelDefinition) -> Channel:
    values, name = definition.settings, definition.name
    default = settings.smtp_url.get_secret_value() if settings.smtp_url else None
    url = resolve(values["smtp_url"]) if "smtp_url" in values else default
    if not url:
        raise _Unusable("smtp_url: required, because SMTP_URL is not set")
    parts = parse_url(url)
    if parts is None or parts.scheme not in ("smtp", "smtps"):
        raise _Unusable("smtp_url: the value is not a mail server; expected smtp://user:password@host:587")
    sender = values.get("from") or settings.alert_email_from or f"pipeline-health@{parts.hostname}"
    labels = (f"smtp_url of the channel {name}", f"recipients of the channel {name}")
    return EmailChannel(url, sender, tuple(values["to"]), settings.plain_hosts, name=name, settings=labels)


def _webhook(settings: ChannelSettings, definition: ChannelDefinition) -> Channel:
    values, name = definition.settings, definition.name
    url = _http_url(settings, values, "url", always_encrypted="secret" in values)
    secret = resolve(values["secret"]) if "secret" in values else None
    return WebhookChannel(url, secret, name=name, setting=f"url of the channel {name}")


def _pagerduty(settings: ChannelSettings, definition: ChannelDefinition) -> Channel:
    values = definition.settings
    url = settings.pagerduty_events_url or pagerduty.EVENTS_URLS[values.get("region", "us")]
    if remedy := settings.encryption_remediation(url):
        raise _Unusable(f"PAGERDUTY_EVENTS_URL: the integration key would be sent unencrypted; {remedy}")
    return PagerDutyChannel(definition.name, resolve(values["integration_key"]), url)


def _opsgenie(settings: ChannelSettings, definition: ChannelDefinition) -> Channel:
    values = definition.settings
    url = settings.opsgenie_api_url or opsgenie.API_URLS[values.get("region", "us")]
    if remedy := settings.encryption_remediation(url):
        raise _Unusable(f"OPSGENIE_API_URL: the API key would be sent unencrypted; {remedy}")
    return OpsgenieChannel(definition.name, resolve(values["api_key"]), url, values.get("team"))


def _apprise(settings: ChannelSettings, definition: ChannelDefinition) -> Channel:
    try:
        return AppriseChannel(definition.name, resolve(definition.settings["url"]), settings.plain_hosts)
    except ValueError as error:
        raise _Unusable(f"url: {error}") from None


def _http_url(settings: ChannelSettings, values: Mapping[str, Any], name: str, *, always_encrypted: bool = True) -> str:
    url = resolve(values[name])
    parts = parse_url(url)
    if parts is None or parts.scheme not in ("http", "https"):
        raise _Unusable(f"{name}: the value is not a URL that begins with http:// or https://")
    needs_tls = (always_encrypted or bool(urlsplit(url).password)) and not url.startswith("https://")
    if needs_tls and (remedy := settings.encryption_remediation(url)):
        raise _Unusable(f"{name}: it would be sent unencrypted; {remedy}")
    return url


_BUILDERS: dict[ChannelKind, Callable[[ChannelSettings, ChannelDefinition], Channel]] = {
    ChannelKind.SLACK: _slack,
    ChannelKind.EMAIL: _email,
    ChannelKind.WEBHOOK: _webhook,
    ChannelKind.PAGERDUTY: _pagerduty,
    ChannelKind.OPSGENIE: _opsgenie,
    ChannelKind.APPRISE: _apprise,
}
