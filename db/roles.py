"""Roles of a PostgreSQL database and their generated passwords.

The owner migrates, the collector reads and writes rows, and API and dashboard read all tables and write those that
users change. The roles are named OWNER_collector and OWNER_reader after the role that migrates, so that several
installations can share a server. https://www.postgresql.org/docs/current/sql-grant.html,
sql-alterdefaultprivileges.html.

Passwords are generated once, in one file for each program, for docker compose: the containers that need a password
share its file through a volume.
"""

import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError, SQLAlchemyError

from db.engine import DatabaseUnavailable, describe_failure, safe_url

_Result = TypeVar("_Result")
COLLECTOR, READER = "collector", "reader"
# Key of an advisory lock; db.migrate and db.collection.claims use other keys.
_LOCK = 7_233_023
_LOCK_STATEMENT = text("SELECT pg_advisory_xact_lock(:key)")
_PAUSES_SECONDS = (0.1, 0.3, 1.0, 2.0)
_CONCURRENT_ERRORS = ("tuple concurrently", "pg_authid_rolname_index", "deadlock detected")
_MAX_NAME_LENGTH = 63  # bytes of an identifier
_INSUFFICIENT_PRIVILEGE = "42501"
_ROW_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE"
# Write privileges of API and dashboard: changes by users, deliveries of webhooks, sessions and keys.
READER_PRIVILEGES: Mapping[str, str] = {
    "alert_rules": "INSERT, UPDATE, DELETE",
    "alerts": "UPDATE",
    # Keys are revoked, never deleted: without any key the API would be open.
    "api_keys": "INSERT, UPDATE",
    # Append-only: an event is never updated, and only retention deletes events.
    "audit_events": "INSERT",
    "cause_rules": "INSERT, UPDATE, DELETE",
    "cause_triage": "INSERT, UPDATE, DELETE",
    "inbox": "INSERT",
    "installation_keys": "INSERT",
    "job_logs": "INSERT, UPDATE",
    "saved_views": "INSERT, UPDATE, DELETE",
    "session_generations": "INSERT, UPDATE",
    "silences": "INSERT, UPDATE, DELETE",
    "team_repositories": "INSERT, DELETE",
    "teams": "INSERT, UPDATE, DELETE",
}


class RoleNames(NamedTuple):
    owner: str
    collector: str
    reader: str


class RolesError(Exception):
    """Roles cannot be created or changed. The message is one line with the remedy."""


def make_roles(engine: Engine, passwords: Mapping[str, str]) -> RoleNames:
    """Creates missing roles and grants both the privileges of this version; can be repeated. `passwords` has the keys
    COLLECTOR and READER; a role without a password keeps its own. Raises RolesError, DatabaseUnavailable."""
    if engine.dialect.name != "postgresql":
        raise RolesError(f"{safe_url(engine)}: SQLite has no roles; access depends on the permissions of the file.")
    try:
        return _with_retries(lambda: _make_roles(engine, passwords))
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != _INSUFFICIENT_PRIVILEGE:
            raise DatabaseUnavailable(describe_failure(engine, error)) from error
        user = engine.url.username or "this user"
        raise RolesError(
            f"{safe_url(engine)}: {user} may not create roles; run ALTER ROLE {user} CREATEROLE, or run "
            "`python -m db roles` as a role that may create roles and that migrates."
        ) from None
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from error


def refresh_rights(engine: Engine) -> RoleNames | None:
    """Grants existing roles the privileges of this version, as needed after an upgrade; null if there are no roles."""
    if engine.dialect.name != "postgresql":
        return None
    try:
        return _with_retries(lambda: _refresh(engine))
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from error


def _with_retries(work: Callable[[], _Result]) -> _Result:
    """Retries on concurrent changes. Roles belong to the server, so programs of its other databases can change them at
    the same time, and an advisory lock applies to one database only."""
    for pause in _PAUSES_SECONDS:
        try:
            return work()
        except DBAPIError as error:
            if not any(message in str(error.orig) for message in _CONCURRENT_ERRORS):
                raise
            time.sleep(pause)
    return work()


def _make_roles(engine: Engine, passwords: Mapping[str, str]) -> RoleNames:
    with engine.begin() as connection:
        connection.execute(_LOCK_STATEMENT, {"key": _LOCK})
        roles = _names(connection)
        for name, password in ((roles.collector, passwords.get(COLLECTOR)), (roles.reader, passwords.get(READER))):
            _create_role(connection, name, password)
        _grant(connection, roles)
        return roles


def _refresh(engine: Engine) -> RoleNames | None:
    with engine.begin() as connection:
        connection.execute(_LOCK_STATEMENT, {"key": _LOCK})
        roles = _names(connection)
        if not (_exists(connection, roles.collector) and _exists(connection, roles.reader)):
            return None
        _grant(connection, roles)
        return roles


def _names(connection: Connection) -> RoleNames:
    owner = str(connection.scalar(text("SELECT current_user")))
    names = RoleNames(owner, f"{owner}_{COLLECTOR}", f"{owner}_{READER}")
    if any(len(name.encode()) > _MAX_NAME_LENGTH for name in names):
        raise RolesError(
            f"The name of the role {owner!r} is too long to derive others from it; migrate with a shorter one."
        )
    return names


def _exists(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}))


def _create_role(connection: Connection, name: str, password: str | None) -> None:
    role = connection.dialect.identifier_preparer.quote(name)
    if not _exists(connection, name):
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
    if password:
        # Only the verifier is sent to the server, because the server's log can contain statements.
        raw: Any = connection.connection.driver_connection
        verifier = encrypt_password(password, name, raw, "scram-sha-256")
        connection.exec_driver_sql(f"ALTER ROLE {role} PASSWORD '{verifier}'")


def _grant(connection: Connection, roles: RoleNames) -> None:
    """Revokes all privileges first, so that none of an earlier version remains. By default privileges, both roles can
    read tables that a later version adds, and the collector can write them."""
    quote = connection.dialect.identifier_preparer.quote
    schema = quote(str(connection.scalar(text("SELECT current_schema()"))))
    database = quote(str(connection.scalar(text("SELECT current_database()"))))
    collector, reader = quote(roles.collector), quote(roles.reader)
    both = f"{collector}, {reader}"
    default_privileges = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}"
    statements = [
        f"GRANT CONNECT ON DATABASE {database} TO {both}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema} TO {both}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {both}",
        f"GRANT {_ROW_PRIVILEGES} ON ALL TABLES IN SCHEMA {schema} TO {collector}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {both}",
        *(f"GRANT {privileges} ON {schema}.{table} TO {reader}" for table, privileges in READER_PRIVILEGES.items()),
        # Only the owner changes the schema revision.
        f"REVOKE INSERT, UPDATE, DELETE ON {schema}.alembic_version FROM {both}",
        f"{default_privileges} GRANT {_ROW_PRIVILEGES} ON TABLES TO {collector}",
        f"{default_privileges} GRANT SELECT ON TABLES TO {reader}",
        f"{default_privileges} GRANT USAGE ON SEQUENCES TO {both}",
    ]
    for statement in statements:
        connection.exec_driver_sql(statement)


REDIS = "redis"
PASSWORD, REDIS_CONF = "password", "redis.conf"  # names of files
_BYTES = 32


def make_passwords(folder: Path) -> list[Path]:
    """Creates the files FOLDER/NAME/password for the roles and for Redis, and the configuration of Redis. Existing
    passwords do not change. Returns the new password files. Raises OSError."""
    created = []
    for name in (COLLECTOR, READER, REDIS):
        file = folder / name / PASSWORD
        if not file.exists():
            _write(file, secrets.token_hex(_BYTES))
            created.append(file)
    _write(folder / REDIS / REDIS_CONF, f"requirepass {read_password(folder, REDIS)}\n")
    return created


def read_password(folder: Path, name: str) -> str:
    """Reads a password that make_passwords created. Raises OSError if there is no such file."""
    return (folder / name / PASSWORD).read_text("ascii").strip()


def _write(file: Path, content: str) -> None:
    """Writes the file atomically, readable by this user only."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(content)
    temporary.replace(file)
