"""Queues of the notification channels: waiting messages and failures in a row."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.enums import DeliveryState
from db.models import ChannelState, Notification


@dataclass(frozen=True)
class ChannelQueue:
    """Messages that wait for a channel, and since when the oldest one waits. `failures` counts the failed deliveries in
    a row since `failing_since`; `error` is the reason of the last one."""

    channel: str
    pending: int = 0
    oldest_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    error: str | None = None


def list_channels(session: Session, configured: Collection[str]) -> list[ChannelQueue]:
    """Returns the configured channels, and the others that have waiting messages, by name."""
    pending = {
        row[0]: (row[1], row[2])
        for row in session.execute(
            select(Notification.channel, func.count(), func.min(Notification.created_at))
            .where(Notification.state == DeliveryState.PENDING)
            .group_by(Notification.channel)
        )
    }
    states = {row.channel: row for row in session.scalars(select(ChannelState))}
    queues = []
    for name in sorted({*configured, *pending}):
        count, oldest_at = pending.get(name, (0, None))
        state = states.get(name)
        failing = (state.failures, state.failing_since, state.error) if state else (0, None, None)
        queues.append(ChannelQueue(name, count, oldest_at, *failing))
    return queues
