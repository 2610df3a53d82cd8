"""The schedule of retention: health.retention deletes old data once a day, unless the clock looks wrong."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from collector.tasks import Collector
from core.formatting import pluralize
from core.work import report_progress
from db.collection.counters import CounterName, TimestampName
from db.collection.sync_state import prune_heartbeats
from db.engine import describe_failure, session_scope, write_scope
from db.storage import pending_deletion, runs_and_logs
from db.webhook_inbox import RETENTION, prune_inbox
from health.log_search.index import remove_outdated_segments
from health.metrics.rollups.refresh import prune_hours
from health.retention import prune, prune_audit, prune_logs

log = logging.getLogger(__name__)
PRUNE_CHECK_INTERVAL, FIRST_PRUNE_DELAY = timedelta(minutes=5), timedelta(minutes=1)
_PRUNE_INTERVAL = timedelta(days=1)
# The next attempt where the clock or the number of rows is not plausible.
_BLOCKED_RETRY = timedelta(hours=1)
# A container that is replaced leaves a heartbeat under a name that no later one uses.
_HEARTBEAT_RETENTION = timedelta(days=1)
# The largest accepted difference between this machine's clock and those of GitHub and of the database server. A wrong
# clock must not delete what GitHub no longer has.
MAX_DRIFT = timedelta(hours=1)
# A daily pruning deletes one day of RETENTION_DAYS. A larger share of all rows needs a confirmation, unless the number
# of rows is small.
MAX_SHARE, MIN_ROWS = 0.1, 1_000
DEFAULT_AUDIT_RETENTION_DAYS = 730


@dataclass(frozen=True)
class PruneBlocked:
    """Why nothing is deleted. `transient`: the next check may succeed without intervention."""

    reason: str
    transient: bool = False


def check_prune(
    engine: Engine, now: datetime, retention: timedelta, log_retention: timedelta, ahead_of_github: timedelta | None
) -> PruneBlocked | None:
    """Null where the rows that are due at `now` may be deleted. `ahead_of_github`: how far this machine's clock is
    ahead; null before GitHub's first response."""
    if ahead_of_github is not None and abs(ahead_of_github) > MAX_DRIFT:
        return PruneBlocked(
            f"this machine's clock is {_format_offset(ahead_of_github)} GitHub's; synchronize it, for example with NTP"
        )
    with session_scope(engine) as session:
        if engine.dialect.name == "postgresql":
            ahead = now - session.scalars(select(func.clock_timestamp())).one()
            if abs(ahead) > MAX_DRIFT:
                return PruneBlocked(
                    f"this machine's clock is {_format_offset(ahead)} the database server's; synchronize both with NTP"
                )
        due = pending_deletion(session, now, retention, log_retention, count_limit=None)
        if not due.runs and not due.logs:
            return None
        if ahead_of_github is None:
            return PruneBlocked("GitHub has not answered yet, so its time is not known", transient=True)
        runs, logs = runs_and_logs(session)
    parts = [
        f"{number:,} of {pluralize(total, name)}"
        for number, total, name in ((due.runs, runs, "run"), (due.logs, logs, "log"))
        if number > MIN_ROWS and number > MAX_SHARE * total
    ]
    if not parts:
        return None
    return PruneBlocked(f"{' and '.join(parts)} would be deleted at once; to confirm, run `python -m db prune`")


def _format_offset(ahead: timedelta) -> str:
    hours = abs(ahead) / timedelta(hours=1)
    amount = pluralize(round(hours / 24), "day") if hours >= 48 else pluralize(round(hours), "hour")
    return f"{amount} {'ahead of' if ahead > timedelta(0) else 'behind'}"


class RetentionTask:
    """`due_at`: when rows are deleted next. A collector that becomes the leader does not know when the previous leader
    pruned, and prunes soon."""

    def __init__(
        self,
        engine: Engine,
        collector: Collector,
        *,
        retention_days: int,
        log_retention_days: int,
        audit_retention_days: int = DEFAULT_AUDIT_RETENTION_DAYS,
    ) -> None:
        self._engine, self._collector, self._context = engine, collector, collector.context
        self._retention, self._log_retention = timedelta(days=retention_days), timedelta(days=log_retention_days)
        self._audit_retention = timedelta(days=audit_retention_days)
        self.due_at = self._context.clock()

    def run(self) -> None:
        """Deletes what is due, once a day, on the leader."""
        now = self._context.clock()
        if not self._collector.claims.assignment.is_leader:
            self._schedule(now + PRUNE_CHECK_INTERVAL)
            return
        if now < self.due_at:
            return
        self.due_at = now + _PRUNE_INTERVAL
        try:
            ahead = self._context.client.clock_ahead
            if blocked := check_prune(self._engine, now, self._retention, self._log_retention, ahead):
                self._schedule(now + (PRUNE_CHECK_INTERVAL if blocked.transient else _BLOCKED_RETRY))
                log.warning("retention: nothing is deleted: %s", blocked.reason)
                return
            self._schedule(self.due_at)
            runs, logs = self._prune(now)
        except SQLAlchemyError as error:
            log.error("%s", describe_failure(self._engine, error))
            return
        counters = self._context.client.counters
        counters.increment(CounterName.RUNS_DELETED, "pruned", runs)
        if not self._context.stop.is_set():
            counters.set_timestamp(TimestampName.RETENTION, self._context.clock())
        if runs or logs:
            log.info("retention: %s and the text of %s deleted", pluralize(runs, "run"), pluralize(logs, "log"))

    def _schedule(self, due_at: datetime) -> None:
        self.due_at = due_at
        self._context.progress.set_heartbeat_fields(next_prune_at=due_at)

    def _prune(self, now: datetime) -> tuple[int, int]:
        """The numbers of deleted runs and logs."""
        logs = self._run_batches(prune_logs(self._engine, now - self._log_retention))
        runs = self._run_batches(prune(self._engine, now - self._retention, now))
        # Without a response of GitHub the clock is not verified, and check_prune does not count these rows.
        if self._context.client.clock_ahead is not None:
            self._run_batches(prune_audit(self._engine, now - self._audit_retention))
        self._run_batches(remove_outdated_segments(self._engine))
        prune_hours(self._engine, now)
        while self._prune_inbox(now):
            pass
        with write_scope(self._engine) as session:
            prune_heartbeats(session, now - _HEARTBEAT_RETENTION)
        return runs, logs

    def _run_batches(self, batches: Iterator[int]) -> int:
        """Stops at a signal; the rest is deleted after the next start."""
        total = 0
        for rows in batches:
            report_progress()
            total += rows
            if self._context.stop.is_set():
                break
        return total

    def _prune_inbox(self, now: datetime) -> int:
        with write_scope(self._engine) as session:
            return prune_inbox(session, now - RETENTION)
