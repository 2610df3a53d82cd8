"""The way to the database: shut until its schema was seen to be this version's, and after every failure."""

import logging
import time

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, describe_failure
from db.migrate import NotMigrated, check_migrated

log = logging.getLogger(__name__)
_REPEAT_SECONDS = 60.0


class Gate:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._open = engine, False
        self._said: str | None = None
        self._said_at = 0.0

    def check(self) -> None:
        """Raises DatabaseUnavailable or NotMigrated; costs nothing once it was well."""
        if self._open:
            return
        try:
            check_migrated(self._engine)
        except (DatabaseUnavailable, NotMigrated) as error:
            self._say(str(error))
            raise
        except SQLAlchemyError as error:
            line = describe_failure(self._engine, error)
            self._say(line)
            raise DatabaseUnavailable(line) from None
        self._open = True
        if self._said:
            log.info("The database can be used again.")
            self._said = None

    def shut(self) -> None:
        """Something failed: the next one looks again."""
        self._open = False

    def _say(self, line: str) -> None:
        """One line in the log, not one for every request."""
        if line != self._said or time.monotonic() - self._said_at > _REPEAT_SECONDS:
            log.error("%s", line)
            self._said, self._said_at = line, time.monotonic()
