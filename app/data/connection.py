"""The dashboard's connection to the database: whatever is wrong with it becomes one line for people."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import streamlit as st
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

__all__ = ["Away", "Moved", "Unavailable", "clock", "engine", "forget", "readable", "reader", "session", "writing"]

from app.access.sessions import SESSIONS
from app.data.outages import Away, Unavailable, outages
from app.settings import Settings
from core.settings import ConfigError
from db.access import end_sessions, session_generation
from db.engine import DatabaseUnavailable, brief_write_scope, describe_failure, is_locked, session_scope
from db.migrate import NotMigrated, check_migrated
from db.replica import Reader, asks_again
from health.completeness.service import COLLECTED, Collected
from health.completeness.service import collected as read_collected


class Moved(Unavailable):
    """The replica broke off, and the database itself answers from now on: the same may be asked again at once."""


@st.cache_resource(show_spinner=False)
def reader() -> Reader:
    settings = Settings.load()
    return Reader(
        settings.database_url, settings.database_replica_url, max_lag_seconds=settings.database_replica_max_lag
    )


def engine() -> Engine:
    """What answers now."""
    return reader().engine


def forget() -> None:
    """Lets the next question begin anew, maybe on another database."""
    with suppress(Unavailable), readable():
        reader().close()
    reader.clear()
    st.cache_data.clear()
    st.cache_resource.clear()
    outages.reset()
    SESSIONS.forget()


@contextmanager
def session(version: int | None = None) -> Iterator[Session]:
    """With the version of the data, what is known to be complete is not asked for again: see `collected`."""
    outages.check()
    known = None if version is None else collected(version)
    with readable(), reader().session() as found:
        outages.answered()
        found.info[COLLECTED] = known
        yield found


@st.cache_resource(ttl=30, max_entries=4, show_spinner=False)
def collected(version: int) -> Collected:
    """Read once for all that a page shows."""
    with readable(), reader().session() as found:
        return read_collected(found)


@contextmanager
def readable() -> Iterator[None]:
    """Whatever is wrong with the database becomes one line for people, without its address."""
    try:
        yield
    except (ConfigError, NotMigrated) as error:
        raise Unavailable(str(error)) from None
    except DatabaseUnavailable as error:
        raise outages.failed(str(error)) from None
    except DBAPIError as error:
        if asks_again(error):
            raise Moved(
                "The replica of the database broke off; loading the page anew asks the database itself."
            ) from None
        if is_locked(error):
            raise Unavailable("Another program is writing to the database; try again in a moment.") from None
        raise _explained(error) from None
    except TimeoutError as error:
        raise outages.failed(str(error)) from None


def _explained(error: DBAPIError) -> Unavailable:
    """A statement fails on a table that is not there long before anybody asks for the revision."""
    try:
        check_migrated(engine())
    except NotMigrated as found:
        return Unavailable(str(found))
    except DatabaseUnavailable as found:
        return outages.failed(str(found))
    except DBAPIError as found:
        return outages.failed(describe_failure(engine(), found))
    return outages.failed(describe_failure(engine(), error))


def clock() -> datetime:
    return datetime.now(UTC)


@contextmanager
def writing() -> Iterator[Session]:
    """What a person does here goes to the primary database, never to a replica; and what they see next is that."""
    with readable():
        with brief_write_scope(reader().primary) as found:
            yield found
        reader().wrote()


def _generation(person: str) -> int | None:
    """Of the database itself: a replica may not know yet who has signed out."""
    try:
        with readable(), session_scope(reader().primary) as found:
            return session_generation(found, person)
    except Unavailable:
        return None


def _end_sessions(person: str) -> int | None:
    try:
        with readable(), brief_write_scope(reader().primary) as found:
            return end_sessions(found, person, clock())
    except Unavailable:
        return None


SESSIONS.use(_generation, _end_sessions)
