"""Keeps the costs of stored runs at the prices of PRICES_FILE.

Whether what is old by this machine's clock may be deleted: a wrong clock must not delete what GitHub has no more.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select

from core.formatting import counted
from db.definitions.prices import PriceList
from db.engine import session_scope, write_scope
from db.jobs.job_writes import adopt_prices, reprice
from db.storage import doomed, runs_and_logs

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


# How far this machine's clock may be from GitHub's and from the database server's.
MOST_DRIFT = timedelta(hours=1)
# A day's pruning deletes one day of RETENTION_DAYS. More than this share of all rows needs somebody to confirm it,
# where it is more than a small number of rows.
MOST_SHARE, FEW_ROWS = 0.1, 1_000


@dataclass(frozen=True)
class Doubt:
    """Why nothing is deleted now. `passes`: it may be over at the next look, without anybody doing something."""

    reason: str
    passes: bool = False


def doubt(
    engine: Engine, now: datetime, retention: timedelta, log_retention: timedelta, ahead_of_github: timedelta | None
) -> Doubt | None:
    """Null where what is due at `now` may be deleted. `ahead_of_github`: by how much this machine's clock is ahead;
    null where GitHub has not answered yet."""
    if ahead_of_github is not None and abs(ahead_of_github) > MOST_DRIFT:
        return Doubt(f"this machine's clock is {_words(ahead_of_github)} GitHub's; set it, by NTP for example")
    with session_scope(engine) as session:
        if engine.dialect.name == "postgresql":
            ahead = now - session.scalars(select(func.clock_timestamp())).one()
            if abs(ahead) > MOST_DRIFT:
                return Doubt(f"this machine's clock is {_words(ahead)} the database server's; set both by NTP")
        due = doomed(session, now, retention, log_retention, most=None)
        if not due.runs and not due.logs:
            return None
        if ahead_of_github is None:
            return Doubt("GitHub has not answered yet, so its time is not known", passes=True)
        runs, logs = runs_and_logs(session)
    parts = [
        f"{number:,} of {counted(whole, name)}"
        for number, whole, name in ((due.runs, runs, "run"), (due.logs, logs, "log"))
        if number > FEW_ROWS and number > MOST_SHARE * whole
    ]
    if not parts:
        return None
    return Doubt(f"{' and '.join(parts)} would go at once; if that is wanted, run `python -m db prune`")


def _words(ahead: timedelta) -> str:
    hours = abs(ahead) / timedelta(hours=1)
    amount = counted(round(hours / 24), "day") if hours >= 48 else counted(round(hours), "hour")
    return f"{amount} {'ahead of' if ahead > timedelta(0) else 'behind'}"
