"""The dashboard's connection to the database: whatever is wrong with it becomes one line for people."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import streamlit as st
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

__all__ = ["DatabaseDown", "FailedOver", "Unavailable", "utc_now", "current_engine", "reset_engine", "translate_errors", "reader", "session", "write_session"]

from app.access.sessions import SESSIONS
from app.data.outages import DatabaseDown, Unavailable, outages
from app.settings import DashboardSettings
from core.settings import ConfigError
from db.access import end_sessions, session_generation
from db.engine import DatabaseUnavailable, interactive_write_scope, describe_failure, is_locked, session_scope
from db.migrate import NotMigrated, check_migrated
from db.replica import ReplicaRouter, is_replica_failure
from health.completeness.service import OVERVIEW_KEY, RepositoryOverview
from health.completeness.service import read_overview as read_collected


class FailedOver(Unavailable):
    """The replica broke off, and the database itself answers from now on: the same may be asked again at once."""


@st.cache_resource(show_spinner=False)
def reader() -> ReplicaRouter:
    settings = DashboardSettings.load()
    return ReplicaRouter(
        settings.database_url, settings.database_replica_url, max_lag_seconds=settings.database_replica_max_lag
    )


def current_engine() -> Engine:
    """What answers now."""
    return reader().engine


def reset_engine() -> None:
    """Lets the next question begin anew, maybe on another database."""
    with suppress(Unavailable), translate_errors():
        reader().close()
    reader.clear()
    st.cache_data.clear()
    st.cache_resource.clear()
    outages.reset()
    SESSIONS.clear()


@contextmanager
def session(version: int | None = None) -> Iterator[Session]:
    """With the version of the data, what is known to be complete is not asked for again: see `collected`."""
    outages.check()
    known = None if version is None else collected(version)
    with translate_errors(), reader().session() as found:
        outages.record_success()
        found.info[OVERVIEW_KEY] = known
        yield found


@st.cache_resource(ttl=30, max_entries=4, show_spinner=False)
def collected(version: int) -> RepositoryOverview:
    """Read once for all that a page shows."""
    with translate_errors(), reader().session() as found:
        return read_collected(found)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Whatever is wrong with the database becomes one line for people, without its address."""
    try:
        yield
    except (ConfigError, NotMigrated) as error:
        raise Unavailable(str(error)) from None
    except DatabaseUnavailable as error:
        raise outages.record_failure(str(error)) from None
    except DBAPIError as error:
        if is_replica_failure(error):
            raise FailedOver(
                "The replica of the database broke off; loading the page anew asks the database itself."
            ) from None
        if is_locked(error):
            raise Unavailable("Another program is writing to the database; try again in a moment.") from None
        raise _diagnose(error) from None
    except TimeoutError as error:
        raise outages.record_failure(str(error)) from None


def _diagnose(error: DBAPIError) -> Unavailable:
    """A statement fails on a table that is not there long before anybody asks for the revision."""
    try:
        check_migrated(current_engine())
    except NotMigrated as found:
        return Unavailable(str(found))
    except DatabaseUnavailable as found:
        return outages.record_failure(str(found))
    except DBAPIError as found:
        return outages.record_failure(describe_failure(current_engine(), found))
    return outages.record_failure(describe_failure(current_engine(), error))


def utc_now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def write_session() -> Iterator[Session]:
    """What a person does here goes to the primary database, never to a replica; and what they see next is that."""
    with translate_errors():
        with interactive_write_scope(reader().primary) as found:
            yield found
        reader().record_write()


def _generation(person: str) -> int | None:
    """Of the database itself: a replica may not know yet who has signed out."""
    try:
        with translate_errors(), session_scope(reader().primary) as found:
            return session_generation(found, person)
    except Unavailable:
        return None


def _end_sessions(person: str) -> int | None:
    try:
        with translate_errors(), interactive_write_scope(reader().primary) as found:
            return end_sessions(found, person, utc_now())
    except Unavailable:
        return None


SESSIONS.set_store(_generation, _end_sessions)
