"""Databases of a PostgreSQL server, and one that test after test uses: making and dropping one takes longer than most
tests, and in a new one the first of everything is slow."""

import itertools
import os

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from db.models import Base

_numbers = itertools.count(1)
# Deleted rows stay in their files: a database that grew by more is dropped.
_GROWTH_BYTES = 4_000_000
# Tables, columns, constraints, indexes and triggers by their ids, and the revision.
_SCHEMA = """
WITH own AS (SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace)
SELECT md5(concat(
    (SELECT string_agg(concat(oid, relname), ',' ORDER BY oid) FROM own),
    (SELECT string_agg(concat(attrelid, attnum, attname, atttypid, attnotnull), ',' ORDER BY attrelid, attnum)
     FROM pg_attribute WHERE attrelid IN (SELECT oid FROM own)),
    (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_constraint WHERE conrelid IN (SELECT oid FROM own)),
    (SELECT string_agg(oid::text, ',' ORDER BY oid) FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM own)),
    (SELECT string_agg(version_num, ',') FROM alembic_version)))
"""
_OTHERS_END = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_IDS_FROM_ONE = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""
_SIZE = "SELECT pg_database_size(current_database())"


class Shelf:
    """Gives out one database at a time. It is emptied when it comes back, and dropped when it is no longer what its
    template is."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server, self._template = server_url, template
        self._name = self._schema = ""
        self._size = 0
        self._engine: Engine | None = None

    def take(self) -> str:
        if self._engine is None:
            self._name = f"ph_{os.getpid()}_{next(_numbers)}"
            administer(self._server, f'CREATE DATABASE "{self._name}" TEMPLATE "{self._template}"')
            self._engine = _plain(with_name(self._server, self._name))
            with self._engine.connect() as connection:
                self._schema, self._size = connection.scalar(text(_SCHEMA)), connection.scalar(text(_SIZE))
        return with_name(self._server, self._name)

    def put_back(self) -> None:
        if not self._is_as_new():
            self.close()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
            administer(self._server, f'DROP DATABASE "{self._name}" WITH (FORCE)')

    def _is_as_new(self) -> bool:
        assert self._engine
        try:
            with self._engine.connect() as connection:
                connection.execute(text(_OTHERS_END)).all()
                if connection.scalar(text(_SCHEMA)) != self._schema:
                    return False
                filled = set(connection.scalars(text(_FILLED)))
                for table in reversed(Base.metadata.sorted_tables):
                    if table.name in filled:
                        connection.execute(table.delete())
                if filled:
                    connection.execute(text(_IDS_FROM_ONE)).all()
                return bool(connection.scalar(text(_SIZE)) < self._size + _GROWTH_BYTES)
        except SQLAlchemyError:
            return False


_FILLED = " UNION ALL ".join(
    f"SELECT '{table.name}' WHERE EXISTS (SELECT FROM {table.name})" for table in Base.metadata.sorted_tables
)


def with_name(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def administer(url: str, statement: str) -> None:
    engine = _plain(url)
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _plain(url: str) -> Engine:
    plain = make_url(url).set(drivername="postgresql+psycopg2")
    # A test may have ended every connection.
    return create_engine(plain, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
