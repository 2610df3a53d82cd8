"""What waits to be done, and how large the database is: for those who watch this program.

How large the database is, and what is deleted next. Cheap at any size: what the database knows of itself, the ends
of indexes, and no more of them counted than a page can wait for.

Giving back the space of what was deleted.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Engine, Select, func, literal, literal_column, select, text
from sqlalchemy.orm import Session

from db.definitions.time_buckets import day_of, start_of_day
from db.engine import check_connection
from db.enums import DeliveryState, LogState
from db.migrate import revision_of
from db.models import Base, ChannelState, Heartbeat, JobLog, Notification, RollupInvalidation, Run


@dataclass(frozen=True)
class ChannelQueue:
    """Messages that wait for a channel. `failures` in a row it has now, since when, and the reason of the last one."""

    channel: str
    pending: int = 0
    oldest_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    error: str | None = None


def list_channels(session: Session, configured: list[str]) -> list[ChannelQueue]:
    """Those that are configured, and those for which something waits nevertheless."""
    waiting = {
        row[0]: (row[1], row[2])
        for row in session.execute(
            select(Notification.channel, func.count(), func.min(Notification.created_at))
            .where(Notification.state == DeliveryState.PENDING)
            .group_by(Notification.channel)
        )
    }
    states = {row.channel: row for row in session.scalars(select(ChannelState))}
    found = []
    for name in sorted({*configured, *waiting}):
        number, oldest = waiting.get(name, (0, None))
        state = states.get(name)
        failing = (state.failures, state.failing_since, state.error) if state else (0, None, None)
        found.append(ChannelQueue(name, number, oldest, *failing))
    return found


def count_invalidated_days(session: Session) -> int:
    """Days of a repository whose sums are still to be made anew."""
    return session.scalar(select(func.count()).select_from(RollupInvalidation)) or 0


def schema_revision(session: Session) -> str | None:
    return revision_of(session.connection())


def server_version(session: Session) -> str:
    """As people name it: PostgreSQL 15.6, SQLite 3.45.1."""
    if session.get_bind().dialect.name == "postgresql":
        return f"PostgreSQL {str(session.scalar(text('SHOW server_version'))).split(' ')[0]}"
    return f"SQLite {session.scalar(text('SELECT sqlite_version()'))}"


def database_bytes(session: Session) -> int:
    """What its files take, free pages in them included; of SQLite without the write-ahead log."""
    if session.get_bind().dialect.name == "postgresql":
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    pages, size = (session.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
    return int(pages) * int(size)


def free_bytes(engine: Engine) -> int | None:
    """Room on the disk of an SQLite file; null for PostgreSQL, whose disk is another machine's."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return None
    folder = Path(path).resolve().parent
    return shutil.disk_usage(folder).free if folder.is_dir() else None


def replica_lag(primary: Session, replica: Session) -> float | None:
    """Seconds by which the latest sign of life that the replica knows is older than the database's own: as exact as
    collectors beat (every 2 to 10 s), and right for every kind of replication, one that broke off too. Null where no
    collector ran yet."""
    query = select(func.max(Heartbeat.seen_at))
    here, there = primary.scalar(query), replica.scalar(query)
    if here is None:
        return None
    return max((here - there).total_seconds(), 0.0) if there else None


# More are told as "at least".
MAX_COUNTED = 100_000
# SQLite says what each table takes only after a look at every page.
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
    """`rows` is an estimate, null where there is none yet; bytes are null where to know them costs too much."""

    name: str
    rows: int | None
    table_bytes: int | None
    index_bytes: int | None


@dataclass(frozen=True)
class StorageSize:
    """`free_bytes` of the whole can be used again, and are not given back by themselves. `last_day` is the number of
    runs created within 24 hours before."""

    tables: tuple[TableSize, ...]
    total_bytes: int
    free_bytes: int
    oldest_run: datetime | None
    oldest_log: datetime | None
    runs_last_day: int

    def largest(self, number: int) -> list[TableSize]:
        """The others are added up to one."""
        rest = self.tables[number:]
        if len(rest) < 2:
            return list(self.tables)
        sums = (
            sum(values)
            for values in zip(*((each.table_bytes or 0, each.index_bytes or 0) for each in rest), strict=True)
        )
        return [*self.tables[:number], TableSize(f"{len(rest)} smaller ones", None, *sums)]


@dataclass(frozen=True)
class PendingDeletion:
    """What the next pruning deletes, counted up to MOST_COUNTED unless asked for otherwise."""

    runs: int
    logs: int


def storage(session: Session, now: datetime) -> StorageSize:
    """Tables with the largest first; those that hold nothing are left out."""
    tables, total, free = (_postgresql if session.get_bind().dialect.name == "postgresql" else _sqlite)(session)
    day = select(literal(1)).where(Run.created_at >= now - timedelta(days=1), Run.created_at < now)
    listed = sorted(tables, key=lambda each: (-(each.table_bytes or 0) - (each.index_bytes or 0), -(each.rows or 0)))
    return StorageSize(
        tables=tuple(each for each in listed if each.rows != 0),
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
    """By a pruning at that time. `most` null: all are counted."""
    runs = select(literal(1)).where(Run.created_at < start_of_day(day_of(prune_at - retention)))
    logs = select(literal(1)).where(JobLog.state == LogState.STORED, JobLog.fetched_at < prune_at - log_retention)
    return PendingDeletion(_count(session, runs, count_limit), _count(session, logs, count_limit))


def runs_and_logs(session: Session) -> tuple[int, int]:
    """How many runs there are, and how many logs whose text is stored."""
    logs = select(func.count()).select_from(JobLog).where(JobLog.state == LogState.STORED)
    return session.scalars(select(func.count()).select_from(Run)).one(), session.scalars(logs).one()


def _count(session: Session, rows: Select[int], most: int | None = MAX_COUNTED) -> int:
    return session.scalar(select(func.count()).select_from(rows.limit(most).subquery())) or 0


def _postgresql(session: Session) -> tuple[list[TableSize], int, int]:
    found = session.execute(text(_POSTGRESQL), {"names": list(Base.metadata.tables)})
    return [TableSize(*row) for row in found], database_bytes(session), 0


def _sqlite(session: Session) -> tuple[list[TableSize], int, int]:
    size, pages, free = (
        session.scalar(text(f"PRAGMA {name}")) or 0 for name in ("page_size", "page_count", "freelist_count")
    )
    measured: dict[str, tuple[int, int]] = {}
    if size * pages <= _MAX_SCANNED_BYTES and _has_dbstat(session):
        measured = {row[0]: (row[1], row[2]) for row in session.execute(text(_SQLITE))}
    tables = []
    for table in Base.metadata.sorted_tables:
        # Of tables whose key is not the place of the row, the places run from the oldest to the newest.
        many = len(table.primary_key.columns) > 1
        places: ColumnElement[int] = literal_column("rowid")
        rows = func.max(places) - func.min(places) + 1 if many else func.count()
        number = session.scalar(select(rows).select_from(table)) or 0
        tables.append(TableSize(table.name, number, *measured.get(table.name, (None, None))))
    return tables, size * pages, size * free


def _has_dbstat(session: Session) -> bool:
    options = session.scalars(text("SELECT compile_options FROM pragma_compile_options"))
    return "ENABLE_DBSTAT_VTAB" in set(options)


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
