"""python -m collector health: does the collector of this machine show signs of life? For containers."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from collector.claims import host_name
from collector.settings import CollectorSettings
from core.formatting import format_time
from db.engine import DatabaseUnavailable, describe_failure, make_engine, session_scope
from db.enums import Liveness
from db.migrate import NotMigrated, check_migrated
from db.repositories.repository_queries import HeartbeatRow, heartbeat
from health.completeness.collection_status import latest_heartbeat, liveness, stall_message


def health(settings: CollectorSettings) -> int:
    """0 while the service beats and its work goes on, 1 when it stopped, is not heard of or makes no progress, as
    /health and the dashboard say it."""
    try:
        engine = make_engine(settings.database_url)
    except DatabaseUnavailable as error:
        print(error)
        return 1
    try:
        check_migrated(engine)
        with session_scope(engine) as session:
            beat = _own_heartbeat(session)
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error)
        return 1
    except SQLAlchemyError as error:
        print(describe_failure(engine, error))
        return 1
    finally:
        engine.dispose()
    trouble = _problem(beat, datetime.now(UTC), timedelta(minutes=settings.poll_interval_minutes))
    if trouble:
        print(trouble)
    return 1 if trouble else 0


def _problem(beat: HeartbeatRow | None, now: datetime, poll: timedelta) -> str | None:
    if beat is not None and beat.stopped_at is not None:
        return f"The collector stopped at {format_time(beat.stopped_at, now)}."
    if beat is not None and (hangs := stall_message(beat, now, poll)) is not None:
        return hangs
    alive = liveness(beat, now, poll) is Liveness.LIVE
    return None if alive else "The collector shows no sign of life."


def _own_heartbeat(session: Session) -> HeartbeatRow | None:
    """On PostgreSQL there may be several collectors. The main heartbeat is that of the one that leads: it says nothing
    of the others, and they beat on when it is this one that hangs."""
    several = session.get_bind().dialect.name == "postgresql"
    return latest_heartbeat(session, host_name()) if several else heartbeat(session)
