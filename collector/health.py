"""python -m collector health: does the collector of this machine show signs of life? For containers."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from collector.claims import host_name
from collector.config import Settings
from db.engine import DatabaseUnavailable, describe_failure, make_engine, session_scope
from db.metrics.ledger_words import at
from db.migrate import NotMigrated, check_migrated
from db.queries.ledger import latest_beat, liveness
from db.queries.repositories import HeartbeatRow, heartbeat
from db.vocabulary import Liveness


def health(settings: Settings) -> int:
    """0 while the service beats, 1 when it stopped or is not heard of: as /health and the dashboard say it."""
    try:
        engine = make_engine(settings.database_url)
    except DatabaseUnavailable as error:
        print(error)
        return 1
    try:
        check_migrated(engine)
        with session_scope(engine) as session:
            beat = _own_beat(session)
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error)
        return 1
    except SQLAlchemyError as error:
        print(describe_failure(engine, error))
        return 1
    finally:
        engine.dispose()
    now = datetime.now(UTC)
    if beat is not None and beat.stopped_at is not None:
        print(f"The collector stopped at {at(beat.stopped_at, now)}.")
        return 1
    if liveness(beat, now, timedelta(minutes=settings.poll_interval_minutes)) is not Liveness.LIVE:
        print("The collector shows no sign of life.")
        return 1
    return 0


def _own_beat(session: Session) -> HeartbeatRow | None:
    """On PostgreSQL there may be several collectors. The main heartbeat is that of the one that leads: it says nothing
    of the others, and they beat on when it is this one that hangs."""
    several = session.get_bind().dialect.name == "postgresql"
    return latest_beat(session, host_name()) if several else heartbeat(session)
