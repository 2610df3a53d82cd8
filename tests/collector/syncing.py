"""A sync for tests: the real client and store against whatever base URL."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine

from collector.github.client import Client
from collector.progress import Progress
from collector.sync.engine import Outcome, Sync


def sync(
    engine: Engine, base_url: str, repos: tuple[str, ...], *, clock: Callable[[], datetime], backfill_days: int = 30,
    client: Client | None = None,
) -> Outcome:  # fmt: skip
    client = client or Client(base_url, clock=clock, sleep=lambda seconds: None)
    return Sync(
        engine,
        client,
        repos=repos,
        backfill_days=backfill_days,
        clock=clock,
        stop=threading.Event(),
        progress=Progress(engine, clock, {}),
    ).run()


def at(text: str) -> Callable[[], datetime]:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return lambda: moment
