"""Time limits of single queries, for figures that a page can do without."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

# PostgreSQL's code of a statement that was cancelled, and SQLite's message.
_CANCELLED, _INTERRUPTED = "57014", "interrupted"
# Instructions of SQLite's virtual machine between two checks of the time.
_INSTRUCTIONS = 10_000


class TimeLimitExceeded(Exception):
    """The queries took longer than their limit and were cancelled. The session can be used."""


@contextmanager
def time_limit(session: Session, seconds: float) -> Iterator[None]:
    """Cancels queries of the block that take longer. Raises TimeLimitExceeded."""
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        with _postgresql_limit(session, seconds):
            yield
        return
    raw = session.connection().connection.driver_connection
    deadline = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() >= deadline, _INSTRUCTIONS)  # type: ignore[union-attr]
    try:
        yield
    except OperationalError as error:
        if _INTERRUPTED not in str(error.orig):
            raise
        raise TimeLimitExceeded from None
    finally:
        raw.set_progress_handler(None, 0)  # type: ignore[union-attr]


@contextmanager
def _postgresql_limit(session: Session, seconds: float) -> Iterator[None]:
    try:
        # The savepoint also restores the setting.
        with session.begin_nested():
            session.execute(text(f"SET LOCAL statement_timeout = {max(int(seconds * 1000), 1)}"))
            yield
            session.execute(text("SET LOCAL statement_timeout = DEFAULT"))
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != _CANCELLED:
            raise
        raise TimeLimitExceeded from None
