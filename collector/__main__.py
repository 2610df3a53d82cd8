"""python -m collector backfill: history of chosen repositories, with a bar, resumable.

python -m collector [sync | backfill | doctor | health]
"""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from collector.bootstrap import make_client, make_collector_jobs
from collector.claims import SETTLE_MARGIN, CollectorAlreadyRunning, acquire_file_lock
from collector.doctor.checks import doctor
from collector.health import health
from collector.jobs import BackfillRequest
from collector.scheduler import CollectorService
from collector.settings import NOTHING_TO_COLLECT, CollectorSettings
from collector.supervision import enforce_shutdown_deadline, exit_process
from collector.sync.engine import SyncResult
from core.logging import configure_logging
from core.settings import ConfigError
from db.definitions.scope import parse_time
from db.engine import DatabaseUnavailable, describe_failure, make_engine
from db.migrate import NotMigrated, check_migrated, upgrade


def run_backfill(settings: CollectorSettings, since: str, until: str | None, repos: list[str]) -> int:
    """0 when all of it is stored, 1 when something is missing, 2 for what cannot be asked."""
    try:
        wanted = _backfill_request(settings, since, until, repos)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    engine = make_engine(settings.database_url)
    upgrade(engine)
    passes = make_collector_jobs(settings, engine, make_client(settings), bar=True)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: passes.stop.set())
    enforce_shutdown_deadline(passes.stop, passes.tracker)
    try:
        outcome = passes.backfill_history(wanted)
    except SQLAlchemyError as error:
        print(describe_failure(engine, error), file=sys.stderr)
        return 1
    if outcome.stopped:
        passes.mark_stopping()
        print("Stopped before the end; what was read is stored, and the same command goes on from there.",
              file=sys.stderr)  # fmt: skip
    return 0 if outcome.is_complete else 1


def _backfill_request(settings: CollectorSettings, since: str, until: str | None, repos: list[str]) -> BackfillRequest:
    now = datetime.now(UTC)
    begins = _parse_time("--since", since, now)
    ends = _parse_time("--until", until, now) if until else None
    if begins >= (ends or now):
        raise ValueError(f"--since: {since[:40]} is not before {'--until' if until else 'now'}; name an earlier time.")
    for repo in repos:
        if repo.count("/") != 1 or repo.endswith("/*"):
            raise ValueError(f"--repo: {repo[:60]!r} is no repository; allowed is owner/name.")
    return BackfillRequest(begins, min(ends, now) if ends else None, tuple(repos) or settings.repos)


def _parse_time(option: str, value: str, now: datetime) -> datetime:
    try:
        return parse_time(value, now)
    except ValueError as error:
        raise ValueError(f"{option}: {error}.") from None


log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m collector", description="Collects GitHub Actions runs; without a command it runs as a service."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("sync", help="one complete pass over all configured repositories, then exit")
    history = commands.add_parser("backfill", help="read history; interrupted and started again, it goes on")
    history.add_argument("--since", required=True, help="90d, 2026-01-31 or 2026-01-31T08:00:00Z")
    history.add_argument("--until", help="the same forms; without it, up to what is known to be complete")
    history.add_argument("--repo", action="append", help="owner/name, also several times (default: GITHUB_REPOS)")
    commands.add_parser("doctor", help="check configuration, token, database and channels")
    commands.add_parser("health", help="exit 0 while the service shows signs of life, for containers")
    options = parser.parse_args(arguments)
    try:
        settings = CollectorSettings.load()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.command == "health":
        return health(settings)
    configure_logging("collector", settings.backend_env, settings.secret_values())
    for line in settings.weak_secrets():
        # The others are the API's, which reports them.
        if line.startswith("ALERT_"):
            log.warning("%s.", line)
    if options.command == "doctor":
        return doctor(settings, make_client(settings))
    return _collect(settings, options)


def _collect(settings: CollectorSettings, options: argparse.Namespace) -> int:
    if not settings.repos:
        print(
            NOTHING_TO_COLLECT,
            file=sys.stderr,
        )
        return 2
    try:
        if options.command == "backfill":
            return run_backfill(settings, options.since, options.until, options.repo or [])
        return _sync(settings) if options.command == "sync" else _serve(settings)
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error, file=sys.stderr)
        return 1


def _sync(settings: CollectorSettings) -> int:
    engine = make_engine(settings.database_url)
    upgrade(engine)
    passes = make_collector_jobs(settings, engine, make_client(settings), bar=True)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: passes.stop.set())
    enforce_shutdown_deadline(passes.stop, passes.tracker)
    try:
        outcome = passes.run_until_complete()
    except SQLAlchemyError as error:
        print(describe_failure(engine, error), file=sys.stderr)
        return 1
    if outcome.stopped:
        passes.mark_stopping()
    return _exit_code(outcome)


def _exit_code(outcome: SyncResult) -> int:
    if outcome.stopped:
        print("Stopped before the end; what was read is stored, and the next sync goes on from there.", file=sys.stderr)
        return 1
    return 0 if outcome.is_complete else 1


def _serve(settings: CollectorSettings) -> int:
    # A migration may take its time between two statements.
    migrating = make_engine(settings.database_url)
    try:
        lock = acquire_file_lock(migrating)
    except CollectorAlreadyRunning as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        raise DatabaseUnavailable(
            f"DATABASE_URL: cannot lock {migrating.url.database} by a file beside it: {error.strerror}; its folder "
            "must be writable for this user, and on a file system with locks."
        ) from None
    _wait_for_database(migrating)
    migrating.dispose()
    engine = make_engine(settings.database_url, idle_transaction_timeout=SETTLE_MARGIN)
    passes = make_collector_jobs(settings, engine, make_client(settings))
    service = CollectorService(
        engine,
        passes,
        poll_seconds=settings.poll_interval_minutes * 60,
        retention_days=settings.retention_days,
        log_retention_days=settings.log_retention_days,
    )
    code = 0 if service.run() else 1
    if lock:
        lock.close()
    exit_process(code, passes.tracker)
    return code


def _wait_for_database(engine: Engine, *, tries: int = 24, pause_seconds: float = 5.0) -> None:
    """Containers start in any order: a server that is still coming up is waited for, for two minutes."""
    for left in range(tries, 0, -1):
        try:
            upgrade(engine)
            return
        except DatabaseUnavailable as error:
            if engine.dialect.name == "sqlite" or left == 1:
                raise
            log.warning("%s Trying again in %g s.", error, pause_seconds)
            time.sleep(pause_seconds)
    check_migrated(engine)


if __name__ == "__main__":
    sys.exit(main())
