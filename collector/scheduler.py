"""The service: APScheduler runs the passes, and a signal ends them between two steps."""

import logging
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from collector.passes import Passes
from db.engine import describe_failure
from db.store.retention import prune

log = logging.getLogger(__name__)
_LOGS_SECONDS, _DELIVERY_SECONDS, _BEAT_SECONDS = 2, 10, 10
_DRAIN_SECONDS = 10


class Service:
    def __init__(self, engine: Engine, passes: Passes, *, poll_seconds: float, retention_days: int) -> None:
        self._engine, self._passes = engine, passes
        self._poll_seconds, self._retention = poll_seconds, timedelta(days=retention_days)
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults={"max_instances": 1, "coalesce": True})

    def run(self) -> None:
        """Until SIGINT or SIGTERM. A pass that takes longer than the interval is not started twice."""
        stop = self._passes.stop
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        now = datetime.now(UTC)
        self._every(self._poll_seconds, self._sync, first=now)
        self._every(_LOGS_SECONDS, self._passes.fetch_requested_logs)
        self._every(_DELIVERY_SECONDS, self._passes.deliver)
        self._every(_BEAT_SECONDS, self._passes.beat)
        self._every(24 * 3600, self._prune, first=now + timedelta(minutes=1))
        self._scheduler.start()
        stop.wait()
        log.info("stopping")
        waiter = threading.Thread(target=self._scheduler.shutdown, daemon=True)
        waiter.start()
        waiter.join(_DRAIN_SECONDS)

    def _every(self, seconds: float, work: Callable[[], None], *, first: datetime | None = None) -> None:
        self._scheduler.add_job(
            work,
            "interval",
            seconds=seconds,
            id=work.__name__,
            misfire_grace_time=None,
            **({"next_run_time": first} if first else {}),
        )

    def _sync(self) -> None:
        until = self._passes.waiting_until
        if until and datetime.now(UTC) < until:
            return
        try:
            self._passes.run()
        except SQLAlchemyError as error:
            log.error("%s", describe_failure(self._engine, error))
        except Exception:
            log.exception("the pass broke off; the next one starts as planned")

    def _prune(self) -> None:
        try:
            total = sum(prune(self._engine, datetime.now(UTC) - self._retention))
        except SQLAlchemyError as error:
            log.error("%s", describe_failure(self._engine, error))
            return
        if total:
            log.info("retention: %d runs deleted", total)
