"""Slack: settings, the incoming webhook, and the layout of a message as blocks."""

import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

from pydantic import SecretStr, field_validator, model_validator
from slack_sdk.errors import SlackRequestError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from core.http import client
from core.http.client import ResponseLimitExceeded, limited
from core.http.settings import PlainHttpSettings
from core.text import one_line, printable, register_secrets
from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, Receipt, parse_url, short_line

TIMEOUT_SECONDS = 10
_DEFAULT_RETRY_AFTER = timedelta(seconds=60)
_MAX_RETRY_AFTER = timedelta(hours=1)
# Slack's limits (docs.slack.dev, "Blocks"); a message beyond them is refused as a whole.
_MAX_HEADLINE, _MAX_FIELD, _MAX_LINE, _MAX_TEXT = 150, 2_000, 1_000, 3_000
# Slack allows 4,000 characters in a text that is edited later; escaping makes up to five of one.
_MAX_NOTICE = 500
_PAIRS_IN_SECTION = 5
_MAX_SECTIONS = 8
MEMBER_ID = re.compile(r"[UW][A-Z0-9]{2,30}", re.ASCII)
_MAX_MENTIONS = 10


class SlackSettings(PlainHttpSettings):
    slack_webhook_url: SecretStr | None = None
    slack_bot_token: SecretStr | None = None
    slack_channel: str | None = None
    slack_api_url: str = "https://slack.com/api/"

    @field_validator("slack_webhook_url")
    @classmethod
    def _validate_slack_webhook_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = parse_url(value.get_secret_value())
            if parts is None or parts.scheme not in ("http", "https"):
                raise ValueError("the value is not a webhook URL; expected https://hooks.slack.com/services/…")
        return value

    @field_validator("slack_bot_token")
    @classmethod
    def _validate_slack_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9._-]+", value.get_secret_value().strip(), re.ASCII):
            raise ValueError("the value is not a token; expected the token of a bot, which begins with xoxb-")
        return value

    @field_validator("slack_channel")
    @classmethod
    def _validate_slack_channel(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"#?[^\s#@,<>:/]{1,80}", value.strip()):
            raise ValueError(f"invalid value {value[:40]!r}; expected one channel ID, such as C0123456789, or #name")
        return value and value.strip()

    @field_validator("slack_api_url")
    @classmethod
    def _validate_slack_api_url(cls, value: str) -> str:
        parts = parse_url(value)
        if parts is None or parts.scheme not in ("http", "https") or parts.username or parts.query:
            raise ValueError("invalid value; expected a URL without a user, such as https://slack.com/api/")
        return value.strip()

    @model_validator(mode="after")
    def _check_slack_settings(self) -> "SlackSettings":
        if self.slack_bot_token and not self.slack_channel:
            raise ValueError("SLACK_CHANNEL: required with SLACK_BOT_TOKEN; set it to the channel ID")
        if self.slack_channel and not self.slack_bot_token:
            raise ValueError("SLACK_BOT_TOKEN: required with SLACK_CHANNEL; set it to the bot's token")
        return self

    @model_validator(mode="after")
    def _require_tls_for_slack(self) -> "SlackSettings":
        """The URL of an incoming webhook is itself a secret."""
        if self.slack_bot_token and (remedy := self.encryption_remediation(self.slack_api_url)):
            raise ValueError(f"SLACK_API_URL: SLACK_BOT_TOKEN would be sent unencrypted; {remedy}")
        if self.slack_webhook_url and (
            remedy := self.encryption_remediation(self.slack_webhook_url.get_secret_value())
        ):
            raise ValueError(f"SLACK_WEBHOOK_URL: it would be sent unencrypted; {remedy}")
        return self


# The client logs the webhook's URL, which is a secret. DeliveryFailed has the reason of a failure.
_NULL_LOGGER = logging.getLogger("health.alerts.channels.slack.client")
_NULL_LOGGER.setLevel(logging.CRITICAL)


class SlackWebhookChannel:
    """`setting`: the one that contains the URL, for error messages."""

    def __init__(self, webhook_url: str, *, name: str = "slack", setting: str = "SLACK_WEBHOOK_URL") -> None:
        self.name, self._setting = name, setting
        url = urlsplit(webhook_url.strip())
        self._host = url.hostname
        register_secrets(
            webhook_url.strip() if url.path.strip("/") else None, url.path.strip("/"), url.path.rpartition("/")[2]
        )
        self._client = _BoundedWebhookClient(
            webhook_url.strip(), timeout=TIMEOUT_SECONDS, logger=_NULL_LOGGER, retry_handlers=[]
        )

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns an empty receipt: a webhook does not identify the message, so that it cannot be extended later."""
        try:
            with limited(client.LIMITS):
                response = self._client.send(text=notification_text(message.subject), blocks=blocks(message))
        except ResponseLimitExceeded as error:
            raise DeliveryFailed(f"The response of Slack at {self._host} {error}") from None
        except (OSError, HTTPException, ValueError, LookupError, SlackRequestError) as error:
            reason = getattr(error, "reason", None) or error
            raise DeliveryFailed(f"Slack at {self._host} cannot be reached: {short_line(reason)}") from None
        if response.status_code == 200 and not _is_html_page(response.body):
            return Receipt()
        if response.status_code == 200:
            raise DeliveryFailed(f"A web page, not Slack, answered at {self._host}; check {self._setting}")
        if response.status_code == 429:
            raise DeliveryFailed("Slack returned a rate limit (429)", retry_after=retry_after(response.headers))
        reason = short_line(response.body or "no reason given")
        permanent = response.status_code in (400, 403, 404, 410)
        hint = f"; check {self._setting}" if permanent else ""
        raise DeliveryFailed(f"Slack answered {response.status_code}: {reason}{hint}", permanent=permanent)


class _BoundedWebhookClient(WebhookClient):
    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        """A request whose response is limited in size and time."""
        response = client.open_url(req, self.timeout)
        headers: dict[str, Any] = dict(response.headers.items())
        return WebhookResponse(url=url, status_code=response.status, body=client.read_text(response), headers=headers)


def _is_html_page(body: str | None) -> bool:
    """A page of a proxy or of a login: redirects were followed, and the message is lost."""
    return (body or "").lstrip().startswith("<")


def escape(text: str) -> str:
    """Text in which Slack recognises no link and no mention (docs.slack.dev, "Escaping text"): a branch may be named
    `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notification_text(subject: str) -> str:
    """The text of a push notification. It is truncated before it is escaped, so that no escape is cut in two."""
    return escape(_truncate(one_line(subject), _MAX_NOTICE))


def blocks(message: Message) -> list[dict[str, Any]]:
    """The blocks of a message. Text is plain_text, in which Slack recognises no formatting, link or mention."""
    mark = "✅" if message.resolved else "🔴"
    headline = _plain(f"{mark} {' '.join(message.headline.split())}", _MAX_HEADLINE)
    layout: list[dict[str, Any]] = [{"type": "header", "text": headline}]
    for start in range(0, min(len(message.fields), _PAIRS_IN_SECTION * _MAX_SECTIONS), _PAIRS_IN_SECTION):
        pairs = message.fields[start : start + _PAIRS_IN_SECTION]
        layout.append({"type": "section", "fields": [part for pair in pairs for part in _pair(*pair)]})
    layout += [{"type": "section", "text": _plain(text, _MAX_TEXT)} for text in _paragraphs(message.lines)]
    elements = [text for text in (_links(message.links), _mentions(message.data.get("mentions"))) if text]
    if elements:
        layout.append({"type": "context", "elements": [{"type": "mrkdwn", "text": text} for text in elements]})
    return layout


def _mentions(members: Any) -> str:
    """Mentions of Slack members by their ids; ids that cannot be ones are left out."""
    valid = [member for member in members or () if isinstance(member, str) and MEMBER_ID.fullmatch(member)]
    return " ".join(f"<@{member}>" for member in valid[:_MAX_MENTIONS])


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """The lines in as few paragraphs as Slack's limits allow."""
    paragraphs: list[str] = []
    for line in (_truncate(line, _MAX_LINE) for line in lines):
        if paragraphs and len(paragraphs[-1]) + len(line) + 1 <= _MAX_TEXT:
            paragraphs[-1] += f"\n{line}"
        else:
            paragraphs.append(line)
    return paragraphs[:_MAX_SECTIONS]


def _pair(label: str, value: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return _plain(label, _MAX_FIELD), _plain(value, _MAX_FIELD)


def _plain(text: str, longest: int) -> dict[str, Any]:
    """A plain_text object; Slack rejects an empty one."""
    return {"type": "plain_text", "text": _truncate(printable(text).strip() or "–", longest), "emoji": False}


def _links(links: Sequence[tuple[str, str]]) -> str:
    """As many links as fit into one text."""
    joined = ""
    for label, url in links:
        link = f"<{_url(url)}|{escape(printable(label)).replace('|', '/')}>"
        if url.startswith(("http://", "https://")) and len(joined) + len(link) < _MAX_TEXT - 10:
            joined += f"  ·  {link}" if joined else link
    return joined


def _url(url: str) -> str:
    return printable(url).replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def retry_after(headers: Any) -> timedelta:
    """The delay of a Retry-After header in seconds, at most an hour; a minute without a usable one."""
    given = str({name.lower(): value for name, value in headers.items()}.get("retry-after", ""))
    if not (given.isascii() and given.isdigit()) or len(given) > 9:
        return _DEFAULT_RETRY_AFTER
    return min(timedelta(seconds=int(given)), _MAX_RETRY_AFTER)


def _truncate(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
