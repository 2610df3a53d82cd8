"""Checks of the notification channels, without sending a message."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from collector.doctor.environment import DoctorCheck
from collector.settings import CollectorSettings
from health.alerts.channels.base import DeliveryFailed, run_with_timeout
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack_bot import SlackBotChannel
from health.alerts.channels.webhook import WebhookChannel

# A slower channel would not accept messages in time either.
_MAX_SECONDS = 30.0
_TEST_HINT = "POST /api/alerts/test sends a message"


def check_channels(settings: CollectorSettings) -> Iterator[DoctorCheck]:
    yield _slack_bot(settings) if settings.slack_bot_token else _slack(settings)
    yield _smtp(settings)
    yield _webhook(settings)


def _slack_bot(settings: CollectorSettings) -> DoctorCheck:
    token = settings.slack_bot_token
    bot = SlackBotChannel(
        token.get_secret_value() if token else "", settings.slack_channel or "", settings.slack_api_url
    )
    try:
        bot_name = run_with_timeout(_MAX_SECONDS, bot.identify)
    except DeliveryFailed as error:
        return DoctorCheck("Slack", False, str(error))
    ignored = "; SLACK_WEBHOOK_URL is ignored" if settings.slack_webhook_url else ""
    return DoctorCheck("Slack", True, f"{bot_name} posts to {settings.slack_channel}{ignored}; {_TEST_HINT}")


def _slack(settings: CollectorSettings) -> DoctorCheck:
    if not settings.slack_webhook_url:
        return DoctorCheck("Slack", None, "neither SLACK_BOT_TOKEN nor SLACK_WEBHOOK_URL is set")
    host = urlsplit(settings.slack_webhook_url.get_secret_value()).hostname
    return DoctorCheck("Slack", True, f"configured for {host}; {_TEST_HINT}")


def _smtp(settings: CollectorSettings) -> DoctorCheck:
    if not settings.smtp_url:
        return DoctorCheck("Email", None, "SMTP_URL is not set")
    channel = EmailChannel(
        settings.smtp_url.get_secret_value(), settings.sender, settings.recipients, settings.plain_hosts
    )
    try:
        return DoctorCheck("Email", True, f"{run_with_timeout(_MAX_SECONDS, channel.check_connection)} answers")
    except DeliveryFailed as error:
        return DoctorCheck("Email", False, f"SMTP_URL: {error}")


def _webhook(settings: CollectorSettings) -> DoctorCheck:
    """Sends a HEAD: any response shows that the server is reachable; only a message can show whether it accepts
    POST."""
    if not settings.alert_webhook_url:
        return DoctorCheck("Alert webhook", None, "ALERT_WEBHOOK_URL is not set")
    secret = settings.alert_webhook_secret
    url = settings.alert_webhook_url.get_secret_value()
    channel = WebhookChannel(url, secret.get_secret_value() if secret else None)
    try:
        status = run_with_timeout(_MAX_SECONDS, channel.check_connection)
    except DeliveryFailed as error:
        return DoctorCheck("Alert webhook", False, f"ALERT_WEBHOOK_URL: {error}")
    signs = "signed" if channel.signs else "not signed (ALERT_WEBHOOK_SECRET is not set)"
    return DoctorCheck(
        "Alert webhook", True, f"{channel.host} answers ({status} to a HEAD), messages are {signs}; {_TEST_HINT}"
    )
