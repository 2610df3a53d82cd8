"""Jobs of APScheduler that keep their intervals whatever the wall clock does.

APScheduler plans by the wall clock. Where that jumps forward by 500 days, it lists every time that a job missed, some
hundred million for a job that runs four times a second; where it jumps back, no job is due for as long.

The service: APScheduler runs the portions of work, and a signal ends them between two steps.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from collector import alive
from collector.claims import RENEW_SECONDS
from collector.jobs import CollectorJobs
from collector.maintenance import check_prune
from collector.supervision import enforce_shutdown_deadline, log_and_continue
from core.formatting import pluralize
from core.work import report_progress
from db.collection.sync_state import prune_heartbeats
from db.engine import describe_failure, write_scope
from db.migrate import current_revision, head_revision
from db.webhook_inbox import RETENTION, prune_inbox
from health.completeness.collection_status import heartbeat_timeout
from health.metrics.rollups.refresh import prune_hours
from health.retention import prune, prune_logs

# A step that is smaller delays a job by no more than this.
_MAX_STEP_SECONDS = 2.0


class MonotonicIntervalTrigger(BaseTrigger):  # type: ignore[misc]
    """Every so many seconds; times that were missed count as one."""

    def __init__(self, seconds: float) -> None:
        self._every = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        planned = (previous_fire_time or now) + self._every
        return planned if planned > now else now + self._every


class WallClock:
    """Notices that this machine's clock was set."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._passed = wall, monotonic
        self._offset = wall() - monotonic()

    def was_set_back(self) -> bool:
        """Since the last time that this was asked."""
        before, self._offset = self._offset, self._wall() - self._passed()
        return self._offset < before - _MAX_STEP_SECONDS


def run_all_now(scheduler: BaseScheduler) -> None:
    """Every job runs now, and by its interval from now on."""
    now = datetime.now(UTC)
    for job in scheduler.get_jobs():
        job.modify(next_run_time=now)


log = logging.getLogger(__name__)
# How often this machine's clock is compared with one that nobody sets.
_CLOCK_SECONDS = 1.0
# What two readings of one clock may be apart.
_CLOCK_TOLERANCE_SECONDS = 5.0
_JOBS_SECONDS, _REQUESTED_LOGS_SECONDS, _BEAT_SECONDS, _BACKLOG_SECONDS = 2, 2, 5, 10
# Until they are made, an answer reads the rows.
_ROLLUPS_SECONDS = 1
_PRICES_SECONDS = 3
_RULES_SECONDS = 30
# An event is to be in the database within a second.
_INBOX_SECONDS = 0.25
# With what follows, less than ending.GRACE_SECONDS.
_DRAIN_SECONDS = 7.5
# What tells of the work is none of it.
_UNTRACKED_JOBS = ("renew", "schema", "beat")
_PRUNE_INTERVAL, _PRUNE_CHECK_INTERVAL, _FIRST_PRUNE_DELAY = (
    timedelta(days=1),
    timedelta(minutes=5),
    timedelta(minutes=1),
)
# How soon it is tried again where the clock or the amount is not plausible.
_BLOCKED_RETRY = timedelta(hours=1)
# A container that is replaced leaves a heartbeat under a name that never comes back.
_HEARTBEAT_RETENTION = timedelta(days=1)


class CollectorService:
    def __init__(
        self, engine: Engine, jobs: CollectorJobs, *, poll_seconds: float, retention_days: int, log_retention_days: int
    ) -> None:
        self._engine, self._passes = engine, jobs
        self._poll_seconds, self._retention = poll_seconds, timedelta(days=retention_days)
        self._log_retention = timedelta(days=log_retention_days)
        self._outdated, self._told = False, True
        self._prune_at = jobs.now()
        # Ending, the scheduler holds its jobs until the last piece of work is over: none may want them any more.
        self._at_the_jobs = threading.Lock()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(16)},
            job_defaults={"max_instances": 1, "coalesce": True},
        )

    def run(self) -> bool:
        """Until SIGINT or SIGTERM; False where the database got another version's schema. Work that takes longer than
        its interval is not started twice."""
        stop, passes = self._passes.stop, self._passes
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        enforce_shutdown_deadline(stop, passes.tracker)
        now = datetime.now(UTC)
        # Who reads the signs of life knows by the first of them when one is missing.
        passes.set_heartbeat_fields(beat_seconds=_BEAT_SECONDS, name=passes.claims.holder)
        log_and_continue(passes.drop_unconfigured, self._engine, "targets")()
        log_and_continue(passes.renew_claims, self._engine, "renew")()
        self._schedule(RENEW_SECONDS, self._renew, "renew")
        self._schedule(RENEW_SECONDS, self._check_schema, "schema")
        self._schedule(self._poll_seconds, passes.sync_runs, "look", first=now)
        self._schedule(_JOBS_SECONDS, passes.fetch_jobs, "fill")
        self._schedule(_INBOX_SECONDS, passes.apply_inbox, "inbox")
        self._schedule(_ROLLUPS_SECONDS, passes.run_rollups, "rollups")
        self._schedule(_PRICES_SECONDS, passes.reprice, "prices", first=now)
        self._schedule(_REQUESTED_LOGS_SECONDS, passes.fetch_requested_logs, "logs")
        # What comes by the clock alone: runs that do not end, silences that do, repeats.
        self._schedule(_RULES_SECONDS, passes.alert_worker.request_evaluation, "rules")
        self._schedule(_BEAT_SECONDS, self._beat, "beat", first=now)
        self._schedule(_BACKLOG_SECONDS, passes.report_backlog, "standing")
        passes.set_heartbeat_fields(next_prune_at=passes.now() + _FIRST_PRUNE_DELAY)
        self._schedule(_PRUNE_CHECK_INTERVAL.total_seconds(), self._prune, "prune", first=now + _FIRST_PRUNE_DELAY)
        self._scheduler.start()
        _start_thread(self._watch_clock)
        telling = [_start_thread(passes.alert_worker.run_evaluator), _start_thread(passes.alert_worker.run_dispatchers)]
        stop.wait()
        log.info("stopping")
        log_and_continue(passes.mark_stopping, self._engine, "end")()
        with self._at_the_jobs:
            # Whoever was at them is through, and everybody else sees that it is over.
            passes.alert_worker.wake()
        ends = time.monotonic() + _DRAIN_SECONDS
        for thread in (_start_thread(self._scheduler.shutdown), *telling):
            thread.join(max(ends - time.monotonic(), 0))
        log_and_continue(passes.claims.release, self._engine, "release")()
        # What was counted since the last sign of life. Of several that end together the last sees that none is left.
        log_and_continue(lambda: passes.beat(force=True), self._engine, "beat")()
        alive.remove()
        return not self._outdated

    def _schedule(
        self, seconds: float, work: Callable[[], object], name: str, *, first: datetime | None = None
    ) -> None:
        self._scheduler.add_job(
            log_and_continue(work, self._engine, name, self._passes.tracker if name not in _UNTRACKED_JOBS else None),
            MonotonicIntervalTrigger(seconds),
            id=name,
            misfire_grace_time=None,
            **({"next_run_time": first} if first else {}),
        )

    def _watch_clock(self) -> None:
        wall = WallClock()
        while not self._passes.stop.wait(_CLOCK_SECONDS):
            if not wall.was_set_back():
                continue
            with self._at_the_jobs:
                if not self._passes.stop.is_set():
                    run_all_now(self._scheduler)

    def _renew(self) -> None:
        if not self._passes.renew_claims():
            return
        with self._at_the_jobs:
            if not self._passes.stop.is_set():
                # Taken over from a collector that is gone, or new: not to wait for the next poll.
                self._scheduler.modify_job("look", next_run_time=datetime.now(UTC))

    def _beat(self) -> None:
        seen_at = self._passes.beat()
        if not seen_at:
            return
        ends = (seen_at + heartbeat_timeout(timedelta(seconds=self._poll_seconds))).timestamp()
        # Checks go by this machine's clock, whose jumps the collector does not follow at once.
        ahead = time.time() - self._passes.now().timestamp()
        try:
            alive.touch(ends + ahead if abs(ahead) > _CLOCK_TOLERANCE_SECONDS else ends)
            self._told = True
        except OSError as error:
            if self._told:
                log.warning("The sign of life for health checks cannot be written to %s: %s.", alive.path(),
                            error.strerror)  # fmt: skip
            self._told = False

    def _check_schema(self) -> None:
        """What this version writes may not fit what another one has made of the database."""
        revision = current_revision(self._engine)
        if revision != head_revision():
            log.error("The database went to revision %s, of another version; start the collector of that.", revision)
            self._outdated = True
            self._passes.stop.set()

    def _prune(self) -> None:
        """Once a day, by whoever leads then; who takes over does not know when it was, and does it soon."""
        now = self._passes.now()
        leads = self._passes.claims.assignment.is_leader
        if not leads:
            self._prune_at = now + _PRUNE_CHECK_INTERVAL
            self._passes.set_heartbeat_fields(next_prune_at=self._prune_at)
        if not leads or now < self._prune_at:
            return
        self._prune_at = now + _PRUNE_INTERVAL
        try:
            ahead = self._passes.clock_ahead
            if why := check_prune(self._engine, now, self._retention, self._log_retention, ahead):
                self._prune_at = now + (_PRUNE_CHECK_INTERVAL if why.transient else _BLOCKED_RETRY)
                self._passes.set_heartbeat_fields(next_prune_at=self._prune_at)
                log.warning("retention: nothing is deleted: %s", why.reason)
                return
            self._passes.set_heartbeat_fields(next_prune_at=self._prune_at)
            logs = self._run_batches(prune_logs(self._engine, now - self._log_retention))
            total = self._run_batches(prune(self._engine, now - self._retention, now))
            prune_hours(self._engine, now)
            while self._prune_inbox(now):
                pass
            with write_scope(self._engine) as session:
                prune_heartbeats(session, now - _HEARTBEAT_RETENTION)
        except SQLAlchemyError as error:
            log.error("%s", describe_failure(self._engine, error))
            return
        self._passes.record_prune(total, complete=not self._passes.stop.is_set())
        if total or logs:
            log.info("retention: %s and the text of %s deleted", pluralize(total, "run"), pluralize(logs, "log"))

    def _run_batches(self, work: Iterator[int]) -> int:
        """Until a signal: the rest is deleted after the next start."""
        total = 0
        for done in work:
            report_progress()
            total += done
            if self._passes.stop.is_set():
                break
        return total

    def _prune_inbox(self, now: datetime) -> int:
        with write_scope(self._engine) as session:
            return prune_inbox(session, now - RETENTION)


def _start_thread(work: Callable[[], object]) -> threading.Thread:
    """Started; it keeps no program from ending."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
