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
from core.http.client import ResponseLimitExceeded, limited
from core.text import register_secrets
from health.alerts.channels.base import (
    DeliveryContext,
    DeliveryFailed,
    Message,
    NotificationEvent,
    Receipt,
    ThreadParent,
    clean,
    short_line,
)
from health.alerts.channels.slack import TIMEOUT_SECONDS, blocks, notification_text, retry_after

log = logging.getLogger(__name__)
# Trying again helps with none of them (docs.slack.dev, "chat.postMessage", errors): somebody must do something.
# Words that are not here are tried again: Slack invents new ones.
_PERMANENT_ERRORS = """
access_denied account_inactive channel_not_found channel_type_not_supported ekm_access_denied
enterprise_is_restricted invalid_arg_name invalid_arguments invalid_array_arg invalid_auth invalid_blocks
invalid_blocks_format invalid_charset invalid_form_data invalid_json invalid_post_type is_archived is_inactive
messages_tab_disabled method_deprecated missing_scope msg_blocks_too_long msg_too_long no_permission no_text
not_allowed_token_type not_authed not_in_channel org_login_required restricted_action
restricted_action_non_threadable_channel restricted_action_read_only_channel restricted_action_thread_only_channel
team_access_not_granted team_not_found token_expired token_revoked too_many_attachments two_factor_setup_required
unknown_method user_is_bot
"""
_PERMANENT = frozenset(_PERMANENT_ERRORS.split())
# The thread is gone; the message itself can be posted.
_NO_THREAD = frozenset({"cannot_reply_to_message", "invalid_thread_ts", "message_not_found", "thread_not_found"})
_REMEDIES = {
    "channel_not_found": "check SLACK_CHANNEL; a private channel must have invited the bot",
    "not_in_channel": "invite the bot to SLACK_CHANNEL",
    "is_archived": "SLACK_CHANNEL is archived; name another one",
    "missing_scope": "give the bot chat:write",
}
# Of the ids and time stamps that say where a message is.
_MAX_CHANNEL_LENGTH = 100
_AUTH_ERRORS = ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive")
# The client's own lines hold what it sends; what went wrong is in DeliveryFailed.
_NULL_LOGGER = logging.getLogger("health.alerts.channels.slack_bot.client")
_NULL_LOGGER.setLevel(logging.CRITICAL)


class _SlackApiError(Exception):
    """Slack's word for it."""

    def __init__(self, word: str, failure: DeliveryFailed) -> None:
        super().__init__(word)
        self.code, self.failure = word, failure


class SlackBotChannel:
    name = "slack"

    def __init__(self, token: str, channel: str, api_url: str) -> None:
        self._token, self._channel = token.strip(), channel
        register_secrets(self._token)
        self._host = urlsplit(api_url).hostname
        self._client = _BoundedWebClient(
            self._token, base_url=api_url, timeout=TIMEOUT_SECONDS, logger=_NULL_LOGGER, retry_handlers=[]
        )

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Taken when the message is posted; that an opening could not be marked as over is a note."""
        context = context or DeliveryContext()
        known = [opening for opening in context.thread_parents if opening.receipt.get("ts")]
        here = [opening for opening in known if opening.receipt.get("asked") == self._channel]
        try:
            posted = self._post(message, here[0] if len(here) == 1 else None)
        except _SlackApiError as refused:
            raise refused.failure from None
        notes = (
            [self._mark_resolved(opening, message) for opening in known]
            if context.event is NotificationEvent.RESOLVED
            else []
        )
        channel, ts = (clean(posted.get(name) or "", _MAX_CHANNEL_LENGTH) for name in ("channel", "ts"))
        place = {"asked": self._channel, "channel": channel, "ts": ts}
        note = "; ".join(dict.fromkeys(each for each in notes if each)) or None
        if note:
            log.warning("%s", note)
        return Receipt(place if place["ts"] else {}, note)

    def identify(self) -> str:
        """Whose token it is. Raises DeliveryFailed when Slack does not know it. Posts nothing."""
        try:
            found = self._call(self._client.auth_test)
        except _SlackApiError as refused:
            raise refused.failure from None
        return short_line(f"{found.get('user') or 'a bot'} in {found.get('team') or 'a workspace'}")

    def _post(self, message: Message, parent: ThreadParent | None) -> Mapping[str, Any]:
        content: dict[str, Any] = {
            "text": notification_text(message.subject), "blocks": blocks(message), "unfurl_links": False,
            "unfurl_media": False,
        }  # fmt: skip
        if parent is not None:
            channel, ts = str(parent.receipt["channel"]), str(parent.receipt["ts"])
            try:
                return self._call(lambda: self._client.chat_postMessage(channel=channel, thread_ts=ts, **content))
            except _SlackApiError as refused:
                if refused.code not in _NO_THREAD:
                    raise
        return self._call(lambda: self._client.chat_postMessage(channel=self._channel, **content))

    def _mark_resolved(self, parent: ThreadParent, end: Message) -> str | None:
        """A glance at the channel shows that it is over."""
        was = parent.message
        over = replace(
            was, subject=f"✅ Over: {was.subject}", headline=f"Over: {was.headline}", resolved=True,
            fields=(("Now", end.headline), *was.fields),
        )  # fmt: skip
        channel, ts = str(parent.receipt["channel"]), str(parent.receipt["ts"])
        text = notification_text(over.subject)
        try:
            self._call(lambda: self._client.chat_update(channel=channel, ts=ts, text=text, blocks=blocks(over)))
        except _SlackApiError as refused:
            return f"The opening message could not be marked as over: Slack says {refused.code}"
        except DeliveryFailed as failed:
            return f"The opening message could not be marked as over: {failed}"
        return None

    def _call(self, request: Callable[[], SlackResponse]) -> Mapping[str, Any]:
        try:
            with limited(client.LIMITS):
                data = request().data
        except SlackApiError as error:
            raise self._api_error(error.response) from None
        except ResponseLimitExceeded as error:
            raise DeliveryFailed(f"The answer of Slack at {self._host} {error}") from None
        except (OSError, HTTPException, SlackRequestError) as error:
            raise DeliveryFailed(short_line(f"Slack at {self._host} cannot be reached: {_reason(error)}")) from None
        except (ValueError, LookupError, TypeError, AttributeError):
            # An answer in no known encoding, or JSON that is no object.
            raise DeliveryFailed(f"Slack at {self._host} gave an answer that is none") from None
        return data if isinstance(data, Mapping) else {}

    def _api_error(self, response: Any) -> "_SlackApiError | DeliveryFailed":
        status, data = response.status_code, response.data
        word = str(data.get("error") or "no reason given") if isinstance(data, Mapping) else "no reason given"
        if status == 429 or word in ("ratelimited", "rate_limited"):
            return DeliveryFailed("Slack asks to slow down (429)", retry_after=retry_after(response.headers))
        if status != 200:
            return DeliveryFailed(short_line(f"Slack at {self._host} answered {status}: {word}"))
        hint = "check SLACK_BOT_TOKEN" if word in _AUTH_ERRORS else _REMEDIES.get(word)
        told = short_line(f"Slack says {word}") + (f"; {hint}" if hint else "")
        return _SlackApiError(short_line(word), DeliveryFailed(told, permanent=word in _PERMANENT))


def _reason(error: Exception) -> object:
    return getattr(error, "reason", None) or error


class _BoundedWebClient(WebClient):
    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        """One whose answer is limited. Whoever redirects elsewhere does not get the token sent along: urllib repeats
        all other headers there."""
        token = req.headers.pop("Authorization", None)
        if token is not None:
            req.add_unredirected_header("Authorization", token)
        answer = client.open_url(req, self.timeout)
        return {"status": answer.status, "headers": answer.headers, "body": client.read_text(answer)}
