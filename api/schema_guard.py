"""Guards access to the database until its schema matches this version."""

import logging
import time

from sqlalchemy.exc import SQLAlchemyError

from db.engine import DatabaseUnavailable, describe_failure
from db.migrate import NotMigrated, check_migrated
from db.replica import ReplicaRouter

log = logging.getLogger(__name__)
_LOG_INTERVAL_SECONDS = 60.0
# For responses that require no key. The log has the reason, with the address of the database.
DATABASE_UNAVAILABLE = "DATABASE_URL: cannot use the database; see the API log for details."


class SchemaGuard:
    """Checks the schema before the first access and after every failure."""

    def __init__(self, reader: ReplicaRouter) -> None:
        self._reader, self._valid = reader, False
        self._logged_reason: str | None = None
        self._logged_at = 0.0

    def check(self) -> None:
        """Raises DatabaseUnavailable or NotMigrated. Returns at once after a successful check."""
        if self._valid:
            return
        engine = self._reader.engine
        try:
            # The router has already checked a replica that it uses.
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
            log.info("The database is available again.")
            self._logged_reason = None

    @property
    def is_valid(self) -> bool:
        return self._valid

    def invalidate(self) -> None:
        """Makes the next `check` query the database again, after a failure."""
        self._valid = False

    def log_failure(self, reason: str) -> None:
        """Logs the reason of an outage once per minute, not for every request."""
        if reason != self._logged_reason or time.monotonic() - self._logged_at > _LOG_INTERVAL_SECONDS:
            log.error("%s", reason)
            self._logged_reason, self._logged_at = reason, time.monotonic()
