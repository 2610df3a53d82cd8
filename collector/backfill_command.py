"""python -m collector backfill: history of chosen repositories, with a bar, resumable."""

import signal
import sys
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

from collector.build import make_client, make_passes
from collector.config import Settings
from collector.ending import end_in_time
from collector.passes import History
from db.engine import describe_failure, make_engine
from db.metrics.window import parse_time
from db.migrate import upgrade


def run_backfill(settings: Settings, since: str, until: str | None, repos: list[str]) -> int:
    """0 when all of it is stored, 1 when something is missing, 2 for what cannot be asked."""
    try:
        wanted = _wanted(settings, since, until, repos)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    engine = make_engine(settings.database_url)
    upgrade(engine)
    passes = make_passes(settings, engine, make_client(settings), bar=True)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: passes.stop.set())
    end_in_time(passes.stop, passes.work)
    try:
        outcome = passes.read_history(wanted)
    except SQLAlchemyError as error:
        print(describe_failure(engine, error), file=sys.stderr)
        return 1
    if outcome.stopped:
        passes.end()
        print("Stopped before the end; what was read is stored, and the same command goes on from there.",
              file=sys.stderr)  # fmt: skip
    return 0 if outcome.complete else 1


def _wanted(settings: Settings, since: str, until: str | None, repos: list[str]) -> History:
    now = datetime.now(UTC)
    begins = _time("--since", since, now)
    ends = _time("--until", until, now) if until else None
    if begins >= (ends or now):
        raise ValueError(f"--since: {since[:40]} is not before {'--until' if until else 'now'}; name an earlier time.")
    for repo in repos:
        if repo.count("/") != 1 or repo.endswith("/*"):
            raise ValueError(f"--repo: {repo[:60]!r} is no repository; allowed is owner/name.")
    return History(begins, min(ends, now) if ends else None, tuple(repos) or settings.repos)


def _time(option: str, value: str, now: datetime) -> datetime:
    try:
        return parse_time(value, now)
    except ValueError as error:
        raise ValueError(f"{option}: {error}.") from None
