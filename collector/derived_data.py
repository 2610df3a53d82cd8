"""Data that is computed from stored runs: costs, roll-ups, failure causes of logs and own rules for them, the search
index of logs."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from collector.context import CollectorContext
from collector.logs.reextraction import extract_outdated_causes
from db.definitions.prices import PriceList
from db.engine import write_scope
from db.jobs.job_writes import resume_repricing, store_prices
from health.insights.causes.rule_application import RuleApplication
from health.log_search.index import index_logs, remove_old_versions
from health.metrics.rollups.refresh import refresh_rollups

log = logging.getLogger(__name__)
_REPRICE_SECONDS = 1.0
# How long one pass extracts causes, applies own rules, and adds logs to the search index: in the service, and at the
# end of `sync`.
_PASS_SECONDS, _SYNC_SECONDS = 0.5, 20.0


class PriceRecalculator:
    """Keeps the costs of stored runs at the prices of PRICES_FILE."""

    def __init__(
        self, engine: Engine, prices: PriceList, clock: Callable[[], datetime], *, stop: threading.Event
    ) -> None:
        self._engine, self._prices, self._clock, self._stop = engine, prices, clock, stop
        self._is_applied = False

    def apply_price_list(self) -> None:
        """Stores the prices, once per process. Raises SQLAlchemyError; the next call tries again."""
        if self._is_applied:
            return
        with write_scope(self._engine) as session:
            changed = store_prices(session, self._prices, self._clock())
        self._is_applied = True
        if changed:
            log.info("Runner prices changed: recomputing the costs of stored runs.")

    def recompute(self, *, seconds: float = float("inf")) -> int:
        """Recomputes costs after a change of prices for about `seconds`; returns the number of runs."""
        if not self._is_applied:
            return 0
        deadline, total = time.monotonic() + seconds, 0
        for runs in resume_repricing(self._engine):
            total += runs
            if self._stop.is_set() or time.monotonic() >= deadline:
                break
        return total


class DerivedData:
    def __init__(self, context: CollectorContext, prices: PriceList) -> None:
        self._context = context
        self.prices = PriceRecalculator(context.engine, prices, context.clock, stop=context.stop)
        # Segments of another version of the search index; exhausted until the next start.
        self._old_segments = remove_old_versions(context.engine)
        self._next_refresh = 0.0
        self._rules = RuleApplication(context.engine, context.clock, context.stop)

    def refresh_all(self) -> None:
        """Recomputes everything that is out of date. Ends early when the program stops."""
        self.prices.recompute()
        self.refresh_rollups()
        self._extract_causes(_SYNC_SECONDS)
        deadline = time.monotonic() + _SYNC_SECONDS
        while not self._context.stop.is_set() and time.monotonic() < deadline:
            if not index_logs(self._context.engine, seconds=_PASS_SECONDS):
                break
        while not self._context.stop.is_set() and time.monotonic() < deadline:
            self._apply_rules()
            if not self._rules.is_pending:
                break
            time.sleep(_PASS_SECONDS)

    def refresh(self) -> None:
        """Recomputes roll-ups and causes of earlier versions, applies own rules and indexes new logs, in at most a
        third of the time: a first sync changes the same days again and again."""
        start = time.monotonic()
        if start < self._next_refresh:
            return
        self.refresh_rollups()
        if not index_logs(self._context.engine, seconds=_PASS_SECONDS):
            # One segment at a time, so that few logs are without an index.
            next(self._old_segments, 0)
        # Last, so that a log or a rule that cannot be processed stops nothing else.
        self._extract_causes(_PASS_SECONDS)
        self._apply_rules()
        end = time.monotonic()
        self._next_refresh = end + 2 * (end - start)

    def refresh_rollups(self) -> None:
        """Recomputes the roll-ups of changed days."""
        if sum(refresh_rollups(self._context.engine, self._context.clock())):
            self._context.progress.mark_data_changed()

    def reprice(self) -> None:
        """Recomputes costs for a second, so that other writers get their turn."""
        self.prices.recompute(seconds=_REPRICE_SECONDS)

    def _apply_rules(self) -> None:
        """Applies changes of own rules to stored failures."""
        if self._rules.run(seconds=_PASS_SECONDS):
            self._context.progress.mark_data_changed()

    def _extract_causes(self, seconds: float) -> None:
        """Extracts causes of earlier versions again for about `seconds`."""
        if extract_outdated_causes(self._context.engine, self._context.stop, seconds=seconds):
            self._context.progress.mark_data_changed()
