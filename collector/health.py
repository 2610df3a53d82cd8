"""python -m collector health: whether the collector of this machine is running, for containers."""

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
from health.completeness.collector_status import latest_heartbeat, liveness, stall_message


def health(settings: CollectorSettings) -> int:
    """0 while the service sends heartbeats and makes progress, else 1 and the reason in one line, by the same rules as
    /health and the dashboard."""
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
    problem = _problem(beat, datetime.now(UTC), timedelta(minutes=settings.poll_interval_minutes))
    if problem:
        print(problem)
    return 1 if problem else 0


def _problem(beat: HeartbeatRow | None, now: datetime, poll: timedelta) -> str | None:
    if beat is not None and beat.stopped_at is not None:
        return f"The collector stopped at {format_time(beat.stopped_at, now)}."
    if beat is not None and (stalled := stall_message(beat, now, poll)) is not None:
        return stalled
    return None if liveness(beat, now, poll) is Liveness.LIVE else "The collector is not running."


def _own_heartbeat(session: Session) -> HeartbeatRow | None:
    """The heartbeat of this machine's collector. On PostgreSQL the main heartbeat may be another collector's, which
    says nothing about this one."""
    is_shared = session.get_bind().dialect.name == "postgresql"
    return latest_heartbeat(session, host_name()) if is_shared else heartbeat(session)
