"""A sync for tests: the real client and store against whatever base URL."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine

from collector.github.client import GitHubClient
from collector.logs.collect import LogCollector
from collector.progress import Progress
from collector.sync.engine import SyncEngine, SyncResult
from db.collection.heartbeat_detail import HeartbeatDetail


def make_client(url: str, clock: Callable[[], datetime], token: str | None = "good") -> GitHubClient:
    return GitHubClient(url, token, clock=clock, sleep=lambda seconds: None)


def sync(
    engine: Engine, base_url: str, repos: tuple[str, ...], *, clock: Callable[[], datetime], backfill_days: int = 30,
    retention_days: int = 3650, client: GitHubClient | None = None, stop: threading.Event | None = None,
) -> SyncResult:  # fmt: skip
    return SyncEngine(
        engine,
        client or make_client(base_url, clock),
        repos=repos,
        backfill_days=backfill_days,
        retention_days=retention_days,
        clock=clock,
        stop=stop or threading.Event(),
        progress=Progress(engine, clock, HeartbeatDetail()),
    ).run()


def fetch_logs(engine: Engine, base_url: str, *, clock: Callable[[], datetime], collect: str = "failed") -> int:
    return LogCollector(
        engine,
        make_client(base_url, clock),
        collect=collect,
        clock=clock,
        stop=threading.Event(),
        progress=Progress(engine, clock, HeartbeatDetail()),
    ).run()


def at(text: str) -> Callable[[], datetime]:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return lambda: moment
