"""What waits to be done, and how large the database is: for those who watch this program."""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from db.migrate import revision_of
from db.models import ChannelState, Delivery, Heartbeat, RollupMark
from db.vocabulary import DeliveryState


@dataclass(frozen=True)
class ChannelQueue:
    """Messages that wait for a channel. `failures` in a row it has now, since when, and the reason of the last one."""

    channel: str
    waiting: int = 0
    oldest_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    error: str | None = None


def list_channels(session: Session, configured: list[str]) -> list[ChannelQueue]:
    """Those that are configured, and those for which something waits nevertheless."""
    waiting = {
        row[0]: (row[1], row[2])
        for row in session.execute(
            select(Delivery.channel, func.count(), func.min(Delivery.created_at))
            .where(Delivery.state == DeliveryState.PENDING)
            .group_by(Delivery.channel)
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


def count_marked_days(session: Session) -> int:
    """Days of a repository whose sums are still to be made anew."""
    return session.scalar(select(func.count()).select_from(RollupMark)) or 0


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
