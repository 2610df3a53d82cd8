"""The collector service: runs the jobs at intervals that do not depend on the wall clock, until a signal.

APScheduler plans by the wall clock. After a jump forward by 500 days it lists every missed time of a job, some hundred
million for a job that runs four times a second; after a jump back no job is due for as long.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from sqlalchemy import Engine

from collector import alive
from collector.claims import RENEW_SECONDS
from collector.retention import DEFAULT_AUDIT_RETENTION_DAYS, FIRST_PRUNE_DELAY, PRUNE_CHECK_INTERVAL, RetentionTask
from collector.supervision import enforce_shutdown_deadline, log_and_continue, start_thread
from collector.tasks import Collector, CollectorTasks
from db.migrate import current_revision, head_revision
from health.completeness.collector_status import heartbeat_timeout

log = logging.getLogger(__name__)
# A smaller step back delays a job by no more than this.
_MAX_STEP_SECONDS = 2.0
_CLOCK_CHECK_SECONDS = 1.0
# The largest normal difference between two readings of one clock.
_CLOCK_TOLERANCE_SECONDS = 5.0
_SAMPLES_SECONDS, _OWNERS_SECONDS = 60, 30
_FETCH_JOBS_SECONDS, _REQUESTED_LOGS_SECONDS, _HEARTBEAT_SECONDS, _BACKLOG_SECONDS = 2, 2, 5, 10
# Until roll-ups are up to date, queries read raw rows.
_ROLLUPS_SECONDS = 1
_REPRICE_SECONDS = 3
_TEAMS_SECONDS = 30
_ALERT_RULES_SECONDS = 30
_SETUP_SECONDS = 60
_DIGESTS_SECONDS = 60
# A webhook delivery is to be stored within a second.
_INBOX_SECONDS = 0.25
# Together with what follows, less than supervision.GRACE_SECONDS.
_DRAIN_SECONDS = 7.5
# The heartbeat reports the progress of tasks, and what supports it does not count as progress.
_UNTRACKED_JOBS = ("renew_claims", "check_schema", "heartbeat", "setup")


class MonotonicIntervalTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires every `seconds`; missed times count as one."""

    def __init__(self, seconds: float) -> None:
        self._every = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        planned = (previous_fire_time or now) + self._every
        return planned if planned > now else now + self._every


class WallClock:
    """Detects that this machine's clock was set back."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()

    def was_set_back(self) -> bool:
        """Whether it was set back since the last call."""
        before, self._offset = self._offset, self._wall() - self._monotonic()
        return self._offset < before - _MAX_STEP_SECONDS


def run_all_now(scheduler: BaseScheduler) -> None:
    """Runs every job now, and from now on at its interval."""
    now = datetime.now(UTC)
    for job in scheduler.get_jobs():
        job.modify(next_run_time=now)


class CollectorService:
    def __init__(
        self,
        engine: Engine,
        collector: Collector,
        *,
        retention_days: int,
        log_retention_days: int,
        audit_retention_days: int = DEFAULT_AUDIT_RETENTION_DAYS,
        setup: Callable[[], None] | None = None,
    ) -> None:
        """`setup`: the check of the set-up, which a demo runs beside its work."""
        self._engine, self._collector, self._context = engine, collector, collector.context
        self._tasks, self._setup = CollectorTasks(collector), setup
        self.retention = RetentionTask(
            engine,
            collector,
            retention_days=retention_days,
            log_retention_days=log_retention_days,
            audit_retention_days=audit_retention_days,
        )
        self._schema_changed, self._liveness_file_ok = False, True
        # While it shuts down, the scheduler locks its jobs until the last one has ended: no thread may need them then.
        self._scheduler_lock = threading.Lock()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(16)},
            job_defaults={"max_instances": 1, "coalesce": True},
        )

    def run(self) -> bool:
        """Runs until SIGINT or SIGTERM. Returns False if another version has migrated the database. A job that takes
        longer than its interval is not started twice."""
        stop = self._context.stop
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        enforce_shutdown_deadline(stop, self._context.tracker)
        # The first heartbeat states the interval, so that readers can tell when one is missing.
        self._context.progress.set_heartbeat_fields(beat_seconds=_HEARTBEAT_SECONDS, name=self._collector.claims.holder)
        self._run_now(self._collector.sync.targets.drop_unconfigured, "drop_targets")
        self._run_now(self._tasks.renew_claims, "renew_claims")
        self._schedule_tasks()
        self._scheduler.start()
        start_thread(self._watch_clock, "clock")
        alert_worker = self._collector.alert_worker
        threads = [
            start_thread(alert_worker.run_evaluator, "alert-evaluator"),
            start_thread(alert_worker.run_dispatchers, "alert-dispatchers"),
        ]
        stop.wait()
        self._shut_down(threads)
        return not self._schema_changed

    def _schedule_tasks(self) -> None:
        tasks, now = self._tasks, datetime.now(UTC)
        self._schedule("renew_claims", RENEW_SECONDS, self._renew_claims)
        self._schedule("check_schema", RENEW_SECONDS, self._check_schema)
        self._schedule("sync", self._context.poll_interval.total_seconds(), tasks.sync_runs, first=now)
        self._schedule("fetch_jobs", _FETCH_JOBS_SECONDS, tasks.fetch_jobs)
        self._schedule("inbox", _INBOX_SECONDS, tasks.apply_inbox)
        self._schedule("rollups", _ROLLUPS_SECONDS, tasks.run_rollups)
        self._schedule("reprice", _REPRICE_SECONDS, tasks.reprice, first=now)
        self._schedule("teams", _TEAMS_SECONDS, tasks.update_teams, first=now)
        self._schedule("logs", _REQUESTED_LOGS_SECONDS, tasks.fetch_requested_logs)
        self._schedule("samples", _SAMPLES_SECONDS, tasks.sample_logs)
        self._schedule("owners", _OWNERS_SECONDS, tasks.read_owners)
        # Some alerts change without new data: stuck runs, silences that end, repeated notifications.
        self._schedule("alert_rules", _ALERT_RULES_SECONDS, self._collector.alert_worker.request_evaluation)
        self._schedule("digests", _DIGESTS_SECONDS, self._collector.alert_worker.send_digests)
        self._schedule("heartbeat", _HEARTBEAT_SECONDS, self.beat, first=now)
        self._schedule("backlog", _BACKLOG_SECONDS, tasks.report_backlog)
        if self._setup:
            self._schedule("setup", _SETUP_SECONDS, self._setup, first=now)
        first_prune = self._context.clock() + FIRST_PRUNE_DELAY
        self._context.progress.set_heartbeat_fields(next_prune_at=first_prune)
        first = now + FIRST_PRUNE_DELAY
        self._schedule("prune", PRUNE_CHECK_INTERVAL.total_seconds(), self.retention.run, first=first)

    def _schedule(
        self, name: str, seconds: float, work: Callable[[], object], *, first: datetime | None = None
    ) -> None:
        tracker = None if name in _UNTRACKED_JOBS else self._context.tracker
        self._scheduler.add_job(
            log_and_continue(work, self._engine, name, tracker),
            MonotonicIntervalTrigger(seconds),
            id=name,
            misfire_grace_time=None,
            **({"next_run_time": first} if first else {}),
        )

    def _run_now(self, work: Callable[[], object], name: str) -> None:
        log_and_continue(work, self._engine, name)()

    def _shut_down(self, threads: list[threading.Thread]) -> None:
        log.info("stopping")
        self._run_now(self._context.progress.mark_stopping, "stop")
        with self._scheduler_lock:
            # Threads that held the lock are done with the jobs; later ones see that the program stops.
            self._collector.alert_worker.wake()
        deadline = time.monotonic() + _DRAIN_SECONDS
        for thread in (start_thread(self._scheduler.shutdown, "scheduler-shutdown"), *threads):
            thread.join(max(deadline - time.monotonic(), 0))
        self._run_now(self._collector.claims.release, "release_claims")
        # Stores the counters since the last heartbeat. Of several collectors that stop together, the last one sees that
        # none is left.
        self._run_now(lambda: self._collector.reporter.beat(force=True), "heartbeat")
        alive.remove()

    def _watch_clock(self) -> None:
        wall = WallClock()
        while not self._context.stop.wait(_CLOCK_CHECK_SECONDS):
            if not wall.was_set_back():
                continue
            with self._scheduler_lock:
                if not self._context.stop.is_set():
                    run_all_now(self._scheduler)

    def _renew_claims(self) -> None:
        if not self._tasks.renew_claims():
            return
        with self._scheduler_lock:
            if not self._context.stop.is_set():
                # Repositories that are new, or were another collector's, do not wait for the next poll.
                self._scheduler.modify_job("sync", next_run_time=datetime.now(UTC))

    def beat(self) -> None:
        """Writes the heartbeat, and the file for container health checks while the database stores it."""
        stored_at = self._collector.reporter.beat()
        if not stored_at:
            return
        expires_at = (stored_at + heartbeat_timeout(self._context.poll_interval)).timestamp()
        # Health checks compare with this machine's clock, whose jumps the collector does not follow at once.
        ahead = time.time() - self._context.clock().timestamp()
        try:
            alive.touch(expires_at + ahead if abs(ahead) > _CLOCK_TOLERANCE_SECONDS else expires_at)
            self._liveness_file_ok = True
        except OSError as error:
            if self._liveness_file_ok:
                log.warning("The file for health checks cannot be written to %s: %s.", alive.path(), error.strerror)
            self._liveness_file_ok = False

    def _check_schema(self) -> None:
        """Stops the service: what this version writes may not fit the schema of another one."""
        revision = current_revision(self._engine)
        if revision != head_revision():
            log.error(
                "Another version migrated the database to revision %s; start the collector of that version.", revision
            )
            self._schema_changed = True
            self._context.stop.set()
