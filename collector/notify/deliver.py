"""Sends what stands in the outbox: claimed first, so that no two processes send the same message."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Engine

from db.engine import write_scope
from db.store.alerts import Claimed, claim_due, drop_for_removed_channels, note_failed, note_sent
from db.vocabulary import DeliveryState
from notify.channels import Channel
from notify.errors import DeliveryFailed
from notify.message import Message

log = logging.getLogger(__name__)


class Deliverer:
    def __init__(self, engine: Engine, channels: Mapping[str, Channel], clock: Callable[[], datetime]) -> None:
        self._engine, self._channels, self._clock = engine, channels, clock

    def run(self) -> int:
        """Sends all that is due; returns how many messages were taken by their channel."""
        names = list(self._channels)
        with write_scope(self._engine) as session:
            dropped = drop_for_removed_channels(session, names, self._clock())
        if dropped:
            log.warning("%d messages given up: their channel is not configured any more", dropped)
        sent = 0
        # One claim at a time: a slow channel must not let the claims of the others run out.
        while claimed := self._claim(names):
            sent += self._send(claimed)
        return sent

    def _claim(self, names: list[str]) -> Claimed | None:
        with write_scope(self._engine) as session:
            return next(iter(claim_due(session, self._clock(), names, limit=1)), None)

    def _send(self, item: Claimed) -> bool:
        try:
            self._channels[item.channel].send(Message.from_dict(item.message))
        except DeliveryFailed as error:
            with write_scope(self._engine) as session:
                state = note_failed(
                    session, item, str(error), self._clock(), retry_after=error.retry_after, permanent=error.permanent
                )
            given_up = "given up" if state == DeliveryState.DEAD else "will be tried again"
            log.warning("%s message not delivered, %s: %s", item.channel, given_up, error)
            return False
        with write_scope(self._engine) as session:
            note_sent(session, item.id, self._clock())
        return True
