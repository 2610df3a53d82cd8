"""What all channels share: messages, receipts, errors, a time limit, and the check of URLs.

Text of a Message is plain: each channel escapes it for itself.
"""

import contextvars
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

from core.text import clean


def short_line(reason: object) -> str:
    """One short line without secrets."""
    return clean(reason, 200)


def parse_url(url: str) -> SplitResult | None:
    """Null for a URL without a host, or one that cannot be requested: spaces, letters beyond ASCII, an invalid port."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable and re.fullmatch(r"[\x21-\x7e]+", text) else None


class DeliveryFailed(Exception):
    """The message is one line without secrets. `retry_after`: the delay that the channel named. `permanent`: a retry
    cannot help, because the webhook is gone or the recipient was refused."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None, permanent: bool = False) -> None:
        super().__init__(clean(message))
        self.retry_after = retry_after
        self.permanent = permanent


@dataclass(frozen=True)
class Message:
    """`fields` are pairs of label and value, `links` of label and URL; `resolved`: the alert is resolved.
    `episode_summary`: the headline for readers who received no notification of the start. `data`: JSON for programs
    (docs/alerts.md)."""

    subject: str
    headline: str
    fields: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    resolved: bool = False
    episode_summary: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "headline": self.headline,
            "fields": [list(pair) for pair in self.fields],
            "lines": list(self.lines),
            "links": [list(pair) for pair in self.links],
            "resolved": self.resolved,
            "whole": self.episode_summary,
            "data": dict(self.data),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Message":
        return cls(
            subject=str(data.get("subject", "")),
            headline=str(data.get("headline", "")),
            fields=tuple((str(label), str(value)) for label, value in data.get("fields", ())),
            lines=tuple(str(line) for line in data.get("lines", ())),
            links=tuple((str(label), str(url)) for label, url in data.get("links", ())),
            resolved=bool(data.get("resolved", False)),
            episode_summary=str(data.get("whole", "")),
            data=dict(data.get("data") or {}),
        )


class NotificationEvent(StrEnum):
    FIRING = "firing"
    STILL_FIRING = "still_firing"
    RESOLVED = "resolved"
    TEST = "test"
    DIGEST = "digest"


@dataclass(frozen=True)
class ThreadParent:
    """The first notification of an alert, and the receipt that this channel gave for it."""

    message: Message
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class DeliveryContext:
    """What accompanies a message. `idempotency_key` is unique to the message and the same on every attempt, so that a
    receiver can detect duplicates. `thread_parents`: the first notifications of ongoing and resolved alerts that this
    channel accepted."""

    event: NotificationEvent = NotificationEvent.TEST
    idempotency_key: str = field(default_factory=lambda: f"test-{uuid4()}")
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    thread_parents: tuple[ThreadParent, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """`location` identifies the accepted message to the channel, for later replies to it. `note`: one line about a
    problem with the accepted message."""

    location: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


class Channel(Protocol):
    """One way to send messages."""

    name: str

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns when the channel accepted the message; raises DeliveryFailed otherwise. Without a context the message
        is a test."""


# Shorter than the claim on a notification: after it, another process would send the notification, too.
SEND_SECONDS = 90.0
T = TypeVar("T")


def run_with_timeout(seconds: float, work: Callable[[], T]) -> T:
    """Returns or raises what `work` does; raises DeliveryFailed after `seconds`. The limit is for the whole of it,
    because libraries limit only each step, and a server that answers byte by byte takes any number of steps. The
    abandoned thread may still finish the work."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise DeliveryFailed(f"It took longer than {seconds:.0f} s, and whether the message was accepted is not known")
    return results[0]
