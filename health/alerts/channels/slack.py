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
from core.http.client import TooMuch, limited
from core.text import hide
from health.alerts.channels.base import DeliveryFailed, Message, Parcel, Receipt, line, one_line, printable

TIMEOUT_SECONDS = 10
_DEFAULT_WAIT = timedelta(seconds=60)
_LONGEST_WAIT = timedelta(hours=1)
# Slack's limits (docs.slack.dev, "Blocks"); a message beyond them is refused as a whole.
_LONGEST_HEADLINE, _LONGEST_FIELD, _LONGEST_LINE, _LONGEST_TEXT = 150, 2_000, 1_000, 3_000
# Of 4,000 characters of text that can be edited later; escaped, one becomes five.
_LONGEST_NOTICE = 500
_PAIRS_IN_SECTION = 5
_MOST_SECTIONS = 8


# The client's own lines hold the webhook's URL, which is a secret; what went wrong is in DeliveryFailed.
_SILENT = logging.getLogger("health.alerts.channels.slack.client")
_SILENT.setLevel(logging.CRITICAL)


class SlackChannel:
    name = "slack"

    def __init__(self, webhook_url: str) -> None:
        url = urlsplit(webhook_url.strip())
        self._host = url.hostname
        hide(webhook_url.strip() if url.path.strip("/") else None, url.path.strip("/"), url.path.rpartition("/")[2])
        self._client = _Client(webhook_url.strip(), timeout=TIMEOUT_SECONDS, logger=_SILENT, retry_handlers=[])

    def send(self, message: Message, parcel: Parcel | None = None) -> Receipt:
        """A webhook does not say where the message is now: nothing can be added to it later."""
        try:
            with limited(client.LIMITS):
                response = self._client.send(text=notice(message.subject), blocks=blocks(message))
        except TooMuch as error:
            raise DeliveryFailed(f"The answer of Slack at {self._host} {error}") from None
        except (OSError, HTTPException, ValueError, LookupError, SlackRequestError) as error:
            reason = getattr(error, "reason", None) or error
            raise DeliveryFailed(f"Slack at {self._host} cannot be reached: {line(reason)}") from None
        if response.status_code == 200 and not _is_page(response.body):
            return Receipt()
        if response.status_code == 200:
            raise DeliveryFailed(f"Slack at {self._host} did not answer, but a web page; check SLACK_WEBHOOK_URL")
        if response.status_code == 429:
            raise DeliveryFailed("Slack asks to slow down (429)", retry_after=wait(response.headers))
        reason = line(response.body or "no reason given")
        gone = response.status_code in (400, 403, 404, 410)
        hint = "; check SLACK_WEBHOOK_URL" if gone else ""
        raise DeliveryFailed(f"Slack answered {response.status_code}: {reason}{hint}", permanent=gone)


class _Client(WebhookClient):
    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        """One whose answer is limited."""
        answer = client.opened(req, self.timeout)
        headers: dict[str, Any] = dict(answer.headers.items())
        return WebhookResponse(url=url, status_code=answer.status, body=client.decoded(answer), headers=headers)


def _is_page(body: str | None) -> bool:
    """Of a proxy, or where one has to sign in: redirects are followed, and the message is lost on the way."""
    return (body or "").lstrip().startswith("<")


def escape(text: str) -> str:
    """Text in which Slack sees no link and no mention (docs.slack.dev, "Escaping text"): a branch may be called
    `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def notice(subject: str) -> str:
    """What a phone shows of it. Slack refuses a message whose text is too long, and cuts no escape in two."""
    return escape(_cut(one_line(subject), _LONGEST_NOTICE))


def blocks(message: Message) -> list[dict[str, Any]]:
    """What comes from outside stands in plain_text, which Slack never reads as formatting, link or mention."""
    mark = "✅" if message.resolved else "🔴"
    headline = _plain(f"{mark} {' '.join(message.headline.split())}", _LONGEST_HEADLINE)
    found: list[dict[str, Any]] = [{"type": "header", "text": headline}]
    for start in range(0, min(len(message.fields), _PAIRS_IN_SECTION * _MOST_SECTIONS), _PAIRS_IN_SECTION):
        pairs = message.fields[start : start + _PAIRS_IN_SECTION]
        found.append({"type": "section", "fields": [part for pair in pairs for part in _pair(*pair)]})
    found += [{"type": "section", "text": _plain(text, _LONGEST_TEXT)} for text in _paragraphs(message.lines)]
    links = _links(message.links)
    if links:
        found.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links}]})
    return found


def _paragraphs(lines: Sequence[str]) -> list[str]:
    """Many lines, in as few sections as hold them."""
    found: list[str] = []
    for each in lines:
        each = _cut(each, _LONGEST_LINE)  # noqa: PLW2901 - a line is only shortened
        if found and len(found[-1]) + len(each) + 1 <= _LONGEST_TEXT:
            found[-1] += f"\n{each}"
        else:
            found.append(each)
    return found[:_MOST_SECTIONS]


def _pair(label: str, value: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return _plain(label, _LONGEST_FIELD), _plain(value, _LONGEST_FIELD)


def _plain(text: str, longest: int) -> dict[str, Any]:
    """An empty text would be refused."""
    return {"type": "plain_text", "text": _cut(printable(text).strip() or "–", longest), "emoji": False}


def _links(links: Sequence[tuple[str, str]]) -> str:
    """As many as fit: half a link would be no link."""
    found = ""
    for label, url in links:
        link = f"<{_url(url)}|{escape(printable(label)).replace('|', '/')}>"
        if url.startswith(("http://", "https://")) and len(found) + len(link) < _LONGEST_TEXT - 10:
            found += f"  ·  {link}" if found else link
    return found


def _url(url: str) -> str:
    return printable(url).replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def wait(headers: Any) -> timedelta:
    given = str({name.lower(): value for name, value in headers.items()}.get("retry-after", ""))
    if not (given.isascii() and given.isdigit()) or len(given) > 9:
        return _DEFAULT_WAIT
    return min(timedelta(seconds=int(given)), _LONGEST_WAIT)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
