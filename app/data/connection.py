"""The dashboard's sessions with the database. Database errors become `Unavailable` with one line for users."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import streamlit as st
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

from app import session
from app.access.sessions import SESSIONS
from app.data import viewer
from app.data.caching import cache_resource
from app.data.outages import Unavailable, outages
from app.settings import DashboardSettings
from core.roles import Role
from core.settings import ConfigError
from db.access import end_sessions, session_generation
from db.engine import DatabaseUnavailable, describe_failure, interactive_write_scope, is_locked, session_scope
from db.migrate import NotMigrated, check_migrated
from db.replica import ReplicaRouter, is_replica_failure
from db.visibility import Visibility, restrict
from health.completeness.service import RepositoryOverview, read_overview
from health.teams.service import Person, visible_repositories


class FailedOver(Unavailable):
    """The replica failed. The primary answers from now on, so that the same query can be repeated at once."""


@st.cache_resource(show_spinner=False)
def reader() -> ReplicaRouter:
    settings = DashboardSettings.load()
    return ReplicaRouter(
        settings.database_url, settings.database_replica_url, max_lag_seconds=settings.database_replica_max_lag
    ).start()


def current_engine() -> Engine:
    """The engine to which reads go now."""
    return reader().engine


def reset_engine() -> None:
    """Closes all connections and clears all caches; the next read loads the settings again."""
    with suppress(Unavailable), translate_errors():
        reader().close()
    reader.clear()
    viewer.forget()
    st.cache_data.clear()
    st.cache_resource.clear()
    outages.reset()
    SESSIONS.clear()


@contextmanager
def read_session() -> Iterator[Session]:
    """A session that only reads the repositories that the user may see."""
    with unrestricted_session() as session:
        restrict(session, viewer.current_visibility())
        yield session


@contextmanager
def unrestricted_session() -> Iterator[Session]:
    """A session that reads everything. Only for what has no name of a repository: sizes, and who may see what."""
    outages.check()
    with translate_errors(), reader().session() as session:
        outages.record_success()
        yield session


@cache_resource(ttl=30, max_entries=4)
def repository_overview(version: int) -> RepositoryOverview:
    """The state of all repositories, read once for all figures of a page."""
    with read_session() as session:
        return read_overview(session)


@contextmanager
def write_session(role: Role) -> Iterator[Session]:
    """A transaction on the primary for a user's action, which needs `role`: a browser can also send the event of a
    button that the page does not show. The user's next reads see its result: they do not go to a replica until it has
    caught up. Rows of repositories that the user may not see cannot be changed. Raises ActionRefused."""
    session.require(role)
    visibility = viewer.current_visibility()
    with translate_errors():
        with interactive_write_scope(reader().primary) as opened:
            restrict(opened, visibility)
            yield opened
        reader().record_write()


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raises Unavailable for errors of the database and its settings. The message never contains the database URL."""
    try:
        yield
    except (ConfigError, NotMigrated) as error:
        raise Unavailable(str(error)) from None
    except DatabaseUnavailable as error:
        raise outages.record_failure(str(error)) from None
    except DBAPIError as error:
        if is_replica_failure(error):
            raise FailedOver("The replica of the database failed; reload the page to read from the primary.") from None
        if is_locked(error):
            raise Unavailable("Another program is writing to the database; try again in a moment.") from None
        raise _diagnose(error) from None
    except TimeoutError as error:
        raise outages.record_failure(str(error)) from None


def _diagnose(error: DBAPIError) -> Unavailable:
    """Distinguishes a database that is not migrated, where statements fail for missing tables, from an outage."""
    try:
        check_migrated(current_engine())
    except NotMigrated as reason:
        return Unavailable(str(reason))
    except DatabaseUnavailable as reason:
        return outages.record_failure(str(reason))
    except DBAPIError as reason:
        return outages.record_failure(describe_failure(current_engine(), reason))
    return outages.record_failure(describe_failure(current_engine(), error))


def utc_now() -> datetime:
    return datetime.now(UTC)


def _generation(person: str) -> int | None:
    """Read from the primary: a replica may lag behind a sign-out."""
    try:
        with translate_errors(), session_scope(reader().primary) as session:
            return session_generation(session, person)
    except Unavailable:
        return None


def _end_sessions(person: str) -> int | None:
    try:
        with translate_errors(), interactive_write_scope(reader().primary) as session:
            return end_sessions(session, person, utc_now())
    except Unavailable:
        return None


def _visible_repositories(person: Person) -> tuple[Visibility] | None:
    try:
        with unrestricted_session() as session:
            return (visible_repositories(session, person),)
    except Unavailable:
        return None


viewer.set_source(_visible_repositories)
SESSIONS.set_store(_generation, _end_sessions)
