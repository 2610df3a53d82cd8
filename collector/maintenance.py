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

from core.formatting import pluralize
from db.definitions.prices import PriceList
from db.engine import session_scope, write_scope
from db.jobs.job_writes import resume_repricing, store_prices
from db.storage import pending_deletion, runs_and_logs

log = logging.getLogger(__name__)


class PriceRecalculator:
    def __init__(
        self, engine: Engine, prices: PriceList, clock: Callable[[], datetime], *, stop: threading.Event
    ) -> None:
        self._engine, self._prices, self._clock, self._stop = engine, prices, clock, stop
        self._adopted = False

    def apply_price_list(self) -> None:
        """Once a process. Raises SQLAlchemyError; the next call tries again."""
        if self._adopted:
            return
        with write_scope(self._engine) as session:
            changed = store_prices(session, self._prices, self._clock())
        self._adopted = True
        if changed:
            log.info("The prices of runners changed: the costs of stored runs are computed anew.")

    def recompute(self, *, seconds: float = float("inf")) -> int:
        """What a change of prices left to do, for about so long; how many runs were made anew."""
        if not self._adopted:
            return 0
        ends, total = time.monotonic() + seconds, 0
        for made in resume_repricing(self._engine):
            total += made
            if self._stop.is_set() or time.monotonic() >= ends:
                break
        return total


# How far this machine's clock may be from GitHub's and from the database server's.
MAX_DRIFT = timedelta(hours=1)
# A day's pruning deletes one day of RETENTION_DAYS. More than this share of all rows needs somebody to confirm it,
# where it is more than a small number of rows.
MAX_SHARE, MIN_ROWS = 0.1, 1_000


@dataclass(frozen=True)
class PruneBlocked:
    """Why nothing is deleted now. `passes`: it may be over at the next look, without anybody doing something."""

    reason: str
    transient: bool = False


def check_prune(
    engine: Engine, now: datetime, retention: timedelta, log_retention: timedelta, ahead_of_github: timedelta | None
) -> PruneBlocked | None:
    """Null where what is due at `now` may be deleted. `ahead_of_github`: by how much this machine's clock is ahead;
    null where GitHub has not answered yet."""
    if ahead_of_github is not None and abs(ahead_of_github) > MAX_DRIFT:
        return PruneBlocked(
            f"this machine's clock is {_format_offset(ahead_of_github)} GitHub's; set it, by NTP for example"
        )
    with session_scope(engine) as session:
        if engine.dialect.name == "postgresql":
            ahead = now - session.scalars(select(func.clock_timestamp())).one()
            if abs(ahead) > MAX_DRIFT:
                return PruneBlocked(
                    f"this machine's clock is {_format_offset(ahead)} the database server's; set both by NTP"
                )
        due = pending_deletion(session, now, retention, log_retention, count_limit=None)
        if not due.runs and not due.logs:
            return None
        if ahead_of_github is None:
            return PruneBlocked("GitHub has not answered yet, so its time is not known", transient=True)
        runs, logs = runs_and_logs(session)
    parts = [
        f"{number:,} of {pluralize(whole, name)}"
        for number, whole, name in ((due.runs, runs, "run"), (due.logs, logs, "log"))
        if number > MIN_ROWS and number > MAX_SHARE * whole
    ]
    if not parts:
        return None
    return PruneBlocked(f"{' and '.join(parts)} would go at once; if that is wanted, run `python -m db prune`")


def _format_offset(ahead: timedelta) -> str:
    hours = abs(ahead) / timedelta(hours=1)
    amount = pluralize(round(hours / 24), "day") if hours >= 48 else pluralize(round(hours), "hour")
    return f"{amount} {'ahead of' if ahead > timedelta(0) else 'behind'}"
