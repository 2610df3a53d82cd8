"""Slack by an incoming webhook."""

from datetime import timedelta
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from slack_sdk.errors import SlackRequestError
from slack_sdk.webhook import WebhookClient

from notify.errors import DeliveryFailed
from notify.message import Message

TIMEOUT_SECONDS = 10
_LONGEST_FIELD, _LONGEST_TEXT = 1_900, 2_900
# Where Slack would read formatting: a zero-width space behind the character keeps it as it is.
_ACTIVE = "*_~`"


class SlackChannel:
    name = "slack"

    def __init__(self, webhook_url: str) -> None:
        self._host = urlsplit(webhook_url).hostname
        self._client = WebhookClient(webhook_url.strip(), timeout=TIMEOUT_SECONDS)

    def send(self, message: Message) -> None:
        try:
            response = self._client.send(text=escape(message.subject), blocks=blocks(message))
        except (URLError, OSError, SlackRequestError) as error:
            reason = getattr(error, "reason", None) or error
            raise DeliveryFailed(f"Slack at {self._host} cannot be reached: {_line(reason)}") from None
        if response.status_code == 200:
            return
        if response.status_code == 429:
            after = {name.lower(): value for name, value in response.headers.items()}.get("retry-after", "60")
            wait = timedelta(seconds=int(after) if str(after).isdigit() else 60)
            raise DeliveryFailed("Slack asks to slow down (429)", retry_after=wait)
        reason = _line(response.body or "no reason given")
        gone = response.status_code in (400, 403, 404, 410)
        hint = "; check SLACK_WEBHOOK_URL" if gone else ""
        raise DeliveryFailed(f"Slack answered {response.status_code}: {reason}{hint}", permanent=gone)


def escape(text: str) -> str:
    """Text that pings nobody and formats nothing (docs.slack.dev, "Escaping text"): a branch may be called
    `<!channel>` and a title may hold `*`."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
    for character in _ACTIVE:
        escaped = escaped.replace(character, character + "\u200b")
    return escaped


def blocks(message: Message) -> list[dict[str, Any]]:
    mark = ":white_check_mark:" if message.resolved else ":red_circle:"
    found = [_section(f"{mark} *{_bold(message.headline)}*")]
    if message.fields:
        rows = [f"*{escape(label)}*  {_cut(escape(value), _LONGEST_FIELD)}" for label, value in message.fields]
        found.append(_section("\n".join(rows)))
    if message.lines:
        found.append(_section("\n".join(escape(line) for line in message.lines)))
    if message.links:
        joined = "  ·  ".join(f"<{_url(url)}|{escape(label)}>" for label, url in message.links if _is_web(url))
        found.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _cut(joined, _LONGEST_TEXT)}]})
    return found


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, _LONGEST_TEXT)}}


def _bold(text: str) -> str:
    return escape(text).replace("\n", " ")


def _url(url: str) -> str:
    return url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")


def _is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _line(reason: object) -> str:
    return " ".join(str(reason).split())[:200]
