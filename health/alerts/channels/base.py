"""Text for a message; what comes from outside is cleaned by db.telemetry.foreign.

Why a message did not go out.

A message as people will read it. Plain text throughout: each channel escapes for itself.

What goes with a message to a channel, and what the channel says when it took it.

A sending comes to an end, whatever the other side does: libraries limit each step of it, and a server that answers
byte by byte takes as many steps as it likes.
"""

import contextvars
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from core.text import clean, one_line, printable, strip_control_sequences



def short_line(reason: object) -> str:
    """One short line, without secrets."""
    return clean(reason, 200)


class DeliveryFailed(Exception):
    """One line without secrets, whatever the channel said. `retry_after` is set where the channel named a time;
    `permanent` where trying again cannot help (the webhook is gone, the recipient refused)."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None, permanent: bool = False) -> None:
        super().__init__(clean(message))
        self.retry_after = retry_after
        self.permanent = permanent


@dataclass(frozen=True)
class Message:
    """`fields` are pairs of label and value, `links` of label and URL; `resolved` marks good news. `whole` is its
    headline for people who did not hear of the beginning. `data` is for programs: JSON, as docs/alerts.md says."""

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


@dataclass(frozen=True)
class ThreadParent:
    """The message by which people heard of it first, and the receipt that this channel gave for it."""

    message: Message
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class DeliveryContext:
    """`key` is the same at every try, and no other message's: whoever gets it twice can tell. `openings` are there for
    what goes on or is over, as far as this channel took them."""

    event: NotificationEvent = NotificationEvent.TEST
    idempotency_key: str = field(default_factory=lambda: f"test-{uuid4()}")
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    thread_parents: tuple[ThreadParent, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """`place` is where the message is now, as the channel wants to be told when more is to say about it. `note`: one
    line about what went wrong all the same."""

    location: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


class Channel(Protocol):
    """One way to send messages."""

    name: str

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns when the channel accepted the message; raises DeliveryFailed otherwise. Without a context the message
        is a test."""


# Shorter than a collector's claim on a message: another one would send it meanwhile.
SEND_SECONDS = 90.0
T = TypeVar("T")


def run_with_timeout(seconds: float, work: Callable[[], T]) -> T:
    """What the work returns or raises; DeliveryFailed where it takes longer. It is then left to itself, and what it
    does yet is not known."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise DeliveryFailed(f"It took longer than {seconds:.0f} s, and whether it was taken is not known")
    return answers[0]
