"""What a database holds, asked without the models: it may be of another version, or of another program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, check_connection, describe_failure, shown
from db.migrate import is_known, revision_of
from db.models import Base

REVISIONS = "alembic_version"
OWN_TABLES = frozenset({*Base.metadata.tables, REVISIONS})
# Programs that only read make these by themselves.
_MADE_BY_ITSELF = frozenset({REVISIONS, "installation_keys"})
# Migrations add the rules that everybody has; nobody has changed them yet.
_CHANGED_RULES = "SELECT 1 FROM alert_rules WHERE NOT built_in OR updated_at <> created_at"


class Refused(Exception):
    """What was asked for cannot be done, or would lose something; the message is one line with the remedy."""


def filled_tables(connection: Connection) -> list[str]:
    """The tables with rows, by name, but for what the programs put there by themselves."""
    quote = connection.dialect.identifier_preparer.quote
    found = []
    for name in sorted(set(inspect(connection).get_table_names()) - _MADE_BY_ITSELF):
        rows = _CHANGED_RULES if name == "alert_rules" else f"SELECT 1 FROM {quote(name)}"  # noqa: S608
        if connection.scalar(text(f"{rows} LIMIT 1")):
            found.append(name)
    return found


def own_tables(connection: Connection) -> list[str]:
    return sorted(OWN_TABLES & set(inspect(connection).get_table_names()))


def check_source(engine: Engine) -> None:
    """Raises Refused where nothing of this product is, before SQLite makes an empty file of a mistyped name."""
    path = sqlite_file(engine)
    if path is not None and not path.is_file():
        raise Refused(f"{_named(engine)}: there is no file {path}; name the database that is to be read.")
    check_connection(engine)
    with reading(engine) as connection:
        revision = revision_of(connection)
    if revision is None:
        raise Refused(f"{_named(engine)}: {shown(engine)} is no database of Pipeline Health.")
    if not is_known(revision):
        raise Refused(newer(f"{_named(engine)}: {shown(engine)}", revision))


def check_empty(engine: Engine, remedy: str) -> None:
    """Raises Refused where rows would be lost."""
    with reading(engine) as connection:
        filled = filled_tables(connection)
    if filled:
        raise Refused(f"{_named(engine)}: {shown(engine)} is not empty ({_list(filled)}); {remedy}")


def newer(what: str, revision: str) -> str:
    return f"{what} is at revision {revision}, which this version does not know: update this program first."


def sqlite_file(engine: Engine) -> Path | None:
    """Null for PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return None
    if not engine.url.database or engine.url.database == ":memory:":
        raise Refused(f"{_named(engine)}: a database in memory ends with its program; name a file.")
    return Path(engine.url.database)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose failures are told in one line."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from None


def _named(engine: Engine) -> str:
    return str(engine.get_execution_options().get("variable", "DATABASE_URL"))


def _list(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
