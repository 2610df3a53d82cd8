"""python -m collector [sync | backfill | setup | doctor | health]"""

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from collector.bootstrap import make_client, make_collector
from collector.claims import SETTLE_MARGIN, CollectorAlreadyRunning, acquire_file_lock
from collector.commands import BackfillRequest, CollectorCommands
from collector.context import SyncResult
from collector.doctor.checks import doctor, print_checks
from collector.health import health
from collector.scheduler import CollectorService
from collector.settings import NOTHING_TO_COLLECT, CollectorSettings
from collector.setup_check import SetupTask, setup_report
from collector.supervision import enforce_shutdown_deadline, exit_process
from core.logging import configure_logging
from core.settings import ConfigError
from core.text import clean
from db.collection.setup_report import delete_setup_report, store_setup_report
from db.definitions.scope import parse_time
from db.engine import DatabaseUnavailable, describe_failure, make_engine, write_scope
from db.migrate import NotMigrated, check_migrated, upgrade

log = logging.getLogger(__name__)
_EXIT_OK, _EXIT_INCOMPLETE, _EXIT_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m collector", description="Collects GitHub Actions runs; without a command it runs as a service."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("sync", help="one complete pass over all configured repositories, then exit")
    history = commands.add_parser("backfill", help="read history (resumable)")
    history.add_argument("--since", required=True, help="90d, 2026-01-31 or 2026-01-31T08:00:00Z")
    history.add_argument("--until", help="the same formats (default: up to the complete history)")
    history.add_argument("--repo", action="append", help="owner/name, may be repeated (default: GITHUB_REPOS)")
    commands.add_parser(
        "setup", help="check the token and list the repositories it can read, also on the dashboard's set-up page"
    )
    commands.add_parser("doctor", help="check configuration, token, database and channels")
    commands.add_parser("health", help="exit 0 while the service is running, for containers")
    options = parser.parse_args(arguments)
    try:
        settings = CollectorSettings.load()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _EXIT_USAGE
    if options.command == "health":
        return health(settings)
    configure_logging("collector", settings.backend_env, settings.secret_values())
    for line in settings.weak_secrets():
        # The API reports its own.
        if line.startswith("ALERT_"):
            log.warning("%s.", line)
    if options.command == "doctor":
        return doctor(settings, make_client(settings))
    if options.command == "setup":
        return _setup(settings)
    return _collect(settings, options)


def _setup(settings: CollectorSettings) -> int:
    """Prints the report. Stores it for the dashboard unless repositories are configured; exit code 0 if no check
    failed."""
    github = settings.setup_settings or settings
    report = setup_report(github, make_client(github))
    print_checks(report.checks)
    for repository in report.repositories:
        print(f"      {clean(repository.repo, 200)}{' (archived)' if repository.archived else ''}")
    try:
        engine = make_engine(settings.database_url)
    except DatabaseUnavailable as error:
        print(error, file=sys.stderr)
        return _EXIT_INCOMPLETE
    try:
        upgrade(engine)
        with write_scope(engine) as session:
            if settings.setup_settings:
                store_setup_report(session, report, datetime.now(UTC))
            else:
                delete_setup_report(session)
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error, file=sys.stderr)
        return _EXIT_INCOMPLETE
    except SQLAlchemyError as error:
        print(describe_failure(engine, error), file=sys.stderr)
        return _EXIT_INCOMPLETE
    if settings.setup_settings and report.repositories:
        print("\nSet GITHUB_REPOS to some of them, separated by commas, or to owner/* for all of an owner.")
    return _EXIT_OK if report.ok else _EXIT_INCOMPLETE


def _collect(settings: CollectorSettings, options: argparse.Namespace) -> int:
    if not settings.repos:
        print(NOTHING_TO_COLLECT, file=sys.stderr)
        return _EXIT_USAGE
    try:
        if options.command == "backfill":
            return _backfill(settings, options.since, options.until, options.repo or [])
        if options.command == "sync":
            return _run_command(settings, CollectorCommands.sync, "the next sync")
        return _serve(settings)
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error, file=sys.stderr)
        return _EXIT_INCOMPLETE


def _backfill(settings: CollectorSettings, since: str, until: str | None, repos: list[str]) -> int:
    try:
        request = _backfill_request(settings, since, until, repos)
    except ValueError as error:
        print(error, file=sys.stderr)
        return _EXIT_USAGE
    return _run_command(settings, lambda commands: commands.backfill(request), "the same command")


def _backfill_request(settings: CollectorSettings, since: str, until: str | None, repos: list[str]) -> BackfillRequest:
    now = datetime.now(UTC)
    start = _parse_time("--since", since, now)
    end = _parse_time("--until", until, now) if until else None
    if start >= (end or now):
        raise ValueError(f"--since: {since[:40]} is not before {'--until' if until else 'now'}; name an earlier time.")
    for repo in repos:
        if repo.count("/") != 1 or repo.endswith("/*"):
            raise ValueError(f"--repo: {repo[:60]!r} is not a valid repository; use owner/name.")
    return BackfillRequest(start, min(end, now) if end else None, tuple(repos) or settings.repos)


def _parse_time(option: str, value: str, now: datetime) -> datetime:
    try:
        return parse_time(value, now)
    except ValueError as error:
        raise ValueError(f"{option}: {error}.") from None


def _run_command(settings: CollectorSettings, run: Callable[[CollectorCommands], SyncResult], continued_by: str) -> int:
    """Exit code 0 when everything is stored, else 1."""
    engine = make_engine(settings.database_url)
    upgrade(engine)
    collector = make_collector(settings, engine, make_client(settings), is_command=True)
    context = collector.context
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: context.stop.set())
    enforce_shutdown_deadline(context.stop, context.tracker)
    try:
        result = run(CollectorCommands(collector))
    except SQLAlchemyError as error:
        print(describe_failure(engine, error), file=sys.stderr)
        return _EXIT_INCOMPLETE
    if result.stopped:
        context.progress.mark_stopping()
        print(f"Stopped before the end; the data read so far is stored, {continued_by} continues.", file=sys.stderr)
    return _EXIT_OK if result.is_complete else _EXIT_INCOMPLETE


def _serve(settings: CollectorSettings) -> int:
    # Without an idle timeout: a migration may pause between two statements.
    migration_engine = make_engine(settings.database_url)
    try:
        lock = acquire_file_lock(migration_engine)
    except CollectorAlreadyRunning as error:
        print(error, file=sys.stderr)
        return _EXIT_INCOMPLETE
    except OSError as error:
        raise DatabaseUnavailable(
            f"DATABASE_URL: cannot lock {migration_engine.url.database} by a file beside it: {error.strerror}; its "
            "folder must be writable for this user, and on a file system with locks."
        ) from None
    _wait_for_database(migration_engine)
    migration_engine.dispose()
    engine = make_engine(settings.database_url, idle_transaction_timeout=SETTLE_MARGIN)
    collector = make_collector(settings, engine, make_client(settings))
    service = CollectorService(
        engine,
        collector,
        retention_days=settings.retention_days,
        log_retention_days=settings.log_retention_days,
        audit_retention_days=settings.audit_retention_days,
        setup=_setup_task(settings, engine, collector.context.stop),
    )
    code = _EXIT_OK if service.run() else _EXIT_INCOMPLETE
    if lock:
        lock.close()
    exit_process(code, collector.context.tracker)
    return code


def _setup_task(settings: CollectorSettings, engine: Engine, stop: threading.Event) -> Callable[[], None] | None:
    """The check of the set-up beside a demo. With configured repositories, its last report is deleted."""
    if settings.setup_settings:
        return SetupTask(engine, settings.setup_settings, stop).run
    with suppress(SQLAlchemyError), write_scope(engine) as session:
        delete_setup_report(session)
    return None


def _wait_for_database(engine: Engine, *, tries: int = 24, pause_seconds: float = 5.0) -> None:
    """Migrates the database. Containers start in any order, so a server that is starting is waited for, for two
    minutes."""
    for remaining in range(tries, 0, -1):
        try:
            upgrade(engine)
            return
        except DatabaseUnavailable as error:
            if engine.dialect.name == "sqlite" or remaining == 1:
                raise
            log.warning("%s Trying again in %g s.", error, pause_seconds)
            time.sleep(pause_seconds)
    check_migrated(engine)


if __name__ == "__main__":
    sys.exit(main())
