"""The result of a check, and checks of the environment: database, replica, disk and access to the API."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from collector.settings import CollectorSettings
from core import formatting
from core.http.settings import require_protection
from core.settings import ConfigError
from core.text import clean
from db.api_keys import has_keys_at
from db.engine import DatabaseUnavailable, describe_failure, make_engine, safe_url, session_scope
from db.migrate import NotMigrated, check_migrated
from db.storage import database_bytes, free_bytes, replica_lag, schema_revision, server_version

# Enough for the errors of several repositories.
_MAX_LENGTH = 4_000
# Enough for a day of a large organization, and for the largest index of a migration.
_MIN_FREE_BYTES = 10**9
# Enough for two log archives at once.
_MIN_TEMP_BYTES = 10**9


@dataclass(frozen=True)
class DoctorCheck:
    """`ok` is null if there is nothing to check, or nothing that requires action. Control characters of servers' texts
    are removed from `name` and `detail`."""

    name: str
    ok: bool | None
    detail: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", clean(self.name, 200))
        object.__setattr__(self, "detail", clean(self.detail, _MAX_LENGTH))


def check_machine(settings: CollectorSettings, engine: Engine) -> Iterator[DoctorCheck]:
    """Checks of a migrated database, its replica and disks."""
    with session_scope(engine) as session:
        size = database_bytes(session)
        details = f"{server_version(session)}, schema {schema_revision(session)}, {formatting.size(size)}"
    yield DoctorCheck("Database", True, f"{safe_url(engine)}, migrated; {details}")
    if settings.database_replica_url:
        yield _replica(settings.database_replica_url, settings.database_replica_max_lag, engine)
    yield from _disk(engine)


def _replica(url: str, max_lag_seconds: float, engine: Engine) -> DoctorCheck:
    replica = make_engine(url, variable="DATABASE_REPLICA_URL")
    try:
        check_migrated(replica)
        with session_scope(engine) as primary, session_scope(replica) as copy:
            lag = replica_lag(primary, copy)
    except (DatabaseUnavailable, NotMigrated) as error:
        return DoctorCheck("Replica", False, str(error))
    except SQLAlchemyError as error:
        return DoctorCheck("Replica", False, describe_failure(replica, error))
    finally:
        replica.dispose()
    if lag is None:
        return DoctorCheck(
            "Replica", None, f"{safe_url(replica)} can be read; its lag is known after the first run of a collector"
        )
    status = (
        f"{safe_url(replica)} is {formatting.duration(lag)} behind"
        if lag >= 1
        else f"{safe_url(replica)} is up to date"
    )
    if lag > max_lag_seconds:
        return DoctorCheck("Replica", False, f"{status} and is not used until it has caught up; check the replication")
    return DoctorCheck("Replica", True, status)


def _disk(engine: Engine) -> Iterator[DoctorCheck]:
    free = free_bytes(engine)
    if free is not None:
        folder = Path(engine.url.database or "").resolve().parent
        ok = free >= _MIN_FREE_BYTES
        remedy = "" if ok else ": free some space, or lower RETENTION_DAYS; a full disk stops the collector"
        yield DoctorCheck("Disk", ok, f"{formatting.size(free)} free in {folder}{remedy}")
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    status = f"{formatting.size(free)} free in {folder}"
    if free >= _MIN_TEMP_BYTES:
        yield DoctorCheck("Temporary files", True, status)
    else:
        remedy = "large log archives do not fit, so logs are fetched one by one; set TMPDIR to a larger folder"
        yield DoctorCheck("Temporary files", None, f"{status}: {remedy}")


def check_access(settings: CollectorSettings) -> DoctorCheck:
    """Whether the API is protected, by the same rule that the API checks at its start: keys that cannot be read do not
    protect it. In containers only the API has these settings."""
    listening = settings.listen_address()
    has_stored_keys = False if settings.api_keys else has_keys_at(settings.database_url)
    try:
        require_protection(settings, listening, guarded=bool(settings.api_keys or has_stored_keys))
    except ConfigError as error:
        reason = " Stored keys cannot be read: see the check of the database." if has_stored_keys is None else ""
        return DoctorCheck("API access", False, f"{error}{reason}")
    if settings.api_keys:
        return DoctorCheck("API access", True, "API_KEYS is set: every /api route requires a key")
    if has_stored_keys:
        return DoctorCheck("API access", True, "API keys are stored: every /api route requires a key")
    if has_stored_keys is None:
        return DoctorCheck(
            "API access", None, "API_KEYS is not set, and stored keys cannot be read: see the check of the database"
        )
    if settings.access_by_proxy:
        return DoctorCheck(
            "API access", None, "ACCESS_BY_PROXY is set: everyone whom the proxy lets through has full read access"
        )
    return DoctorCheck(
        "API access",
        None,
        f"API_KEYS is not set: anyone who can reach {listening.display_address} has full read access; set API_KEYS "
        "before exposing it",
    )
