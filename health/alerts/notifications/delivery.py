"""Sends what stands in the outbox: claimed first, so that no two processes send the same message."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine

from core.clock import uptime
from core.counters import CounterName, CounterRegistry
from core.logging import log_context
from core.work import report_progress
from db.engine import write_scope
from db.enums import DeliveryState
from health.alerts.channels.base import (
    SEND_SECONDS,
    DeliveryContext,
    DeliveryFailed,
    Message,
    ThreadParent,
    run_with_timeout,
)
from health.alerts.channels.registry import Channel
from health.alerts.notifications.digest import event_of, message_of
from health.alerts.storage.outbox import (
    CLAIM_DURATION,
    ClaimedNotification,
    claim_due_notifications,
    expire_unconfigured_channels,
    mark_failed,
    mark_sent,
)

log = logging.getLogger(__name__)
# After a claim, a sending begins no later than this: it is to be over while the claim holds.
_MAX_CLAIM_AGE_SECONDS = CLAIM_DURATION.total_seconds() - SEND_SECONDS


class Dispatcher:
    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, Channel],
        clock: Callable[[], datetime],
        *,
        tally: CounterRegistry | None = None,
    ) -> None:
        self._engine, self._channels, self._clock = engine, channels, clock
        self._tally = tally or CounterRegistry()

    @property
    def channel_names(self) -> list[str]:
        return list(self._channels)

    def run(self) -> int:
        """All that is due on every channel; returns how many messages were taken by their channel."""
        self.expire_unconfigured()
        return self.send_due(self.channel_names)

    def expire_unconfigured(self) -> None:
        """What waits for a channel that nobody has configured for a day."""
        with write_scope(self._engine) as session:
            dropped = expire_unconfigured_channels(session, self.channel_names, self._clock())
        if dropped:
            told = "1 message" if dropped == 1 else f"{dropped} messages"
            log.warning("%s given up: no channel of this name is configured any more", told)

    def send_due(self, channels: Sequence[str]) -> int:
        """Of these channels. Each may be asked for by a thread of its own: a message is claimed by one alone."""
        sent, waiting = 0, list(channels)
        # One claim at a time: a slow channel must not let the claims of the others run out, nor keep them waiting.
        while waiting:
            claimed = [item for name in waiting if (item := self._claim_and_send(name)) is not None]
            sent += sum(taken for _, taken in claimed)
            waiting = [name for name, _ in claimed]
        return sent

    def _claim_and_send(self, name: str) -> tuple[str, bool] | None:
        claimed_at = uptime()
        with write_scope(self._engine) as session:
            item = next(iter(claim_due_notifications(session, self._clock(), [name], limit=1)), None)
        if item is None:
            return None
        with log_context(channel=name, alert_ids=sorted(item.alert_ids) or None):
            sent = self._send(item, claimed_at)
            report_progress()
            return name, sent

    def _send(self, item: ClaimedNotification, claimed_at: float) -> bool:
        """`claimed_at`: before which moment of uptime() the claim was made."""
        try:
            channel, message = self._channels[item.channel], message_of(item, self._clock())
            if uptime() - claimed_at > _MAX_CLAIM_AGE_SECONDS:
                # This process stood still meanwhile: another one may have sent it, or is about to.
                log.warning("%s message not sent: the claim on it is about to end", item.channel)
                return False
            receipt = run_with_timeout(SEND_SECONDS, lambda: channel.send(message, _delivery_context(item)))
        except DeliveryFailed as error:
            self._mark_failed(item, error)
            return False
        except Exception as error:
            # Its text may hold anything, secrets too: where it broke off is enough to find it.
            place = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__} in {place.name}, line {place.lineno}; this is a bug"
            self._mark_failed(item, DeliveryFailed(f"The message could not be made or sent: {told}"))
            return False
        with write_scope(self._engine) as session:
            mark_sent(session, item.id, self._clock(), receipt=receipt.location or None, note=receipt.note)
        self._tally.increment(CounterName.NOTIFICATIONS, f"{item.channel}/sent")
        log.info("%s message sent (%s)", item.channel, item.reason, extra={"outcome": "sent"})
        return True

    def _mark_failed(self, item: ClaimedNotification, error: DeliveryFailed) -> None:
        with write_scope(self._engine) as session:
            state = mark_failed(
                session, item, str(error), self._clock(), retry_after=error.retry_after, permanent=error.permanent
            )
        if state == DeliveryState.DEAD:
            outcome, consequence = "given_up", "given up"
        else:
            outcome = "failed"
            consequence = "will be tried again" if state is not None else "deleted meanwhile"
        self._tally.increment(CounterName.NOTIFICATIONS, f"{item.channel}/{outcome}")
        log.warning("%s message not delivered, %s: %s", item.channel, consequence, error, extra={"outcome": outcome})


def _delivery_context(item: ClaimedNotification) -> DeliveryContext:
    """The key stays the same at every try, and does not come back when a database is made anew."""
    return DeliveryContext(
        event=event_of(item),
        idempotency_key=f"{item.id}-{item.created_at:%Y%m%d%H%M%S%f}",
        created_at=item.created_at,
        thread_parents=tuple(
            ThreadParent(Message.from_dict(each.message), each.receipt)
            for each in item.first_notifications
            if each.receipt
        ),
    )
