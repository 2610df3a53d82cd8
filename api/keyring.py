"""The API keys of requests: those of API_KEYS, and those that the database stores.

Stored keys are read from the database at most once per TTL_SECONDS, so that a new, revoked or expired key takes effect
within seconds and requests do not wait for the database. While the database is unavailable, the keys that were read
last apply. Once a key is stored, whatever its state is, requests need a key."""

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import anyio
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.schema_guard import SchemaGuard
from core.roles import Role
from db.api_keys import PREFIX, ROLES, USE_INTERVAL, KeyRow, KeyState, digest, has_keys, record_use, unrevoked_keys
from db.audit import Actor, anonymous
from db.engine import DatabaseUnavailable, interactive_write_scope, session_scope
from db.enums import ActorKind, Origin
from db.migrate import NotMigrated
from db.replica import ReplicaRouter

log = logging.getLogger(__name__)
TTL_SECONDS = 2.0
# The time for which a request waits for newer keys if older ones are known, or a replica has them.
_WAIT_SECONDS = 1.0
_CALLER = "caller"
_UNAVAILABLE = (DatabaseUnavailable, NotMigrated, SQLAlchemyError)


@dataclass(frozen=True)
class Principal:
    """The caller of a request. `key_id`: of a stored key, which `team_key` or `repositories` (owner/name) limit to
    those repositories."""

    name: str
    kind: ActorKind
    role: Role
    key_id: int | None = None
    team_key: str | None = None
    repositories: tuple[str, ...] = ()

    @property
    def actor(self) -> Actor:
        return Actor(self.name, self.kind, Origin.API)


@dataclass(frozen=True)
class Caller:
    """`principal` is null if a key is required and the request has no valid one. `key_digest`: of the valid key; null
    without one. `is_unknown`: the stored keys could not be read yet. `expired`: the key of the request has expired."""

    principal: Principal | None = None
    key_digest: str | None = None
    is_unknown: bool = False
    expired: bool = False


_ANONYMOUS = Caller(Principal(anonymous(Origin.API).name, ActorKind.ANONYMOUS, Role.ADMIN))
_UNKNOWN, _REJECTED = Caller(is_unknown=True), Caller()


@dataclass(frozen=True)
class _StoredKeys:
    """`by_digest`: the keys that are not revoked. `exist`: a key was stored at any time."""

    exist: bool
    by_digest: Mapping[str, KeyRow] = field(default_factory=dict)

    def caller(self, key_digest: str, now: datetime) -> Caller:
        row = self.by_digest.get(key_digest)
        if row is None or row.scope is None:
            return _REJECTED
        if row.state(now) is not KeyState.ACTIVE:
            return Caller(expired=True)
        role = ROLES[row.scope]
        return Caller(Principal(row.name, ActorKind.API_KEY, role, row.id, row.team_key, row.repositories), key_digest)


class Keyring:
    """`keys`: those of API_KEYS. `always_required`: requests need a key even if none is stored any more, because other
    machines reach the API."""

    def __init__(
        self, keys: tuple[str, ...], reader: ReplicaRouter, schema_guard: SchemaGuard, clock: Callable[[], datetime]
    ) -> None:
        self._keys, self._reader, self._schema_guard, self._clock = keys, reader, schema_guard, clock
        self.always_required = bool(keys)
        self._stored: _StoredKeys | None = None
        self._due_at = float("-inf")
        self._lock = anyio.Lock()
        self._primary_read: threading.Thread | None = None
        # Keys to when their use was stored last.
        self._used_at: dict[int, datetime] = {}

    def refresh(self) -> bool:
        """Reads the stored keys; returns whether one exists, whatever its state is. Raises DatabaseUnavailable,
        NotMigrated, SQLAlchemyError."""
        self._schema_guard.check()
        stored = self._read_primary()
        if stored is None:
            with self._reader.session() as session:
                stored = _read(session)
        self._stored, self._due_at = stored, time.monotonic() + TTL_SECONDS
        return stored.exist

    def _read_primary(self) -> _StoredKeys | None:
        """The keys in the primary database, because a replica may lag behind a revocation. With a replica: null if the
        primary fails, or does not respond within _WAIT_SECONDS."""
        if self._reader.replica is None:
            with session_scope(self._reader.primary) as session:
                return _read(session)
        if self._primary_read is not None and self._primary_read.is_alive():
            # The last one still waits for a response. Another one would take one more connection.
            return None
        results: list[_StoredKeys] = []

        def read() -> None:
            with suppress(*_UNAVAILABLE), session_scope(self._reader.primary) as session:
                results.append(_read(session))

        self._primary_read = threading.Thread(target=read, daemon=True)
        self._primary_read.start()
        self._primary_read.join(_WAIT_SECONDS)
        return results[0] if results else None

    async def prepare(self, headers: Mapping[str, str]) -> None:
        """Makes the stored keys at most TTL_SECONDS old, where `caller` needs them and the database responds."""
        if time.monotonic() < self._due_at or (self._keys and not _credentials(headers).startswith(PREFIX)):
            return
        with anyio.move_on_after(None if self._stored is None else _WAIT_SECONDS):
            async with self._lock:
                if time.monotonic() >= self._due_at:
                    try:
                        # Not of the worker threads, which may all be busy.
                        await to_thread.run_sync(self._try_refresh, abandon_on_cancel=True, limiter=_limiter())
                    finally:
                        self._due_at = time.monotonic() + TTL_SECONDS

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """The caller by the Authorization header, without reading the database."""
        key = matching_key(headers, self._keys)
        if key is not None:
            name = f"API_KEYS key {self._keys.index(key) + 1}"
            return Caller(Principal(name, ActorKind.API_KEY, Role.ADMIN), digest(key))
        credentials = _credentials(headers)
        if self._keys and not credentials.startswith(PREFIX):
            return _REJECTED
        if self._stored is None:
            return _UNKNOWN
        if not self._stored.exist and not self.always_required:
            return _ANONYMOUS
        return self._stored.caller(digest(credentials), self._clock())

    def is_use_due(self, caller: Caller) -> bool:
        """Whether the use of the caller's key is to be stored: at most once a minute."""
        row = self._stored.by_digest.get(caller.key_digest or "") if self._stored else None
        if row is None:
            return False
        now, used_at = self._clock(), self._used_at.get(row.id, row.last_used_at)
        return used_at is None or now - used_at >= USE_INTERVAL

    def record_use(self, key_id: int) -> None:
        """Stores that the key is used now. A database that cannot be written is no error."""
        now = self._clock()
        self._used_at[key_id] = now
        try:
            with interactive_write_scope(self._reader.primary) as session:
                record_use(session, [key_id], now)
        except _UNAVAILABLE as error:
            log.info("The last use of an API key was not stored: %s", type(error).__name__)

    def _try_refresh(self) -> None:
        try:
            self.refresh()
        except _UNAVAILABLE:
            return  # the schema guard logs the reason


class AuthenticationMiddleware:
    """Determines the caller of each request below /api, for all further middleware and routes: `caller_of`."""

    def __init__(self, app: ASGIApp, *, keyring: Keyring) -> None:
        self._app, self._keyring = app, keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_authenticated(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        await self._keyring.prepare(headers)
        caller = self._keyring.caller(headers)
        scope.setdefault("state", {})[_CALLER] = caller
        await self._app(scope, receive, send)
        # The response has been sent, so that the client does not wait for the write.
        key_id = caller.principal.key_id if caller.principal else None
        if key_id is not None and self._keyring.is_use_due(caller):
            await to_thread.run_sync(self._keyring.record_use, key_id, abandon_on_cancel=True, limiter=_limiter())


def caller_of(scope: Scope) -> Caller:
    """The caller that AuthenticationMiddleware determined. Other paths have no caller."""
    caller: Caller = scope.get("state", {}).get(_CALLER, _REJECTED)
    return caller


def set_caller(scope: Scope, caller: Caller) -> None:
    """For a caller that was unknown at the start of the request."""
    scope.setdefault("state", {})[_CALLER] = caller


def has_key(scope: Scope) -> bool:
    """Whether the request has a valid key. Pages of other sites have none."""
    return caller_of(scope).key_digest is not None


def matching_key(headers: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    """The key of the Authorization header if it is one of `keys`, else null. Each comparison takes constant time, so
    that response times reveal neither a partial match nor its position."""
    sent = _credentials(headers).encode()
    matches = [key for key in keys if hmac.compare_digest(sent, key.encode())]
    return matches[0] if matches and sent else None


def _credentials(headers: Mapping[str, str]) -> str:
    """Of the scheme Bearer; empty for others."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _is_authenticated(path: str) -> bool:
    """Deliveries of webhooks are signed instead."""
    return path.startswith("/api/") and not path.startswith("/api/webhooks/")


def _read(session: Session) -> _StoredKeys:
    keys = unrevoked_keys(session)
    return _StoredKeys(bool(keys) or has_keys(session), keys)


def _limiter() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(1)
