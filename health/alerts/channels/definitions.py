"""Definitions of named channels, as TEAMS_FILE, the dashboard and the API give them: the fields of each kind, and their
validation. Contains references to secrets, never secrets. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from enum import StrEnum
from typing import Any

from core.text import clean
from db.enums import TeamSource
from health.alerts.channels.references import reference_problem


class ChannelKind(StrEnum):
    SLACK = "slack"
    EMAIL = "email"
    WEBHOOK = "webhook"
    PAGERDUTY = "pagerduty"
    OPSGENIE = "opsgenie"
    APPRISE = "apprise"


# The channels of the environment variables, in the order of lists. Named channels have other names.
CHANNEL_NAMES = ("slack", "email", "webhook")
# Kinds that open, acknowledge and resolve an incident for each alert.
INCIDENT_KINDS = (ChannelKind.PAGERDUTY, ChannelKind.OPSGENIE)
MAX_CHANNELS = 500
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,58}[A-Za-z0-9])?", re.ASCII)
_SLACK_CHANNEL = re.compile(r"#?[^\s#@,<>:/]{1,80}")
_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+", re.ASCII)
_MAX_RECIPIENTS = 50


class InvalidChannel(ValueError):
    """`field` is the invalid field of the definition. The message is one line without the value of a secret."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(clean(message, 300))
        self.field = name


class FieldType(StrEnum):
    """REFERENCE: to a secret. ADDRESSES: e-mail addresses."""

    REFERENCE = "reference"
    SLACK_CHANNEL = "slack_channel"
    ADDRESS = "address"
    ADDRESSES = "addresses"
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True)
class ChannelField:
    """One setting of a kind of channel. `choices`: of a CHOICE, the default first."""

    name: str
    label: str
    type: FieldType
    help: str
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class KindSpec:
    """`one_of`: names of fields of which exactly one is set."""

    label: str
    fields: tuple[ChannelField, ...]
    one_of: tuple[str, ...] = ()


_REGION = ChannelField("region", "Region", FieldType.CHOICE, "Service region of the account", choices=("us", "eu"))
KINDS: dict[ChannelKind, KindSpec] = {
    ChannelKind.SLACK: KindSpec(
        "Slack",
        (
            ChannelField("channel", "Slack channel", FieldType.SLACK_CHANNEL, "#name or channel ID; a bot posts to it"),
            ChannelField("token", "Bot token", FieldType.REFERENCE, "Default: SLACK_BOT_TOKEN"),
            ChannelField("webhook_url", "Webhook URL", FieldType.REFERENCE, "Incoming webhook, instead of a bot"),
        ),
        ("channel", "webhook_url"),
    ),
    ChannelKind.EMAIL: KindSpec(
        "Email",
        (
            ChannelField("to", "Recipients", FieldType.ADDRESSES, "E-mail addresses, comma-separated", required=True),
            ChannelField("smtp_url", "Mail server", FieldType.REFERENCE, "Default: SMTP_URL"),
            ChannelField("from", "Sender", FieldType.ADDRESS, "Default: ALERT_EMAIL_FROM"),
        ),
    ),
    ChannelKind.WEBHOOK: KindSpec(
        "Webhook",
        (
            ChannelField("url", "URL", FieldType.REFERENCE, "Receives signed JSON by POST", required=True),
            ChannelField("secret", "Secret", FieldType.REFERENCE, "Signs the messages"),
        ),
    ),
    ChannelKind.PAGERDUTY: KindSpec(
        "PagerDuty",
        (
            ChannelField(
                "integration_key", "Integration key", FieldType.REFERENCE, "Events API v2", required=True
            ),
            _REGION,
        ),
    ),
    ChannelKind.OPSGENIE: KindSpec(
        "Opsgenie",
        (
            ChannelField("api_key", "API key", FieldType.REFERENCE, "Of an API integration", required=True),
            ChannelField("team", "Opsgenie team", FieldType.TEXT, "Responder; default: the team of the key"),
            _REGION,
        ),
    ),
    ChannelKind.APPRISE: KindSpec(
        "Other service",
        (
            ChannelField(
                "url", "Apprise URL", FieldType.REFERENCE, "Address of the service, such as ntfys://host/topic",
                required=True,
            ),
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ChannelDefinition:
    """A valid definition of a named channel."""

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: TeamSource = TeamSource.DASHBOARD
    enabled: bool = True

    @property
    def label(self) -> str:
        return kind_label(self.kind)

    @property
    def tracks_incidents(self) -> bool:
        return self.kind in INCIDENT_KINDS

    def references(self) -> tuple[str, ...]:
        return tuple(
            self.settings[item.name]
            for item in KINDS[ChannelKind(self.kind)].fields
            if item.type is FieldType.REFERENCE and item.name in self.settings
        )


def kind_label(kind: str) -> str:
    """The name of a kind; a kind of another version is shown as it is."""
    return KINDS[ChannelKind(kind)].label if kind in set(ChannelKind) else kind


def parse_channel(name: str, body: Mapping[str, Any], source: TeamSource, *, enabled: bool = True) -> ChannelDefinition:
    """The definition of a channel from its fields and its `kind`. Raises InvalidChannel for the first invalid field."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidChannel(
            "name", f"{str(name)[:60]!r} is not a channel name; use up to 60 letters, digits, '.', '_' and '-'"
        )
    if name.lower() in CHANNEL_NAMES:
        raise InvalidChannel("name", f"{name} is the channel of the environment variables; choose another name")
    if not isinstance(body, Mapping):
        raise InvalidChannel("kind", 'expected fields with a kind, such as {kind: slack, channel: "#payments"}')
    kind = body.get("kind")
    if kind not in set(ChannelKind):
        raise InvalidChannel("kind", f"{str(kind)[:40]!r} is not one of {', '.join(ChannelKind)}")
    spec = KINDS[ChannelKind(kind)]
    fields = {item.name: item for item in spec.fields}
    for given in body:
        if given != "kind" and given not in fields:
            raise InvalidChannel(str(given)[:40], f"unknown field of {kind}; expected {', '.join(fields)}")
    settings = {
        item.name: _value(item, body[item.name])
        for item in spec.fields
        if body.get(item.name) not in (None, "", [], ())
    }
    for item in spec.fields:
        if item.required and item.name not in settings:
            raise InvalidChannel(item.name, f"required for {kind}: {item.help[0].lower()}{item.help[1:]}")
    if spec.one_of and sum(name in settings for name in spec.one_of) != 1:
        raise InvalidChannel(spec.one_of[0], f"set exactly one of {' and '.join(spec.one_of)}")
    if "webhook_url" in settings and "token" in settings:
        raise InvalidChannel("token", "belongs to a bot; leave it out with webhook_url")
    return ChannelDefinition(name, str(kind), settings, source, enabled)


def check_channel(name: str, body: Mapping[str, Any]) -> None:
    """Raises InvalidChannel for a channel of TEAMS_FILE that is invalid."""
    parse_channel(name, body, TeamSource.FILE)


def _value(item: ChannelField, value: Any) -> Any:
    if item.type is FieldType.REFERENCE:
        if problem := reference_problem(value):
            raise InvalidChannel(item.name, problem)
        return value
    if item.type is FieldType.ADDRESSES:
        return _addresses(item, value)
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable() or len(text) > 200:
        raise InvalidChannel(item.name, "expected one line of text, at most 200 characters")
    if item.type is FieldType.CHOICE and text not in item.choices:
        raise InvalidChannel(item.name, f"{text[:40]!r} is not one of {', '.join(item.choices)}")
    if item.type is FieldType.SLACK_CHANNEL and not _SLACK_CHANNEL.fullmatch(text):
        raise InvalidChannel(item.name, f"{text[:40]!r} is not a channel; expected an ID such as C0123456789, or #name")
    if item.type is FieldType.ADDRESS:
        return _address(item, text)
    return text


def _addresses(item: ChannelField, value: Any) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or len(parts) > _MAX_RECIPIENTS:
        raise InvalidChannel(item.name, f"expected a list of at most {_MAX_RECIPIENTS} e-mail addresses")
    addresses = [_address(item, part) for part in parts if not isinstance(part, str) or part.strip()]
    if not addresses:
        raise InvalidChannel(item.name, "expected at least one e-mail address")
    return list(dict.fromkeys(addresses))


def _address(item: ChannelField, value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text.isprintable() or not _ADDRESS.fullmatch(parseaddr(text)[1]):
        raise InvalidChannel(item.name, f"{str(value)[:60]!r} is not an e-mail address; expected NAME@HOST")
    return text
