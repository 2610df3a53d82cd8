"""The channels that are configured."""

from typing import Protocol

from notify.email import EmailChannel
from notify.message import Message
from notify.settings import ChannelSettings
from notify.slack import SlackChannel


class Channel(Protocol):
    name: str

    def send(self, message: Message) -> None:
        """Returns when the channel took the message; raises notify.errors.DeliveryFailed when not."""


NAMES = ("slack", "email")


def configured(settings: ChannelSettings) -> dict[str, Channel]:
    found: dict[str, Channel] = {}
    if settings.slack_webhook_url:
        found["slack"] = SlackChannel(settings.slack_webhook_url.get_secret_value())
    if settings.smtp_url:
        found["email"] = EmailChannel(settings.smtp_url.get_secret_value(), settings.sender, settings.recipients)
    return found
