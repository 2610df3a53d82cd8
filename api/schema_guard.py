"""The way to the database: shut until its schema was seen to be this version's, and after every failure."""

import logging
import time

from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, describe_failure
from db.migrate import NotMigrated, check_migrated
from db.replica import Reader

log = logging.getLogger(__name__)
_REPEAT_SECONDS = 60.0
# What those are told who need no key; the log has the reason, with the address of the database.
AWAY = "DATABASE_URL: cannot use the database; the log of the API says why."


class Gate:
    def __init__(self, reader: Reader) -> None:
        self._reader, self._open = reader, False
        self._said: str | None = None
        self._said_at = 0.0

    def check(self) -> None:
        """Raises DatabaseUnavailable or NotMigrated; costs nothing once it was well."""
        if self._open:
            return
        engine = self._reader.engine
        try:
            # A replica that answers has been looked at.
            if engine is not self._reader.replica:
                check_migrated(engine)
        except (DatabaseUnavailable, NotMigrated) as error:
            self.tell(str(error))
            raise
        except SQLAlchemyError as error:
            line = describe_failure(engine, error)
            self.tell(line)
            raise DatabaseUnavailable(line) from None
        self._open = True
        if self._said:
            log.info("The database can be used again.")
            self._said = None

    @property
    def is_open(self) -> bool:
        return self._open

    def shut(self) -> None:
        """Something failed: the next one looks again."""
        self._open = False

    def tell(self, line: str) -> None:
        """The reason of an outage: one line in the log, not one for every request."""
        if line != self._said or time.monotonic() - self._said_at > _REPEAT_SECONDS:
            log.error("%s", line)
            self._said, self._said_at = line, time.monotonic()
