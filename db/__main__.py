"""python -m db upgrade | prune"""

import argparse
import sys
from datetime import UTC, datetime, timedelta

from pydantic import Field

from db.config import ConfigError, DatabaseSettings
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import NotMigrated, check_migrated, upgrade
from db.store.retention import prune


class Settings(DatabaseSettings):
    retention_days: int = Field(400, ge=1, le=36500)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m db", description="Care of the database named by DATABASE_URL.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", help="migrate to this version's schema")
    commands.add_parser("prune", help="delete runs older than RETENTION_DAYS")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        return {"upgrade": _upgrade, "prune": _prune}[options.command](settings)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error, file=sys.stderr)
        return 1


def _upgrade(settings: Settings) -> int:
    engine = make_engine(settings.database_url)
    revision = upgrade(engine)
    print(f"{engine.url.render_as_string(hide_password=True)} is at revision {revision}.")
    return 0


def _prune(settings: Settings) -> int:
    engine = make_engine(settings.database_url)
    check_migrated(engine)
    before = datetime.now(UTC) - timedelta(days=settings.retention_days)
    total = sum(prune(engine, before))
    print(f"{total:,} runs created before {before:%Y-%m-%d} deleted (RETENTION_DAYS={settings.retention_days}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
