"""Size of the database, the next pruning, and vacuum.

The queries are cheap at any size: they read the statistics of the database and the ends of indexes, and count up to a
limit.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Engine, Select, func, literal, literal_column, select, text
from sqlalchemy.orm import Session

from db.definitions.time_buckets import day_of, start_of_day
from db.engine import check_connection
from db.enums import LogState
from db.migrate import revision_of
from db.models import Base, Heartbeat, JobLog, Run


def schema_revision(session: Session) -> str | None:
    return revision_of(session.connection())


def server_version(session: Session) -> str:
    """Returns the name and version of the server, as PostgreSQL 15.6 or SQLite 3.45.1."""
    if session.get_bind().dialect.name == "postgresql":
        return f"PostgreSQL {str(session.scalar(text('SHOW server_version'))).split(' ')[0]}"
    return f"SQLite {session.scalar(text('SELECT sqlite_version()'))}"


_DATABASE_SIZE = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
}


def database_bytes(session: Session) -> int:
    """Returns the size of the files in bytes with their free pages; for SQLite without the write-ahead log."""
    return int(session.scalar(text(_DATABASE_SIZE[session.get_bind().dialect.name])) or 0)


def free_bytes(engine: Engine) -> int | None:
    """Returns the free bytes on the disk of an SQLite file; null for PostgreSQL, whose disk may be remote."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return None
    folder = Path(path).resolve().parent
    return shutil.disk_usage(folder).free if folder.is_dir() else None


def replica_lag(primary: Session, replica: Session) -> float | None:
    """Returns the seconds by which the latest heartbeat on the replica is older than the one on the primary; null where
    no collector has run. The precision is the interval of heartbeats (2 to 10 s). It is right for every kind of
    replication, and for one that has stopped."""
    query = select(func.max(Heartbeat.seen_at))
    on_primary, on_replica = primary.scalar(query), replica.scalar(query)
    if on_primary is None or on_replica is None:
        return None
    return max((on_primary - on_replica).total_seconds(), 0.0)


# The limit of counts; a count that reaches it is shown as "at least".
MAX_COUNTED = 100_000
# The size of each table of an SQLite file takes a read of every page.
_MAX_SCANNED_BYTES = 100_000_000
_POSTGRESQL = """
SELECT relname, CASE WHEN reltuples >= 0 THEN CAST(reltuples AS bigint) END, pg_table_size(oid), pg_indexes_size(oid)
FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY(:names)
"""
_SQLITE = """
SELECT tbl_name, sum(CASE WHEN type = 'table' THEN bytes ELSE 0 END),
       sum(CASE WHEN type = 'index' THEN bytes ELSE 0 END)
FROM sqlite_master JOIN (SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name) USING (name) GROUP BY tbl_name
"""


@dataclass(frozen=True)
class TableSize:
    """Size of a table. `rows` is an estimate, null where there is none yet; bytes are null where they cost too much to
    compute."""

    name: str
    rows: int | None
    table_bytes: int | None
    index_bytes: int | None


@dataclass(frozen=True)
class StorageSize:
    """Size of the database. `free_bytes` are part of `total_bytes`: the database reuses them and does not return them
    to the disk by itself. `runs_last_day` is the number of runs created within the last 24 hours."""

    tables: tuple[TableSize, ...]
    total_bytes: int
    free_bytes: int
    oldest_run: datetime | None
    oldest_log: datetime | None
    runs_last_day: int

    def largest(self, number: int) -> list[TableSize]:
        """Returns the `number` largest tables and one row with the sum of the others."""
        rest = self.tables[number:]
        if len(rest) < 2:
            return list(self.tables)
        table_bytes = sum(table.table_bytes or 0 for table in rest)
        index_bytes = sum(table.index_bytes or 0 for table in rest)
        return [*self.tables[:number], TableSize(f"{len(rest)} more tables", None, table_bytes, index_bytes)]


@dataclass(frozen=True)
class PendingDeletion:
    """Rows that the next pruning deletes, counted up to a limit."""

    runs: int
    logs: int


def storage(session: Session, now: datetime) -> StorageSize:
    """Returns the size of the database, with its non-empty tables by size, largest first."""
    tables, total, free = (_postgresql if session.get_bind().dialect.name == "postgresql" else _sqlite)(session)
    day = select(literal(1)).where(Run.created_at >= now - timedelta(days=1), Run.created_at < now)
    listed = sorted(
        tables, key=lambda table: (-(table.table_bytes or 0) - (table.index_bytes or 0), -(table.rows or 0))
    )
    return StorageSize(
        tables=tuple(table for table in listed if table.rows != 0),
        total_bytes=total,
        free_bytes=free,
        oldest_run=session.scalar(select(func.min(Run.created_at))),
        oldest_log=session.scalar(select(func.min(JobLog.fetched_at)).where(JobLog.state == LogState.STORED)),
        runs_last_day=_count(session, day),
    )


def pending_deletion(
    session: Session,
    prune_at: datetime,
    retention: timedelta,
    log_retention: timedelta,
    *,
    count_limit: int | None = MAX_COUNTED,
) -> PendingDeletion:
    """Returns what a pruning at that time deletes. `count_limit` null: rows are counted without a limit."""
    runs = select(literal(1)).where(Run.created_at < start_of_day(day_of(prune_at - retention)))
    logs = select(literal(1)).where(JobLog.state == LogState.STORED, JobLog.fetched_at < prune_at - log_retention)
    return PendingDeletion(_count(session, runs, count_limit), _count(session, logs, count_limit))


def runs_and_logs(session: Session) -> tuple[int, int]:
    """Returns the number of runs, and of logs whose text is stored."""
    logs = select(func.count()).select_from(JobLog).where(JobLog.state == LogState.STORED)
    return session.scalars(select(func.count()).select_from(Run)).one(), session.scalars(logs).one()


def _count(session: Session, rows: Select[int], most: int | None = MAX_COUNTED) -> int:
    return session.scalar(select(func.count()).select_from(rows.limit(most).subquery())) or 0


def _postgresql(session: Session) -> tuple[list[TableSize], int, int]:
    rows = session.execute(text(_POSTGRESQL), {"names": list(Base.metadata.tables)})
    return [TableSize(*row) for row in rows], database_bytes(session), 0


def _sqlite(session: Session) -> tuple[list[TableSize], int, int]:
    total = database_bytes(session)
    page_size, free_pages = (session.scalar(text(f"PRAGMA {name}")) or 0 for name in ("page_size", "freelist_count"))
    measured: dict[str, tuple[int, int]] = {}
    if total <= _MAX_SCANNED_BYTES and _has_dbstat(session):
        measured = {row[0]: (row[1], row[2]) for row in session.execute(text(_SQLITE))}
    tables = []
    # A database of an older version has fewer tables.
    existing = set(session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")))
    for table in (table for table in Base.metadata.sorted_tables if table.name in existing):
        # Where the primary key is not the rowid, rowids ascend from the oldest to the newest row.
        has_rowid = len(table.primary_key.columns) > 1
        rowid: ColumnElement[int] = literal_column("rowid")
        rows = func.max(rowid) - func.min(rowid) + 1 if has_rowid else func.count()
        number = session.scalar(select(rows).select_from(table)) or 0
        tables.append(TableSize(table.name, number, *measured.get(table.name, (None, None))))
    return tables, total, page_size * free_pages


def _has_dbstat(session: Session) -> bool:
    options = session.scalars(text("SELECT compile_options FROM pragma_compile_options"))
    return "ENABLE_DBSTAT_VTAB" in set(options)


def vacuum(engine: Engine) -> tuple[int, int]:
    """Vacuums the database; returns its size in bytes before and after. SQLite rewrites the file, which needs as much
    free disk space again, and blocks writers. PostgreSQL frees space for reuse without blocking others, and returns
    the space at the end of its files."""
    check_connection(engine)
    kind = engine.dialect.name
    before = _size(engine)
    if kind == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE)")
    else:
        # A raw connection, because SQLAlchemy would open a transaction.
        raw = engine.raw_connection()
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.cursor().execute(statement).fetchall()
        raw.close()
    return before, _size(engine)


def _size(engine: Engine) -> int:
    with Session(engine) as session:
        return database_bytes(session)
