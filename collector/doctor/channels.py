"""What the doctor says of the channels, without sending a message on any of them."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from collector.doctor.environment import Check
from collector.settings import Settings
from health.alerts.channels.base import DeliveryFailed, within
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack_bot import SlackBot
from health.alerts.channels.webhook import WebhookChannel

# One that answers so late does not take messages in time either.
_MOST_SECONDS = 30.0
_SENDS = "POST /api/alerts/test sends a message"


def check_channels(settings: Settings) -> Iterator[Check]:
    yield _slack_bot(settings) if settings.slack_bot_token else _slack(settings)
    yield _smtp(settings)
    yield _webhook(settings)


def _slack_bot(settings: Settings) -> Check:
    token = settings.slack_bot_token
    bot = SlackBot(token.get_secret_value() if token else "", settings.slack_channel or "", settings.slack_api_url)
    try:
        who = within(_MOST_SECONDS, bot.who)
    except DeliveryFailed as error:
        return Check("Slack", False, str(error))
    beside = "; SLACK_WEBHOOK_URL is not used beside it" if settings.slack_webhook_url else ""
    return Check("Slack", True, f"{who} posts to {settings.slack_channel}{beside}; {_SENDS}")


def _slack(settings: Settings) -> Check:
    if not settings.slack_webhook_url:
        return Check("Slack", None, "neither SLACK_BOT_TOKEN nor SLACK_WEBHOOK_URL is set")
    host = urlsplit(settings.slack_webhook_url.get_secret_value()).hostname
    return Check("Slack", True, f"configured for {host}; {_SENDS}")


def _smtp(settings: Settings) -> Check:
    if not settings.smtp_url:
        return Check("Email", None, "SMTP_URL is not set")
    channel = EmailChannel(
        settings.smtp_url.get_secret_value(), settings.sender, settings.recipients, settings.plain_hosts
    )
    try:
        return Check("Email", True, f"{within(_MOST_SECONDS, channel.reach)} answers")
    except DeliveryFailed as error:
        return Check("Email", False, f"SMTP_URL: {error}")


def _webhook(settings: Settings) -> Check:
    """A HEAD: whatever comes back, somebody is there. What he thinks of a POST only a message can show."""
    if not settings.alert_webhook_url:
        return Check("Alert webhook", None, "ALERT_WEBHOOK_URL is not set")
    secret = settings.alert_webhook_secret
    url = settings.alert_webhook_url.get_secret_value()
    channel = WebhookChannel(url, secret.get_secret_value() if secret else None)
    try:
        status = within(_MOST_SECONDS, channel.reach)
    except DeliveryFailed as error:
        return Check("Alert webhook", False, f"ALERT_WEBHOOK_URL: {error}")
    signs = "signed" if channel.signs else "not signed (ALERT_WEBHOOK_SECRET is not set)"
    return Check("Alert webhook", True, f"{channel.host} answers ({status} to a HEAD), messages are {signs}; {_SENDS}")
