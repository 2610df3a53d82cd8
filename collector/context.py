"""The objects that all parts of a collector share, and the result of a sync."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from collector.github.client import GitHubClient
from collector.github.errors import RateLimited
from collector.progress import Progress
from core.formatting import pluralize
from core.work import TaskTracker
from db.collection.counters import CounterName, SummaryName, TimestampName
from db.collection.heartbeat_detail import RateLimitDetail

log = logging.getLogger(__name__)
# The shortest time between two lines on syncs that changed rows, and between two on syncs without news: no changes, or
# the failures that the previous line reported.
_CHANGES_SECONDS, _NO_NEWS_SECONDS = 60.0, 600.0


@dataclass
class CollectorContext:
    """`engine`: its sessions check the lease of the claims before they write. `stop`: set when the program ends."""

    engine: Engine
    client: GitHubClient
    progress: Progress
    clock: Callable[[], datetime]
    stop: threading.Event = field(default_factory=threading.Event)
    tracker: TaskTracker = field(default_factory=TaskTracker)
    poll_interval: timedelta = timedelta(minutes=5)

    def record_changes(self, result: "SyncResult", changed: int) -> None:
        """Adds changed rows to the result, and invalidates what readers have cached."""
        result.changed += changed
        if changed:
            self.progress.mark_data_changed()


@dataclass(frozen=True)
class RepositoryResult:
    """Rows of one repository that a sync changed. `stopped`: the sync was interrupted before it was complete."""

    repository_id: int
    repo: str
    changed: int
    stopped: bool = False


@dataclass
class SyncResult:
    """`failures` maps a name of GITHUB_REPOS to one line. `rate_limited` is set when GitHub allowed no more requests:
    the rest of the sync has not been done."""

    repository_results: list[RepositoryResult] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    changed: int = 0
    rate_limited: RateLimited | None = None
    stopped: bool = False

    @property
    def is_complete(self) -> bool:
        return not (self.failures or self.rate_limited or self.stopped)

    @property
    def repositories(self) -> dict[int, str]:
        """owner/name by id."""
        return {result.repository_id: result.repo for result in self.repository_results}


class SyncLog:
    """The log lines of syncs. With short poll intervals, a line covers the syncs since the previous one, and a failure
    that continues is not repeated with every sync."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._logged_at: float | None = None
        self._syncs = self._changed = self._requests = 0
        self._failures: dict[str, tuple[str, float]] = {}

    def record(self, result: SyncResult, *, seconds: float, requests: int) -> None:
        is_recovery = bool(self._failures) and not result.failures
        self._log_failures(result.failures)
        self._syncs += 1
        self._changed += result.changed
        self._requests += requests
        now = self._monotonic()
        pause = _CHANGES_SECONDS if self._changed else _NO_NEWS_SECONDS
        if self._logged_at is not None and now - self._logged_at < pause and not is_recovery:
            return
        log.info(
            "%s synced, %s changed, %s%s",
            pluralize(len(result.repository_results), "repository", "repositories"),
            pluralize(self._changed, "row"),
            pluralize(self._requests, "request"),
            f", {self._syncs:,} syncs" if self._syncs > 1 else "",
            extra={"seconds": round(seconds, 3)},
        )
        self._logged_at = now
        self._syncs = self._changed = self._requests = 0

    def _log_failures(self, failures: Mapping[str, str]) -> None:
        now, logged = self._monotonic(), self._failures
        self._failures = {}
        for name, reason in failures.items():
            previous, at = logged.get(name, ("", 0.0))
            if previous != reason or now - at >= _NO_NEWS_SECONDS:
                log.warning("%s: %s", name, reason, extra={"repository": name})
                at = now
            self._failures[name] = (reason, at)


class SyncReporter:
    """Reports syncs in the log, the counters and the heartbeat."""

    def __init__(self, context: CollectorContext) -> None:
        self._context = context
        self._log = SyncLog()
        self.waiting_until: datetime | None = None

    @property
    def is_rate_limited(self) -> bool:
        return self.waiting_until is not None and self._context.clock() < self.waiting_until

    def start(self) -> tuple[float, int]:
        """The start of a sync, for `finish`."""
        return time.monotonic(), self._context.client.requests_sent

    def finish(self, result: SyncResult, start: tuple[float, int]) -> None:
        seconds, requests = time.monotonic() - start[0], self._context.client.requests_sent - start[1]
        self._count(result, seconds)
        self._log.record(result, seconds=seconds, requests=requests)
        if result.rate_limited:
            self.record_rate_limit(result.rate_limited)
        elif result.failures:
            name, reason = next(iter(result.failures.items()))
            more = f" (and {len(result.failures) - 1} more)" if len(result.failures) > 1 else ""
            self._context.progress.finish("error", f"{name}: {reason}{more}", rate_limit=self._rate_limit())
        else:
            self._context.progress.finish("idle", None, rate_limit=self._rate_limit())

    def record_rate_limit(self, error: RateLimited) -> None:
        self.waiting_until = error.until
        message = f"{error}; resuming at {error.until:%H:%M:%S} UTC"
        log.warning("%s", message)
        self._context.progress.finish("waiting", message, rate_limit=self._rate_limit())

    def beat(self, *, force: bool = False) -> datetime | None:
        """Writes the heartbeat. Returns the time of the last heartbeat that the database stored or, if earlier, the
        time since which the oldest task has made no progress; null before the first heartbeat."""
        progress = self._context.progress
        progress.set_heartbeat_fields(rate_limit=self._rate_limit())
        progress.beat(force=force)
        stored_at, work_since = progress.heartbeat_at, progress.work_since
        return min(stored_at, work_since) if stored_at and work_since else stored_at

    def _count(self, result: SyncResult, seconds: float) -> None:
        counters = self._context.client.counters
        outcome = "waiting" if result.rate_limited else "stopped" if result.stopped else "error"
        counters.increment(CounterName.SYNCS, "ok" if result.is_complete else outcome)
        counters.observe(SummaryName.SYNC, seconds)
        if result.is_complete:
            counters.set_timestamp(TimestampName.SYNC, self._context.clock())

    def _rate_limit(self) -> RateLimitDetail:
        rate = self._context.client.rate
        state = rate.state
        return RateLimitDetail(state.limit, state.remaining, state.reset_at, rate.reserved)
