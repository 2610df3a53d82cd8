"""Delivers the notifications of the outbox. Each is claimed first, so that no two processes send the same one."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine

from core.clock import uptime
from core.logging import log_context
from core.work import report_progress
from db.collection.counters import CounterName, CounterRegistry
from db.engine import write_scope
from db.enums import DeliveryState
from health.alerts.channels.base import (
    SEND_SECONDS,
    Channel,
    DeliveryContext,
    DeliveryFailed,
    Message,
    ThreadParent,
    run_with_timeout,
)
from health.alerts.notifications.render import delivery_message, notification_event
from health.alerts.storage.outbox import (
    CLAIM_DURATION,
    ClaimedNotification,
    claim_due_notifications,
    expire_unconfigured_channels,
    mark_failed,
    mark_sent,
)

log = logging.getLogger(__name__)
# A sending that begins later than this after its claim could last longer than the claim.
_MAX_CLAIM_AGE_SECONDS = CLAIM_DURATION.total_seconds() - SEND_SECONDS


class Dispatcher:
    """Sends due notifications by the configured channels. `channels` may be a function, whose result `reload` reads
    again, so that channels are added, changed and removed while the program runs."""

    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, Channel] | Callable[[], Mapping[str, Channel]],
        clock: Callable[[], datetime],
        *,
        counters: CounterRegistry | None = None,
    ) -> None:
        self._engine, self._clock = engine, clock
        self._load = channels if callable(channels) else None
        self._channels: Mapping[str, Channel] = {} if callable(channels) else channels
        self._is_loaded = not callable(channels)
        self._counters = counters or CounterRegistry()

    @property
    def channel_names(self) -> list[str]:
        if not self._is_loaded:
            self.reload()
        return list(self._channels)

    @property
    def is_loaded(self) -> bool:
        return self._is_loaded

    def reload(self) -> None:
        """Reads the channels again. Raises SQLAlchemyError; the channels remain as they are then."""
        if self._load is not None:
            self._channels, self._is_loaded = self._load(), True

    def run(self) -> int:
        """Sends all due notifications of all channels; returns how many were accepted."""
        self.reload()
        self.expire_unconfigured()
        return self.send_due(self.channel_names)

    def expire_unconfigured(self) -> None:
        """Gives up the notifications of channels that have not been configured for a day."""
        with write_scope(self._engine) as session:
            expired = expire_unconfigured_channels(session, self.channel_names, self._clock())
        if expired:
            number = "1 message" if expired == 1 else f"{expired} messages"
            log.warning("%s failed: its channel is no longer configured", number)

    def send_due(self, channels: Sequence[str]) -> int:
        """Sends all due notifications of these channels; returns how many were accepted. Each channel may have a thread
        of its own, because one claim is given to one caller."""
        sent, pending = 0, list(channels)
        # One claim at a time: a slow channel must not let the claims of the others expire, nor delay them.
        while pending:
            claimed_from = []
            for channel in pending:
                claimed_at = uptime()
                with write_scope(self._engine) as session:
                    claimed = next(iter(claim_due_notifications(session, self._clock(), [channel], limit=1)), None)
                if claimed is None:
                    continue
                claimed_from.append(channel)
                with log_context(channel=channel, alert_ids=sorted(claimed.alert_ids) or None):
                    sent += self._send(claimed, claimed_at)
                    report_progress()
            pending = claimed_from
        return sent

    def _send(self, claimed: ClaimedNotification, claimed_at: float) -> bool:
        """Whether the channel accepted the notification. `claimed_at`: uptime() before the claim."""
        try:
            channel, message = self._channel(claimed.channel), delivery_message(claimed, self._clock())
            if uptime() - claimed_at > _MAX_CLAIM_AGE_SECONDS:
                # This process was suspended: another one may have sent the notification, or is about to.
                log.warning("%s message not sent: the claim on it is about to end", claimed.channel)
                return False
            receipt = run_with_timeout(SEND_SECONDS, lambda: channel.send(message, _delivery_context(claimed)))
        except DeliveryFailed as error:
            self._record_failure(claimed, error)
            return False
        except Exception as error:
            # The text of an unexpected error may contain secrets; its type and position suffice to find it.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            cause = f"{type(error).__name__} in {frame.name}, line {frame.lineno}; this is a bug"
            self._record_failure(claimed, DeliveryFailed(f"The message could not be rendered or sent: {cause}"))
            return False
        with write_scope(self._engine) as session:
            mark_sent(session, claimed.id, self._clock(), receipt=receipt.location or None, note=receipt.note)
        self._counters.increment(CounterName.NOTIFICATIONS, f"{claimed.channel}/sent")
        log.info("%s message sent (%s)", claimed.channel, claimed.reason, extra={"outcome": "sent"})
        return True

    def _channel(self, name: str) -> Channel:
        """Raises DeliveryFailed for a channel that was removed meanwhile."""
        channel = self._channels.get(name)
        if channel is None:
            raise DeliveryFailed("The channel was removed")
        return channel

    def _record_failure(self, claimed: ClaimedNotification, error: DeliveryFailed) -> None:
        with write_scope(self._engine) as session:
            state = mark_failed(
                session, claimed, str(error), self._clock(), retry_after=error.retry_after, permanent=error.permanent
            )
        if state == DeliveryState.DEAD:
            outcome, consequence = "given_up", "no further attempts"
        else:
            outcome = "failed"
            consequence = "will be retried" if state is not None else "deleted meanwhile"
        self._counters.increment(CounterName.NOTIFICATIONS, f"{claimed.channel}/{outcome}")
        log.warning("%s message not delivered, %s: %s", claimed.channel, consequence, error, extra={"outcome": outcome})


def _delivery_context(claimed: ClaimedNotification) -> DeliveryContext:
    """The key is the same on every attempt; its time keeps it unique when a new database counts ids from 1 again."""
    return DeliveryContext(
        event=notification_event(claimed),
        idempotency_key=f"{claimed.id}-{claimed.created_at:%Y%m%d%H%M%S%f}",
        created_at=claimed.created_at,
        thread_parents=tuple(
            ThreadParent(Message.from_dict(first.message), first.receipt)
            for first in claimed.first_notifications
            if first.receipt
        ),
    )
