"""A sync for tests: the real client and store against whatever base URL."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine

from collector.context import CollectorContext, SyncResult
from collector.github.client import GitHubClient
from collector.logs.collect import LogCollector
from collector.progress import Progress
from collector.sync.engine import SyncEngine
from db.collection.heartbeat_detail import HeartbeatDetail


def make_client(url: str, clock: Callable[[], datetime], token: str | None = "good") -> GitHubClient:
    return GitHubClient(url, token, clock=clock, sleep=lambda seconds: None)


def sync(
    engine: Engine, base_url: str, repos: tuple[str, ...], *, clock: Callable[[], datetime], backfill_days: int = 30,
    retention_days: int = 3650, client: GitHubClient | None = None, stop: threading.Event | None = None,
) -> SyncResult:  # fmt: skip
    client = client or make_client(base_url, clock)
    context = CollectorContext(
        engine, client, Progress(engine, clock, HeartbeatDetail()), clock, stop or threading.Event()
    )
    return SyncEngine(context, repos=repos, backfill_days=backfill_days, retention_days=retention_days).run()


def fetch_logs(engine: Engine, base_url: str, *, clock: Callable[[], datetime], collect: str = "failed") -> int:
    context = CollectorContext(engine, make_client(base_url, clock), Progress(engine, clock, HeartbeatDetail()), clock)
    return LogCollector(context, collect=collect).run()


def at(text: str) -> Callable[[], datetime]:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return lambda: moment
