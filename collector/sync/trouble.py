"""What the database does not take: the fault of what was to be stored, or its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from collector.github.errors import BadAnswer
from db.telemetry.foreign import clean

# PostgreSQL calls these operational errors too: a transaction that had to give way to another (40), and a value that
# fits into no index (54, program limit exceeded).
_NOT_AWAY = ("40", "54")


def is_away(error: Exception) -> bool:
    """The database cannot be used, or not now: nothing else can be stored either."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = str(getattr(error.orig, "pgcode", None) or "")
    return error.connection_invalidated or (isinstance(error, OperationalError) and not code.startswith(_NOT_AWAY))


def line(error: Exception) -> str:
    """Without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return clean(f"{type(cause).__name__}: {lines[0] if lines else 'no reason given'}", 300)


@contextmanager
def of_one(repo: str) -> Iterator[None]:
    """What the database does not take of one repository is that repository's failure, and the others go on."""
    try:
        yield
    except SQLAlchemyError as error:
        # A table that is not there is no repository's fault either.
        if is_away(error) or isinstance(error, ProgrammingError):
            raise
        raise BadAnswer(f"what GitHub tells of {repo} cannot be stored ({line(error)})") from error
