"""Sends what stands in the outbox: claimed first, so that no two processes send the same message."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine

from core.clock import uptime
from core.counters import Count, Tally
from core.logging import bound
from core.work import step
from db.engine import write_scope
from db.enums import DeliveryState
from health.alerts.channels.base import SEND_SECONDS, DeliveryFailed, Message, Opening, Parcel, within
from health.alerts.channels.registry import Channel
from health.alerts.notifications.digest import event_of, message_of
from health.alerts.storage.outbox import CLAIM, Claimed, claim_due, drop_for_removed_channels, note_failed, note_sent

log = logging.getLogger(__name__)
# After a claim, a sending begins no later than this: it is to be over while the claim holds.
_LATEST_SECONDS = CLAIM.total_seconds() - SEND_SECONDS


class Deliverer:
    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, Channel],
        clock: Callable[[], datetime],
        *,
        tally: Tally | None = None,
    ) -> None:
        self._engine, self._channels, self._clock = engine, channels, clock
        self._tally = tally or Tally()

    @property
    def names(self) -> list[str]:
        return list(self._channels)

    def run(self) -> int:
        """All that is due on every channel; returns how many messages were taken by their channel."""
        self.give_up_removed()
        return self.send_due(self.names)

    def give_up_removed(self) -> None:
        """What waits for a channel that nobody has configured for a day."""
        with write_scope(self._engine) as session:
            dropped = drop_for_removed_channels(session, self.names, self._clock())
        if dropped:
            told = "1 message" if dropped == 1 else f"{dropped} messages"
            log.warning("%s given up: no channel of this name is configured any more", told)

    def send_due(self, names: Sequence[str]) -> int:
        """Of these channels. Each may be asked for by a thread of its own: a message is claimed by one alone."""
        sent, waiting = 0, list(names)
        # One claim at a time: a slow channel must not let the claims of the others run out, nor keep them waiting.
        while waiting:
            claimed = [item for name in waiting if (item := self._claim_and_send(name)) is not None]
            sent += sum(taken for _, taken in claimed)
            waiting = [name for name, _ in claimed]
        return sent

    def _claim_and_send(self, name: str) -> tuple[str, bool] | None:
        claimed_at = uptime()
        with write_scope(self._engine) as session:
            item = next(iter(claim_due(session, self._clock(), [name], limit=1)), None)
        if item is None:
            return None
        with bound(channel=name, alert_ids=sorted(item.alerts) or None):
            sent = self._send(item, claimed_at)
            step()
            return name, sent

    def _send(self, item: Claimed, claimed_at: float) -> bool:
        """`claimed_at`: before which moment of uptime() the claim was made."""
        try:
            channel, message = self._channels[item.channel], message_of(item, self._clock())
            if uptime() - claimed_at > _LATEST_SECONDS:
                # This process stood still meanwhile: another one may have sent it, or is about to.
                log.warning("%s message not sent: the claim on it is about to end", item.channel)
                return False
            receipt = within(SEND_SECONDS, lambda: channel.send(message, _parcel(item)))
        except DeliveryFailed as error:
            self._failed(item, error)
            return False
        except Exception as error:
            # Its text may hold anything, secrets too: where it broke off is enough to find it.
            place = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__} in {place.name}, line {place.lineno}; this is a bug"
            self._failed(item, DeliveryFailed(f"The message could not be made or sent: {told}"))
            return False
        with write_scope(self._engine) as session:
            note_sent(session, item.id, self._clock(), receipt=receipt.place or None, note=receipt.note)
        self._tally.count(Count.NOTIFICATIONS, f"{item.channel}/sent")
        log.info("%s message sent (%s)", item.channel, item.reason, extra={"outcome": "sent"})
        return True

    def _failed(self, item: Claimed, error: DeliveryFailed) -> None:
        with write_scope(self._engine) as session:
            state = note_failed(
                session, item, str(error), self._clock(), retry_after=error.retry_after, permanent=error.permanent
            )
        outcome, told = ("given_up", "given up") if state == DeliveryState.DEAD else ("failed", "will be tried again")
        self._tally.count(Count.NOTIFICATIONS, f"{item.channel}/{outcome}")
        log.warning("%s message not delivered, %s: %s", item.channel, told, error, extra={"outcome": outcome})


def _parcel(item: Claimed) -> Parcel:
    """The key stays the same at every try, and does not come back when a database is made anew."""
    return Parcel(
        event=event_of(item),
        key=f"{item.id}-{item.created_at:%Y%m%d%H%M%S%f}",
        written_at=item.created_at,
        openings=tuple(
            Opening(Message.from_dict(each.message), each.receipt) for each in item.openings if each.receipt
        ),
    )
