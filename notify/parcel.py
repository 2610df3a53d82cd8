"""What goes with a message to a channel, and what the channel says when it took it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from notify.message import Message


class Event(StrEnum):
    FIRING = "firing"
    STILL_FIRING = "still_firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True)
class Opening:
    """The message by which people heard of it first, and the receipt that this channel gave for it."""

    message: Message
    receipt: Mapping[str, Any]


@dataclass(frozen=True)
class Parcel:
    """`key` is the same at every try, and no other message's: whoever gets it twice can tell. `openings` are there for
    what goes on or is over, as far as this channel took them."""

    event: Event = Event.TEST
    key: str = field(default_factory=lambda: f"test-{uuid4()}")
    written_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    openings: tuple[Opening, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """`place` is where the message is now, as the channel wants to be told when more is to say about it. `note`: one
    line about what went wrong all the same."""

    place: dict[str, Any] = field(default_factory=dict)
    note: str | None = None
