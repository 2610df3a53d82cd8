"""Slack by a bot token: later notifications of an alert are replies in the thread of the first one, which is edited
when the alert resolves."""

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
from core.text import clean, register_secrets
from health.alerts.channels.base import (
    DeliveryContext,
    DeliveryFailed,
    Message,
    NotificationEvent,
    Receipt,
    ThreadParent,
    short_line,
)
from health.alerts.channels.slack import (
    TIMEOUT_SECONDS,
    SlackSettings,
    SlackWebhookChannel,
    blocks,
    notification_text,
    retry_after,
)

log = logging.getLogger(__name__)
# Errors that a retry cannot help (docs.slack.dev, "chat.postMessage", errors). Other errors are retried, because Slack
# adds new ones.
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
# The thread does not exist any more; the message can be posted to the channel.
_NO_THREAD = frozenset({"cannot_reply_to_message", "invalid_thread_ts", "message_not_found", "thread_not_found"})
_REMEDIES = {
    "channel_not_found": "check {channel}; a private channel must have invited the bot",
    "not_in_channel": "invite the bot to {channel}",
    "is_archived": "{channel} is archived; name another one",
    "missing_scope": "give the bot chat:write",
}
# Length of the ids and time stamps that identify a message.
_MAX_CHANNEL_LENGTH = 100
_AUTH_ERRORS = ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive")
# The client logs what it sends. DeliveryFailed has the reason of a failure.
_NULL_LOGGER = logging.getLogger("health.alerts.channels.slack_bot.client")
_NULL_LOGGER.setLevel(logging.CRITICAL)


class _SlackApiError(Exception):
    """An error code of Slack, and the failure that it means."""

    def __init__(self, code: str, failure: DeliveryFailed) -> None:
        super().__init__(code)
        self.code, self.failure = code, failure


def slack_channel(settings: SlackSettings) -> "SlackBotChannel | SlackWebhookChannel | None":
    """The configured Slack channel: a bot, which can do all that an incoming webhook can, and threads; otherwise the
    incoming webhook; null without either."""
    if settings.slack_bot_token and settings.slack_channel:
        token = settings.slack_bot_token.get_secret_value()
        return SlackBotChannel(token, settings.slack_channel, settings.slack_api_url)
    if settings.slack_webhook_url:
        return SlackWebhookChannel(settings.slack_webhook_url.get_secret_value())
    return None


class SlackBotChannel:
    """`settings`: the names of the channel's and of the token's setting, for error messages."""

    def __init__(
        self,
        token: str,
        channel: str,
        api_url: str,
        *,
        name: str = "slack",
        settings: tuple[str, str] = ("SLACK_CHANNEL", "SLACK_BOT_TOKEN"),
    ) -> None:
        self.name, (self._channel_setting, self._token_setting) = name, settings
        self._token, self._channel = token.strip(), channel
        register_secrets(self._token)
        self._host = urlsplit(api_url).hostname
        self._client = _BoundedWebClient(
            self._token, base_url=api_url, timeout=TIMEOUT_SECONDS, logger=_NULL_LOGGER, retry_handlers=[]
        )

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns when the message is posted. A first notification that could not be marked as resolved is a note."""
        context = context or DeliveryContext()
        parents = [parent for parent in context.thread_parents if parent.receipt.get("ts")]
        in_channel = [parent for parent in parents if parent.receipt.get("asked") == self._channel]
        try:
            posted = self._post(message, in_channel[0] if len(in_channel) == 1 else None)
        except _SlackApiError as error:
            raise error.failure from None
        notes = (
            [self._mark_resolved(parent, message) for parent in parents]
            if context.event is NotificationEvent.RESOLVED
            else []
        )
        channel, ts = (clean(posted.get(name) or "", _MAX_CHANNEL_LENGTH) for name in ("channel", "ts"))
        location = {"asked": self._channel, "channel": channel, "ts": ts}
        note = "; ".join(dict.fromkeys(note for note in notes if note)) or None
        if note:
            log.warning("%s", note)
        return Receipt(location if ts else {}, note)

    def identify(self) -> str:
        """The bot and workspace of the token. Posts nothing. Raises DeliveryFailed when Slack rejects the token."""
        try:
            identity = self._call(self._client.auth_test)
        except _SlackApiError as error:
            raise error.failure from None
        return short_line(f"{identity.get('user') or 'a bot'} in {identity.get('team') or 'a workspace'}")

    def _post(self, message: Message, parent: ThreadParent | None) -> Mapping[str, Any]:
        content: dict[str, Any] = {
            "text": notification_text(message.subject),
            "blocks": blocks(message),
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if parent is not None:
            channel, ts = str(parent.receipt["channel"]), str(parent.receipt["ts"])
            try:
                return self._call(lambda: self._client.chat_postMessage(channel=channel, thread_ts=ts, **content))
            except _SlackApiError as error:
                if error.code not in _NO_THREAD:
                    raise
        return self._call(lambda: self._client.chat_postMessage(channel=self._channel, **content))

    def _mark_resolved(self, parent: ThreadParent, end: Message) -> str | None:
        """Edits the first notification, so that the channel shows the end without its thread. Returns a note on
        failure."""
        first = parent.message
        edited = replace(
            first,
            subject=f"✅ Resolved: {first.subject}",
            headline=f"Resolved: {first.headline}",
            resolved=True,
            fields=(("Now", end.headline), *first.fields),
        )
        channel, ts = str(parent.receipt["channel"]), str(parent.receipt["ts"])
        text = notification_text(edited.subject)
        try:
            self._call(lambda: self._client.chat_update(channel=channel, ts=ts, text=text, blocks=blocks(edited)))
        except _SlackApiError as error:
            return f"The first message could not be marked as resolved: Slack reports {error.code}"
        except DeliveryFailed as error:
            return f"The first message could not be marked as resolved: {error}"
        return None

    def _call(self, request: Callable[[], SlackResponse]) -> Mapping[str, Any]:
        try:
            with limited(client.LIMITS):
                data = request().data
        except SlackApiError as error:
            raise self._api_error(error.response) from None
        except ResponseLimitExceeded as error:
            raise DeliveryFailed(f"The response of Slack at {self._host} {error}") from None
        except (OSError, HTTPException, SlackRequestError) as error:
            raise DeliveryFailed(short_line(f"Slack at {self._host} cannot be reached: {_reason(error)}")) from None
        except (ValueError, LookupError, TypeError, AttributeError):
            # A response in an unknown encoding, or JSON that is not an object.
            raise DeliveryFailed(f"Slack at {self._host} returned an invalid response") from None
        return data if isinstance(data, Mapping) else {}

    def _api_error(self, response: Any) -> "_SlackApiError | DeliveryFailed":
        status, data = response.status_code, response.data
        code = str(data.get("error") or "no reason given") if isinstance(data, Mapping) else "no reason given"
        if status == 429 or code in ("ratelimited", "rate_limited"):
            return DeliveryFailed("Slack returned a rate limit (429)", retry_after=retry_after(response.headers))
        if status != 200:
            return DeliveryFailed(short_line(f"Slack at {self._host} answered {status}: {code}"))
        remedy = _REMEDIES.get(code, "").format(channel=self._channel_setting)
        hint = f"check {self._token_setting}" if code in _AUTH_ERRORS else remedy
        reason = short_line(f"Slack reports {code}") + (f"; {hint}" if hint else "")
        return _SlackApiError(short_line(code), DeliveryFailed(reason, permanent=code in _PERMANENT))


def _reason(error: Exception) -> object:
    return getattr(error, "reason", None) or error


class _BoundedWebClient(WebClient):
    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        """A request whose response is limited in size and time. The token is not repeated after a redirect: urllib
        sends all other headers to the new address."""
        token = req.headers.pop("Authorization", None)
        if token is not None:
            req.add_unredirected_header("Authorization", token)
        response = client.open_url(req, self.timeout)
        return {"status": response.status, "headers": response.headers, "body": client.read_text(response)}
