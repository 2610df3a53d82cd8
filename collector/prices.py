"""Keeps the costs of stored runs at the prices of PRICES_FILE."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from db.engine import write_scope
from db.metrics.prices import PriceList
from db.store.recomputing import adopt_prices, reprice

log = logging.getLogger(__name__)


class Prices:
    def __init__(
        self, engine: Engine, prices: PriceList, clock: Callable[[], datetime], *, stop: threading.Event
    ) -> None:
        self._engine, self._prices, self._clock, self._stop = engine, prices, clock, stop
        self._adopted = False

    def adopt(self) -> None:
        """Once a process. Raises SQLAlchemyError; the next call tries again."""
        if self._adopted:
            return
        with write_scope(self._engine) as session:
            changed = adopt_prices(session, self._prices, self._clock())
        self._adopted = True
        if changed:
            log.info("The prices of runners changed: the costs of stored runs are computed anew.")

    def recompute(self, *, seconds: float = float("inf")) -> int:
        """What a change of prices left to do, for about so long; how many runs were made anew."""
        if not self._adopted:
            return 0
        ends, total = time.monotonic() + seconds, 0
        for made in reprice(self._engine):
            total += made
            if self._stop.is_set() or time.monotonic() >= ends:
                break
        return total
