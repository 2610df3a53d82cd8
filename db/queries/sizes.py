"""How large the database is, and what is deleted next. Cheap at any size: what the database knows of itself, the ends
of indexes, and no more of them counted than a page can wait for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, literal, literal_column, select, text
from sqlalchemy.orm import Session

from db.metrics.tiles import day_of, start_of_day
from db.models import Base, JobLog, Run
from db.queries.queues import database_bytes
from db.vocabulary import LogState

# More are told as "at least".
MOST_COUNTED = 100_000
# SQLite says what each table takes only after a look at every page.
_LOOKED_THROUGH_BYTES = 100_000_000
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
class Storage:
    """`free_bytes` of the whole can be used again, and are not given back by themselves. `last_day` is the number of
    runs created within 24 hours before."""

    tables: tuple[TableSize, ...]
    total_bytes: int
    free_bytes: int
    oldest_run: datetime | None
    oldest_log: datetime | None
    last_day: int

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
class Doomed:
    """What the next pruning deletes, counted up to MOST_COUNTED unless asked for otherwise."""

    runs: int
    logs: int


def storage(session: Session, now: datetime) -> Storage:
    """Tables with the largest first; those that hold nothing are left out."""
    tables, total, free = (_postgresql if session.get_bind().dialect.name == "postgresql" else _sqlite)(session)
    day = select(literal(1)).where(Run.created_at >= now - timedelta(days=1), Run.created_at < now)
    listed = sorted(tables, key=lambda each: (-(each.table_bytes or 0) - (each.index_bytes or 0), -(each.rows or 0)))
    return Storage(
        tables=tuple(each for each in listed if each.rows != 0),
        total_bytes=total,
        free_bytes=free,
        oldest_run=session.scalar(select(func.min(Run.created_at))),
        oldest_log=session.scalar(select(func.min(JobLog.fetched_at)).where(JobLog.state == LogState.STORED)),
        last_day=_count(session, day),
    )


def doomed(
    session: Session, at: datetime, retention: timedelta, log_retention: timedelta, *, most: int | None = MOST_COUNTED
) -> Doomed:
    """By a pruning at that time. `most` null: all are counted."""
    runs = select(literal(1)).where(Run.created_at < start_of_day(day_of(at - retention)))
    logs = select(literal(1)).where(JobLog.state == LogState.STORED, JobLog.fetched_at < at - log_retention)
    return Doomed(_count(session, runs, most), _count(session, logs, most))


def runs_and_logs(session: Session) -> tuple[int, int]:
    """How many runs there are, and how many logs whose text is stored."""
    logs = select(func.count()).select_from(JobLog).where(JobLog.state == LogState.STORED)
    return session.scalars(select(func.count()).select_from(Run)).one(), session.scalars(logs).one()


def _count(session: Session, rows: Select[int], most: int | None = MOST_COUNTED) -> int:
    return session.scalar(select(func.count()).select_from(rows.limit(most).subquery())) or 0


def _postgresql(session: Session) -> tuple[list[TableSize], int, int]:
    found = session.execute(text(_POSTGRESQL), {"names": list(Base.metadata.tables)})
    return [TableSize(*row) for row in found], database_bytes(session), 0


def _sqlite(session: Session) -> tuple[list[TableSize], int, int]:
    size, pages, free = (
        session.scalar(text(f"PRAGMA {name}")) or 0 for name in ("page_size", "page_count", "freelist_count")
    )
    measured: dict[str, tuple[int, int]] = {}
    if size * pages <= _LOOKED_THROUGH_BYTES and _knows_pages(session):
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


def _knows_pages(session: Session) -> bool:
    options = session.scalars(text("SELECT compile_options FROM pragma_compile_options"))
    return "ENABLE_DBSTAT_VTAB" in set(options)
