"""Roles of a PostgreSQL database: its owner migrates, the collector reads and writes rows, and the programs for people
read, and write where people write.

They are called OWNER_collector and OWNER_reader, by the role that migrates, so that several installations on one server
stay apart. https://www.postgresql.org/docs/current/sql-grant.html, sql-alterdefaultprivileges.html.

Passwords that no person needs to know: made once, one file for each program that uses them. For docker compose,
whose containers share each file by a volume of its own.
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
# Beside those of db.migrate and db.collection.claims.
_LOCK = 7_233_023
_LOCK_STATEMENT = text("SELECT pg_advisory_xact_lock(:key)")
_PAUSES_SECONDS = (0.1, 0.3, 1.0, 2.0)
_CONCURRENT_ERRORS = ("tuple concurrently", "pg_authid_rolname_index", "deadlock detected")
_MAX_NAME_LENGTH = 63  # bytes of an identifier
_INSUFFICIENT_PRIVILEGE = "42501"
_ROW_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE"
# What people do by API and dashboard, what GitHub sends to the API, and what both remember of logins and caches.
READER_PRIVILEGES: Mapping[str, str] = {
    "alert_rules": "INSERT, UPDATE, DELETE",
    "alerts": "UPDATE",
    "inbox": "INSERT",
    "installation_keys": "INSERT",
    "job_logs": "INSERT, UPDATE",
    "session_generations": "INSERT, UPDATE",
    "silences": "INSERT, UPDATE, DELETE",
}


class RoleNames(NamedTuple):
    owner: str
    collector: str
    reader: str


class RolesError(Exception):
    """Roles cannot be made or changed here; the message is one line with the remedy."""


def make_roles(engine: Engine, passwords: Mapping[str, str]) -> RoleNames:
    """Makes the roles that are missing and gives both the rights of this version; may be repeated. `passwords`: by
    COLLECTOR and READER; a role without one keeps what it has. Raises NoRoles, DatabaseUnavailable."""
    if engine.dialect.name != "postgresql":
        raise RolesError(f"{safe_url(engine)}: SQLite has no roles; whoever may write the file may do everything.")
    try:
        return _with_retries(lambda: _make_roles(engine, passwords))
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != _INSUFFICIENT_PRIVILEGE:
            raise DatabaseUnavailable(describe_failure(engine, error)) from error
        user = engine.url.username or "this user"
        raise RolesError(
            f"{safe_url(engine)}: {user} may not make roles; ALTER ROLE {user} CREATEROLE, or run "
            "`python -m db roles` as a role that may and that migrates."
        ) from None
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from error


def refresh_rights(engine: Engine) -> RoleNames | None:
    """Gives roles that exist the rights of this version, as is needed after an upgrade; null where there are none."""
    if engine.dialect.name != "postgresql":
        return None
    try:
        return _with_retries(lambda: _refresh(engine))
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(describe_failure(engine, error)) from error


def _with_retries(work: Callable[[], _Result]) -> _Result:
    """Roles belong to the server: programs of its other databases may change the same ones at the same time, whom no
    lock of this database keeps out."""
    for pause in _PAUSES_SECONDS:
        try:
            return work()
        except DBAPIError as error:
            if not any(each in str(error.orig) for each in _CONCURRENT_ERRORS):
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
    found = RoleNames(owner, f"{owner}_{COLLECTOR}", f"{owner}_{READER}")
    if any(len(name.encode()) > _MAX_NAME_LENGTH for name in found):
        raise RolesError(
            f"The name of the role {owner!r} is too long to make others of it; migrate with a shorter one."
        )
    return found


def _exists(connection: Connection, name: str) -> bool:
    return bool(connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}))


def _create_role(connection: Connection, name: str, password: str | None) -> None:
    role = connection.dialect.identifier_preparer.quote(name)
    if not _exists(connection, name):
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
    if password:
        # Only what it is checked by goes to the server, whose log may have statements in it.
        raw: Any = connection.connection.driver_connection
        verifier = encrypt_password(password, name, raw, "scram-sha-256")
        connection.exec_driver_sql(f"ALTER ROLE {role} PASSWORD '{verifier}'")


def _grant(connection: Connection, roles: RoleNames) -> None:
    """Starts from nothing, so that a right of an earlier version does not stay. Tables that a later version adds can be
    read at once by both, and written by the collector."""
    quote = connection.dialect.identifier_preparer.quote
    schema = quote(str(connection.scalar(text("SELECT current_schema()"))))
    database = quote(str(connection.scalar(text("SELECT current_database()"))))
    collector, reader = quote(roles.collector), quote(roles.reader)
    both = f"{collector}, {reader}"
    mine = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}"
    statements = [
        f"GRANT CONNECT ON DATABASE {database} TO {both}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema} TO {both}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {both}",
        f"GRANT {_ROW_PRIVILEGES} ON ALL TABLES IN SCHEMA {schema} TO {collector}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {both}",
        *(f"GRANT {rights} ON {schema}.{table} TO {reader}" for table, rights in READER_PRIVILEGES.items()),
        # Nobody but the owner says where the schema is.
        f"REVOKE INSERT, UPDATE, DELETE ON {schema}.alembic_version FROM {both}",
        f"{mine} GRANT {_ROW_PRIVILEGES} ON TABLES TO {collector}",
        f"{mine} GRANT SELECT ON TABLES TO {reader}",
        f"{mine} GRANT USAGE ON SEQUENCES TO {both}",
    ]
    for statement in statements:
        connection.exec_driver_sql(statement)


REDIS = "redis"
PASSWORD, REDIS_CONF = "password", "redis.conf"  # names of files
_BYTES = 32


def make_passwords(folder: Path) -> list[Path]:
    """Files FOLDER/NAME/password for the roles and for Redis, and what Redis reads; those that exist stay. Returns the
    new ones. Raises OSError."""
    made = []
    for name in (COLLECTOR, READER, REDIS):
        file = folder / name / PASSWORD
        if not file.exists():
            _write(file, secrets.token_hex(_BYTES))
            made.append(file)
    _write(folder / REDIS / REDIS_CONF, f"requirepass {read_password(folder, REDIS)}\n")
    return made


def read_password(folder: Path, name: str) -> str:
    """Raises OSError where make_passwords has not made it."""
    return (folder / name / PASSWORD).read_text("ascii").strip()


def _write(file: Path, content: str) -> None:
    """Whole or not at all, and for this user alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(content)
    half.replace(file)
