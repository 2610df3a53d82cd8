"""`python -m db COMMAND`: commands for migrations, roles, retention, copies and backups."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from tqdm import tqdm

from core.formatting import pluralize
from core.settings import ConfigError
from db.backup.backups import backup, restore
from db.backup.contents import BackupError
from db.backup.copying import TableCopy, copy_database
from db.backup.distribute import distribute
from db.engine import DatabaseUnavailable, check_connection, make_engine, safe_url, write_scope
from db.jobs.job_writes import recompute_runs
from db.migrate import DowngradeError, MigrationStep, NotMigrated, check_migrated, downgrade, downgrade_losses, upgrade
from db.roles import COLLECTOR, READER, RoleNames, RolesError, make_passwords, make_roles, read_password, refresh_rights
from db.runs.rollup_invalidation import count_invalidated_days, invalidate_all
from db.settings import DatabaseSettings, normalize_url
from db.storage import vacuum
from health.metrics.rollups.refresh import prune_hours, refresh_rollups
from health.retention import prune, prune_audit, prune_logs


class Settings(DatabaseSettings):
    retention_days: int = Field(400, ge=1, le=36500)
    log_retention_days: int = Field(90, ge=1, le=36500)
    audit_retention_days: int = Field(730, ge=1, le=36500)
    # Passwords of the database roles. A role without a password here keeps its current one.
    database_collector_password: SecretStr | None = None
    database_reader_password: SecretStr | None = None

    def role_passwords(self, folder: Path | None) -> dict[str, str]:
        """Returns the passwords by role, from the settings or else from the folder that `python -m db passwords`
        writes. Raises ConfigError where a file cannot be read."""
        secrets = {COLLECTOR: self.database_collector_password, READER: self.database_reader_password}
        passwords = {name: secret.get_secret_value() for name, secret in secrets.items() if secret}
        try:
            missing = [name for name in secrets if name not in passwords]
            return passwords | {name: read_password(folder, name) for name in missing if folder}
        except OSError as error:
            raise ConfigError(
                f"--passwords: cannot read {error.filename}: {error.strerror}; run `python -m db passwords` on that "
                "folder first."
            ) from None


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](Settings.load(), options)
    except (ConfigError, BackupError, DowngradeError, RolesError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: unfinished changes were rolled back; run the same command again.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m db", description="Administer the database of DATABASE_URL.")
    commands = parser.add_subparsers(dest="command", required=True)
    forward = commands.add_parser("upgrade", help="migrate to this version's schema")
    roles = commands.add_parser("roles", help="create the PostgreSQL roles of collector and readers; repeatable")
    for command in (forward, roles):
        command.add_argument("--passwords", type=Path, metavar="FOLDER", help="the folder that `passwords` wrote")
    files = commands.add_parser("passwords", help="create missing files of random passwords for roles and Redis")
    files.add_argument("folder", type=Path)
    back = commands.add_parser("downgrade", help="migrate back to an earlier version's schema")
    back.add_argument("revision", help="the revision of that version, such as 0009")
    back.add_argument("--yes", action="store_true", help="accept the loss of data that the revision cannot store")
    commands.add_parser("prune", help="delete runs, logs and audit events older than their retention")
    commands.add_parser("vacuum", help="return free space to the disk after deletions; blocks writers on SQLite")
    commands.add_parser("rebuild-rollups", help="recompute the sums of runs and all roll-ups from stored jobs")
    copying = commands.add_parser("copy", help="copy everything into an empty database, SQLite or PostgreSQL")
    copying.add_argument("--to", required=True, metavar="URL", help="the empty database; it is migrated first")
    copying.add_argument("--from", dest="source", metavar="URL", help="the source, instead of DATABASE_URL")
    for name, description in (("backup", "write everything into a file"), ("restore", "restore a file of backup")):
        command = commands.add_parser(name, help=description)
        command.add_argument("file", type=Path)
        command.add_argument("--overwrite", action="store_true", help="replace what exists")
    commands.add_parser("distribute", help="distribute the tables over the workers of Citus; repeatable")
    return parser


def _upgrade(settings: Settings, options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    revision = upgrade(engine, on_step=_print_step)
    print(f"{safe_url(engine)} is at revision {revision}.")
    passwords = settings.role_passwords(options.passwords)
    try:
        roles = make_roles(engine, passwords) if passwords else refresh_rights(engine)
    except RolesError as error:
        # The user of DATABASE_URL may not create roles, as on a shared server: programs connect as that user.
        print(f"No roles: {error}")
        return 0
    if roles:
        _print_roles(roles)
    return 0


def _roles(settings: Settings, options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    check_migrated(engine)
    _print_roles(make_roles(engine, settings.role_passwords(options.passwords)))
    return 0


def _print_roles(roles: RoleNames) -> None:
    print(
        f"{roles.collector} reads and writes rows; {roles.reader} reads, and writes rules, silences, acknowledgements "
        f"and requests for logs; {roles.owner} alone changes tables."
    )


def _passwords(_settings: Settings, options: argparse.Namespace) -> int:
    try:
        created = make_passwords(options.folder)
    except OSError as error:
        raise ConfigError(
            f"{options.folder}: cannot write {error.filename}: {error.strerror}; name a folder that this user may "
            "write."
        ) from None
    result = f"{len(created)} new passwords" if created else "all passwords exist"
    print(f"{options.folder}: {result}.")
    return 0


def _downgrade(settings: Settings, options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    check_connection(engine)
    losses = downgrade_losses(engine, options.revision)
    if not options.yes:
        print(
            "\n".join(["The downgrade loses:", *losses, "Stop all programs, make a backup, and repeat with --yes."]),
            file=sys.stderr,
        )
        return 2
    revision = downgrade(engine, options.revision, _print_step)
    print(f"{safe_url(engine)} is at revision {revision}; start the version with this revision.")
    return 0


def _print_step(step: MigrationStep) -> None:
    print(f"{step.revision} {step.title}: {step.seconds:,.1f} s", flush=True)


def _prune(settings: Settings, _options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    check_migrated(engine)
    now = datetime.now(UTC)
    before = now - timedelta(days=settings.retention_days)
    logs_before = now - timedelta(days=settings.log_retention_days)
    with _progress_bar("logs", " logs") as watch:
        logs = _run_with_progress(prune_logs(engine, logs_before), watch)
    with _progress_bar("runs", " runs") as watch:
        total = _run_with_progress(prune(engine, before, now), watch)
    events = sum(prune_audit(engine, now - timedelta(days=settings.audit_retention_days)))
    print(
        f"The text of {logs:,} logs fetched before {logs_before:%Y-%m-%d} deleted "
        f"(LOG_RETENTION_DAYS={settings.log_retention_days})."
    )
    print(f"{total:,} runs created before {before:%Y-%m-%d} deleted (RETENTION_DAYS={settings.retention_days}).")
    print(
        f"{pluralize(events, 'event')} of the audit trail deleted "
        f"(AUDIT_RETENTION_DAYS={settings.audit_retention_days})."
    )
    return 0


def _run_with_progress(action: Iterator[int], on_progress: Callable[[int, int], None]) -> int:
    total = 0
    for count in action:
        total += count
        on_progress(total, total)
    return total


def _vacuum(settings: Settings, _options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    check_migrated(engine)
    before, after = vacuum(engine)
    print(f"{safe_url(engine)} took {before / 1e6:,.1f} MB and takes {after / 1e6:,.1f} MB.")
    return 0


def _rebuild(settings: Settings, _options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    check_migrated(engine)
    now = datetime.now(UTC)
    with _progress_bar("runs", " runs") as watch:
        runs = _run_with_progress(recompute_runs(engine), watch)
    with write_scope(engine) as session:
        invalidate_all(session, now)
        total = count_invalidated_days(session)
    with tqdm(total=total, desc="roll-ups", unit=" days", disable=not sys.stderr.isatty()) as bar:
        for days in refresh_rollups(engine, now):
            bar.update(days)
        prune_hours(engine, now)
    print(f"Recomputed the sums of {runs:,} runs and the roll-ups of {total:,} repository days.")
    return 0


def _copy(settings: Settings, options: argparse.Namespace) -> int:
    source, target = settings.database_url, settings.with_password(_url("--to", options.to))
    variable = "--from" if options.source else "DATABASE_URL"
    if options.source:
        source = settings.with_password(_url(variable, options.source))
    from_engine, to_engine = make_engine(source, variable=variable), make_engine(target, variable="--to")
    with _progress_bar("rows", " rows") as watch:
        tables = copy_database(from_engine, to_engine, watch)
    print(_table(tables))
    print(f"{safe_url(from_engine)} is copied to {safe_url(to_engine)}.")
    return 0


def _backup(settings: Settings, options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    with _progress_bar("backup", " pages") as watch:
        size = backup(engine, options.file, watch, overwrite=options.overwrite)
    print(f"{safe_url(engine)} is saved in {options.file} ({size / 1e6:,.1f} MB).")
    return 0


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    with _progress_bar("restore", " pages") as watch:
        revision = restore(engine, options.file, watch, overwrite=options.overwrite)
    print(f"{safe_url(engine)} is restored from {options.file}, at revision {revision}.")
    return 0


def _distribute(settings: Settings, _options: argparse.Namespace) -> int:
    engine = make_engine(settings.database_url)
    with _progress_bar("distribute", " tables") as watch:
        tables = distribute(engine, watch)
    if tables:
        print(f"{safe_url(engine)}: {len(tables)} tables are now distributed. Restart all programs.")
    else:
        print(f"{safe_url(engine)}: all tables are distributed already.")
    return 0


def _url(option: str, value: str) -> str:
    try:
        return normalize_url(value)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}.") from None


@contextmanager
def _progress_bar(label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    with tqdm(total=0, desc=label, unit=unit, disable=not sys.stderr.isatty()) as bar:

        def watch(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield watch


def _table(tables: list[TableCopy]) -> str:
    """Returns a table of the row counts of tables with rows, and of their totals."""
    rows = [(table.table, table.rows_read, table.rows_written) for table in tables if table.rows_read]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    lines = [f"{'table':<20} {'read':>14} {'written':>14}"]
    return "\n".join(lines + [f"{name:<20} {read:>14,} {written:>14,}" for name, read, written in rows])


_COMMANDS: dict[str, Callable[[Settings, argparse.Namespace], int]] = {
    "upgrade": _upgrade,
    "roles": _roles,
    "passwords": _passwords,
    "downgrade": _downgrade,
    "prune": _prune,
    "vacuum": _vacuum,
    "rebuild-rollups": _rebuild,
    "copy": _copy,
    "backup": _backup,
    "restore": _restore,
    "distribute": _distribute,
}

if __name__ == "__main__":
    sys.exit(main())
