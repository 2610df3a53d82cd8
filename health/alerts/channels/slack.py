"""Slack by an incoming webhook, and how a message looks in Slack."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

from slack_sdk.errors import SlackRequestError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from core.http import client
from core.http.client import ResponseLimitExceeded, limited
from core.text import register_secrets
from health.alerts.channels.base import (
    DeliveryContext,
    DeliveryFailed,
    Message,
    Receipt,
    one_line,
    printable,
    short_line,
)

TIMEOUT_SECONDS = 10
_DEFAULT_RETRY_AFTER = timedelta(seconds=60)
_MAX_RETRY_AFTER = timedelta(hours=1)
# Slack's limits (docs.slack.dev, "Blocks"); a message beyond them is refused as a whole.
_MAX_HEADLINE, _MAX_FIELD, _MAX_LINE, _MAX_TEXT = 150, 2_000, 1_000, 3_000
# Of 4,000 characters of text that can be edited later; escaped, one becomes five.
_MAX_NOTICE = 500
_PAIRS_IN_SECTION = 5
_MAX_SECTIONS = 8


# The client's own lines hold the webhook's URL, which is a secret; what went wrong is in DeliveryFailed.
_NULL_LOGGER = logging.getLogger("health.alerts.channels.slack.client")
_NULL_LOGGER.setLevel(logging.CRITICAL)


class SlackWebhookChannel:
    name = "slack"

    def __init__(self, webhook_url: str) -> None:
        url = urlsplit(webhook_url.strip())
        self._host = url.hostname
        register_secrets(
            webhook_url.strip() if url.path.strip("/") else None, url.path.strip("/"), url.path.rpartition("/")[2]
        )
        self._client = _BoundedWebhookClient(
            webhook_url.strip(), timeout=TIMEOUT_SECONDS, logger=_NULL_LOGGER, retry_handlers=[]
        )

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """A webhook does not say where the message is now: nothing can be added to it later."""
        try:
            with limited(client.LIMITS):
                response = self._client.send(text=notification_text(message.subject), blocks=blocks(message))
        except ResponseLimitExceeded as error:
            raise DeliveryFailed(f"The answer of Slack at {self._host} {error}") from None
        except (OSError, HTTPException, ValueError, LookupError, SlackRequestError) as error:
            reason = getattr(error, "reason", None) or error
            raise DeliveryFailed(f"Slack at {self._host} cannot be reached: {short_line(reason)}") from None
        if response.status_code == 200 and not _is_html_page(response.body):
            return Receipt()
        if response.status_code == 200:
            raise DeliveryFailed(f"Slack at {self._host} did not answer, but a web page; check SLACK_WEBHOOK_URL")
        if response.status_code == 429:
            raise DeliveryFailed("Slack asks to slow down (429)", retry_after=retry_after(response.headers))
        reason = short_line(response.body or "no reason given")
        gone = response.status_code in (400, 403, 404, 410)
        hint = "; check SLACK_WEBHOOK_URL" if gone else ""
        raise DeliveryFailed(f"Slack answered {response.status_code}: {reason}{hint}", permanent=gone)


class _BoundedWebhookClient(WebhookClient):
    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        """One whose answer is limited."""
        answer = client.open_url(req, self.timeout)
        headers: dict[str, Any] = dict(answer.headers.items())
        return WebhookResponse(url=url, status_code=answer.status, body=client.read_text(answer), headers=headers)


def _is_html_page(body: str | None) -> bool:
    """Of a proxy, or where one has to sign in: redirects are followed, and the message is lost on the way."""
    return (body or "").lstrip().startswith("<")


def escape(text: str) -> str:
    """Text in which Slack sees no link and no mention (docs.slack.dev, "Escaping text"): a branch may be called
    `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notification_text(subject: str) -> str:
    """What a phone shows of it. Slack refuses a message whose text is too long, and cuts no escape in two."""
    return escape(_truncate(one_line(subject), _MAX_NOTICE))


def blocks(message: Message) -> list[dict[str, Any]]:
    """What comes from outside stands in plain_text, which Slack never reads as formatting, link or mention."""
    mark = "✅" if message.resolved else "🔴"
    headline = _plain(f"{mark} {' '.join(message.headline.split())}", _MAX_HEADLINE)
    found: list[dict[str, Any]] = [{"type": "header", "text": headline}]
    for start in range(0, min(len(message.fields), _PAIRS_IN_SECTION * _MAX_SECTIONS), _PAIRS_IN_SECTION):
        pairs = message.fields[start : start + _PAIRS_IN_SECTION]
        found.append({"type": "section", "fields": [part for pair in pairs for part in _pair(*pair)]})
    found += [{"type": "section", "text": _plain(text, _MAX_TEXT)} for text in _paragraphs(message.lines)]
    links = _links(message.links)
    if links:
        found.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links}]})
    return found


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """Many lines, in as few sections as hold them."""
    found: list[str] = []
    for each in lines:
        each = _truncate(each, _MAX_LINE)  # noqa: PLW2901 - a line is only shortened
        if found and len(found[-1]) + len(each) + 1 <= _MAX_TEXT:
            found[-1] += f"\n{each}"
        else:
            found.append(each)
    return found[:_MAX_SECTIONS]


def _pair(label: str, value: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return _plain(label, _MAX_FIELD), _plain(value, _MAX_FIELD)


def _plain(text: str, longest: int) -> dict[str, Any]:
    """An empty text would be refused."""
    return {"type": "plain_text", "text": _truncate(printable(text).strip() or "–", longest), "emoji": False}


def _links(links: Sequence[tuple[str, str]]) -> str:
    """As many as fit: half a link would be no link."""
    found = ""
    for label, url in links:
        link = f"<{_url(url)}|{escape(printable(label)).replace('|', '/')}>"
        if url.startswith(("http://", "https://")) and len(found) + len(link) < _MAX_TEXT - 10:
            found += f"  ·  {link}" if found else link
    return found


def _url(url: str) -> str:
    return printable(url).replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def retry_after(headers: Any) -> timedelta:
    given = str({name.lower(): value for name, value in headers.items()}.get("retry-after", ""))
    if not (given.isascii() and given.isdigit()) or len(given) > 9:
        return _DEFAULT_RETRY_AFTER
    return min(timedelta(seconds=int(given)), _MAX_RETRY_AFTER)


def _truncate(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
