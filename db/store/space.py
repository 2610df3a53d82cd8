"""Giving back the space of what was deleted."""

from sqlalchemy import Engine, text

from db.engine import check_connection

_SIZES = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
}


def vacuum(engine: Engine) -> tuple[int, int]:
    """The database's bytes before and after. SQLite writes the file anew, which takes as much room again on its disk,
    and writers wait. PostgreSQL frees the space for what comes, beside others at work, and gives back what is at the
    end of its files."""
    check_connection(engine)
    kind = engine.dialect.name
    before = _size(engine)
    if kind == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE)")
    else:
        # Past SQLAlchemy, which would open a transaction.
        raw = engine.raw_connection()
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.cursor().execute(statement).fetchall()
        raw.close()
    return before, _size(engine)


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text(_SIZES[engine.dialect.name])) or 0
