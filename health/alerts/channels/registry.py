"""All channels. A new channel is one module with its settings, and its entries here."""

from collections.abc import Callable

from health.alerts.channels.base import Channel
from health.alerts.channels.email import EmailSettings, email_channel
from health.alerts.channels.slack import SlackSettings
from health.alerts.channels.slack_bot import slack_channel
from health.alerts.channels.webhook import WebhookSettings, webhook_channel


class ChannelSettings(EmailSettings, WebhookSettings, SlackSettings):
    """Settings of all channels, for the programs that send."""


# By name, in the order in which pages and commands list them.
_CHANNELS: dict[str, Callable[[ChannelSettings], Channel | None]] = {
    "slack": slack_channel,
    "email": email_channel,
    "webhook": webhook_channel,
}
CHANNEL_NAMES = tuple(_CHANNELS)
# The settings that configure a channel, for error messages.
CHANNEL_SETTINGS = (
    "SLACK_BOT_TOKEN and SLACK_CHANNEL, SLACK_WEBHOOK_URL, SMTP_URL and ALERT_EMAIL_TO, or ALERT_WEBHOOK_URL"
)


def configured_channels(settings: ChannelSettings) -> dict[str, Channel]:
    """The configured channels by name."""
    channels = {name: create(settings) for name, create in _CHANNELS.items()}
    return {name: channel for name, channel in channels.items() if channel is not None}
