"""Slack by a bot token: what more there is to say stands in the thread of the opening, which shows how it ended."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web import SlackResponse, WebClient

from core.http import client
from core.http.client import TooMuch, limited
from core.text import hide
from health.alerts.channels.base import DeliveryFailed, Event, Message, Opening, Parcel, Receipt, clean, line
from health.alerts.channels.slack import TIMEOUT_SECONDS, blocks, notice, wait

log = logging.getLogger(__name__)
# Trying again helps with none of them (docs.slack.dev, "chat.postMessage", errors): somebody must do something.
# Words that are not here are tried again: Slack invents new ones.
_WORDS = """
access_denied account_inactive channel_not_found channel_type_not_supported ekm_access_denied
enterprise_is_restricted invalid_arg_name invalid_arguments invalid_array_arg invalid_auth invalid_blocks
invalid_blocks_format invalid_charset invalid_form_data invalid_json invalid_post_type is_archived is_inactive
messages_tab_disabled method_deprecated missing_scope msg_blocks_too_long msg_too_long no_permission no_text
not_allowed_token_type not_authed not_in_channel org_login_required restricted_action
restricted_action_non_threadable_channel restricted_action_read_only_channel restricted_action_thread_only_channel
team_access_not_granted team_not_found token_expired token_revoked too_many_attachments two_factor_setup_required
unknown_method user_is_bot
"""
_PERMANENT = frozenset(_WORDS.split())
# The thread is gone; the message itself can be posted.
_NO_THREAD = frozenset({"cannot_reply_to_message", "invalid_thread_ts", "message_not_found", "thread_not_found"})
_REMEDIES = {
    "channel_not_found": "check SLACK_CHANNEL; a private channel must have invited the bot",
    "not_in_channel": "invite the bot to SLACK_CHANNEL",
    "is_archived": "SLACK_CHANNEL is archived; name another one",
    "missing_scope": "give the bot chat:write",
}
# Of the ids and time stamps that say where a message is.
_LONGEST_PLACE = 100
_NOT_LOGGED_IN = ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive")
# The client's own lines hold what it sends; what went wrong is in DeliveryFailed.
_SILENT = logging.getLogger("health.alerts.channels.slack_bot.client")
_SILENT.setLevel(logging.CRITICAL)


class _Refused(Exception):
    """Slack's word for it."""

    def __init__(self, word: str, failure: DeliveryFailed) -> None:
        super().__init__(word)
        self.word, self.failure = word, failure


class SlackBot:
    name = "slack"

    def __init__(self, token: str, channel: str, api_url: str) -> None:
        self._token, self._channel = token.strip(), channel
        hide(self._token)
        self._host = urlsplit(api_url).hostname
        self._client = _Client(
            self._token, base_url=api_url, timeout=TIMEOUT_SECONDS, logger=_SILENT, retry_handlers=[]
        )

    def send(self, message: Message, parcel: Parcel | None = None) -> Receipt:
        """Taken when the message is posted; that an opening could not be marked as over is a note."""
        parcel = parcel or Parcel()
        known = [opening for opening in parcel.openings if opening.receipt.get("ts")]
        here = [opening for opening in known if opening.receipt.get("asked") == self._channel]
        try:
            posted = self._post(message, here[0] if len(here) == 1 else None)
        except _Refused as refused:
            raise refused.failure from None
        notes = [self._mark(opening, message) for opening in known] if parcel.event is Event.RESOLVED else []
        channel, ts = (clean(posted.get(name) or "", _LONGEST_PLACE) for name in ("channel", "ts"))
        place = {"asked": self._channel, "channel": channel, "ts": ts}
        note = "; ".join(dict.fromkeys(each for each in notes if each)) or None
        if note:
            log.warning("%s", note)
        return Receipt(place if place["ts"] else {}, note)

    def who(self) -> str:
        """Whose token it is. Raises DeliveryFailed when Slack does not know it. Posts nothing."""
        try:
            found = self._call(self._client.auth_test)
        except _Refused as refused:
            raise refused.failure from None
        return line(f"{found.get('user') or 'a bot'} in {found.get('team') or 'a workspace'}")

    def _post(self, message: Message, opening: Opening | None) -> Mapping[str, Any]:
        content: dict[str, Any] = {
            "text": notice(message.subject), "blocks": blocks(message), "unfurl_links": False,
            "unfurl_media": False,
        }  # fmt: skip
        if opening is not None:
            channel, ts = str(opening.receipt["channel"]), str(opening.receipt["ts"])
            try:
                return self._call(lambda: self._client.chat_postMessage(channel=channel, thread_ts=ts, **content))
            except _Refused as refused:
                if refused.word not in _NO_THREAD:
                    raise
        return self._call(lambda: self._client.chat_postMessage(channel=self._channel, **content))

    def _mark(self, opening: Opening, end: Message) -> str | None:
        """A glance at the channel shows that it is over."""
        was = opening.message
        over = replace(
            was, subject=f"✅ Over: {was.subject}", headline=f"Over: {was.headline}", resolved=True,
            fields=(("Now", end.headline), *was.fields),
        )  # fmt: skip
        channel, ts = str(opening.receipt["channel"]), str(opening.receipt["ts"])
        text = notice(over.subject)
        try:
            self._call(lambda: self._client.chat_update(channel=channel, ts=ts, text=text, blocks=blocks(over)))
        except _Refused as refused:
            return f"The opening message could not be marked as over: Slack says {refused.word}"
        except DeliveryFailed as failed:
            return f"The opening message could not be marked as over: {failed}"
        return None

    def _call(self, ask: Callable[[], SlackResponse]) -> Mapping[str, Any]:
        try:
            with limited(client.LIMITS):
                data = ask().data
        except SlackApiError as error:
            raise self._refusal(error.response) from None
        except TooMuch as error:
            raise DeliveryFailed(f"The answer of Slack at {self._host} {error}") from None
        except (OSError, HTTPException, SlackRequestError) as error:
            raise DeliveryFailed(line(f"Slack at {self._host} cannot be reached: {_reason(error)}")) from None
        except (ValueError, LookupError, TypeError, AttributeError):
            # An answer in no known encoding, or JSON that is no object.
            raise DeliveryFailed(f"Slack at {self._host} gave an answer that is none") from None
        return data if isinstance(data, Mapping) else {}

    def _refusal(self, response: Any) -> "_Refused | DeliveryFailed":
        status, data = response.status_code, response.data
        word = str(data.get("error") or "no reason given") if isinstance(data, Mapping) else "no reason given"
        if status == 429 or word in ("ratelimited", "rate_limited"):
            return DeliveryFailed("Slack asks to slow down (429)", retry_after=wait(response.headers))
        if status != 200:
            return DeliveryFailed(line(f"Slack at {self._host} answered {status}: {word}"))
        hint = "check SLACK_BOT_TOKEN" if word in _NOT_LOGGED_IN else _REMEDIES.get(word)
        told = line(f"Slack says {word}") + (f"; {hint}" if hint else "")
        return _Refused(line(word), DeliveryFailed(told, permanent=word in _PERMANENT))


def _reason(error: Exception) -> object:
    return getattr(error, "reason", None) or error


class _Client(WebClient):
    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        """One whose answer is limited. Whoever redirects elsewhere does not get the token sent along: urllib repeats
        all other headers there."""
        token = req.headers.pop("Authorization", None)
        if token is not None:
            req.add_unredirected_header("Authorization", token)
        answer = client.opened(req, self.timeout)
        return {"status": answer.status, "headers": answer.headers, "body": client.decoded(answer)}
