"""Adding rows that another program may add at the same moment."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session


def add_missing(session: Session, model: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> int:
    """Adds those whose key is not there, and returns how many. To look first and add then is not enough: PostgreSQL
    lets two do so at once, and breaks off the one that comes second."""
    if not rows:
        return 0
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(model.__table__).on_conflict_do_nothing()
    return int(session.execute(statement.values([dict(row) for row in rows])).rowcount)  # type: ignore[attr-defined]
