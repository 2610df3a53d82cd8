"""python -m db upgrade | prune | rebuild-rollups"""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import Field
from tqdm import tqdm

from db.config import ConfigError, DatabaseSettings
from db.engine import DatabaseUnavailable, make_engine, shown, write_scope
from db.migrate import NotMigrated, check_migrated, upgrade
from db.store.marks import mark_everything, waiting_marks
from db.store.retention import prune
from db.store.rollups import forget_hours, refresh


class Settings(DatabaseSettings):
    retention_days: int = Field(400, ge=1, le=36500)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m db", description="Care of the database named by DATABASE_URL.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", help="migrate to this version's schema")
    commands.add_parser("prune", help="delete runs older than RETENTION_DAYS")
    commands.add_parser("rebuild-rollups", help="make all roll-ups anew from the runs")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        return _COMMANDS[options.command](settings)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error, file=sys.stderr)
        return 1


def _upgrade(settings: Settings) -> int:
    engine = make_engine(settings.database_url)
    revision = upgrade(engine)
    print(f"{shown(engine)} is at revision {revision}.")
    return 0


def _prune(settings: Settings) -> int:
    engine = make_engine(settings.database_url)
    check_migrated(engine)
    now = datetime.now(UTC)
    before = now - timedelta(days=settings.retention_days)
    total = sum(prune(engine, before, now))
    print(f"{total:,} runs created before {before:%Y-%m-%d} deleted (RETENTION_DAYS={settings.retention_days}).")
    return 0


def _rebuild(settings: Settings) -> int:
    engine = make_engine(settings.database_url)
    check_migrated(engine)
    now = datetime.now(UTC)
    with write_scope(engine) as session:
        mark_everything(session, now)
        total = waiting_marks(session)
    with tqdm(total=total, desc="roll-ups", unit=" days", disable=not sys.stderr.isatty()) as bar:
        for made in refresh(engine, now):
            bar.update(made)
        forget_hours(engine, now)
    print(f"The roll-ups of {total:,} days of repositories are made anew.")
    return 0


_COMMANDS: dict[str, Callable[[Settings], int]] = {"upgrade": _upgrade, "prune": _prune, "rebuild-rollups": _rebuild}

if __name__ == "__main__":
    sys.exit(main())
