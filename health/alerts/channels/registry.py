"""The channels that are configured."""

from health.alerts.channels.base import Channel
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.settings import ChannelSettings
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.channels.slack_bot import SlackBotChannel
from health.alerts.channels.webhook import WebhookChannel

CHANNEL_NAMES = ("slack", "email", "webhook")
# What makes a channel, for people who have none.
CHANNEL_SETTINGS = (
    "SLACK_BOT_TOKEN and SLACK_CHANNEL, SLACK_WEBHOOK_URL, SMTP_URL and ALERT_EMAIL_TO, or ALERT_WEBHOOK_URL"
)


def configured_channels(settings: ChannelSettings) -> dict[str, Channel]:
    found: dict[str, Channel] = {}
    slack = _slack_channel(settings)
    if slack:
        found["slack"] = slack
    if settings.smtp_url:
        found["email"] = EmailChannel(
            settings.smtp_url.get_secret_value(), settings.sender, settings.recipients, settings.plain_hosts
        )
    if settings.alert_webhook_url:
        secret = settings.alert_webhook_secret
        url = settings.alert_webhook_url.get_secret_value()
        found["webhook"] = WebhookChannel(url, secret.get_secret_value() if secret else None)
    return found


def _slack_channel(settings: ChannelSettings) -> Channel | None:
    """A bot can do all that an incoming webhook can, and threads."""
    if settings.slack_bot_token and settings.slack_channel:
        return SlackBotChannel(
            settings.slack_bot_token.get_secret_value(), settings.slack_channel, settings.slack_api_url
        )
    if settings.slack_webhook_url:
        return SlackWebhookChannel(settings.slack_webhook_url.get_secret_value())
    return None
