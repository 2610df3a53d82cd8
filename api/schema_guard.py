"""The way to the database: shut until its schema was seen to be this version's, and after every failure."""

import logging
import time

from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, describe_failure
from db.migrate import NotMigrated, check_migrated
from db.replica import ReplicaRouter

log = logging.getLogger(__name__)
_LOG_INTERVAL_SECONDS = 60.0
# What those are told who need no key; the log has the reason, with the address of the database.
DATABASE_UNAVAILABLE = "DATABASE_URL: cannot use the database; the log of the API says why."


class SchemaGuard:
    def __init__(self, reader: ReplicaRouter) -> None:
        self._reader, self._valid = reader, False
        self._logged_reason: str | None = None
        self._logged_at = 0.0

    def check(self) -> None:
        """Raises DatabaseUnavailable or NotMigrated; costs nothing once it was well."""
        if self._valid:
            return
        engine = self._reader.engine
        try:
            # A replica that answers has been looked at.
            if engine is not self._reader.replica:
                check_migrated(engine)
        except (DatabaseUnavailable, NotMigrated) as error:
            self.log_failure(str(error))
            raise
        except SQLAlchemyError as error:
            line = describe_failure(engine, error)
            self.log_failure(line)
            raise DatabaseUnavailable(line) from None
        self._valid = True
        if self._logged_reason:
            log.info("The database can be used again.")
            self._logged_reason = None

    @property
    def is_valid(self) -> bool:
        return self._valid

    def invalidate(self) -> None:
        """Something failed: the next one looks again."""
        self._valid = False

    def log_failure(self, reason: str) -> None:
        """The reason of an outage: one line in the log, not one for every request."""
        if reason != self._logged_reason or time.monotonic() - self._logged_at > _LOG_INTERVAL_SECONDS:
            log.error("%s", reason)
            self._logged_reason, self._logged_at = reason, time.monotonic()
