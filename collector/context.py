"""The objects that all parts of a collector share, and the result of a sync."""

import logging
import threading
import time
from collections.abc import Callable
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


class SyncReporter:
    """Reports syncs in the log, the counters and the heartbeat."""

    def __init__(self, context: CollectorContext) -> None:
        self._context = context
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
        for name, reason in result.failures.items():
            log.warning("%s: %s", name, reason, extra={"repository": name})
        if result.rate_limited:
            self.record_rate_limit(result.rate_limited)
        elif result.failures:
            name, reason = next(iter(result.failures.items()))
            more = f" (and {len(result.failures) - 1} more)" if len(result.failures) > 1 else ""
            self._context.progress.finish("error", f"{name}: {reason}{more}", rate_limit=self._rate_limit())
        else:
            self._context.progress.finish("idle", None, rate_limit=self._rate_limit())
        log.info(
            "%s synced, %s changed, %s",
            pluralize(len(result.repository_results), "repository", "repositories"),
            pluralize(result.changed, "row"),
            pluralize(requests, "request"),
            extra={"seconds": round(seconds, 3)},
        )

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
