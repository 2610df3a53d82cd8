"""Stored API keys: creation, lists, revocation, and the keys that are valid now. Only the SHA-256 of a key is stored: a
key has 256 random bits, so that its hash needs no salt, and a lookup by the hash reveals nothing by its duration."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.roles import Role
from core.text import CONTROL_CHARACTERS, clean
from db.audit import Actor, record
from db.engine import DatabaseUnavailable, make_engine, session_scope
from db.enums import AuditAction, AuditSubject, KeyScope
from db.models import ApiKey

# Secret scanners and people recognize a key by its beginning.
PREFIX = "phk_"
USE_INTERVAL = timedelta(minutes=1)
MAX_NAME_LENGTH, MAX_REPOSITORIES, MAX_KEYS = 100, 500, 1_000
ROLES = {KeyScope.READ: Role.VIEWER, KeyScope.WRITE: Role.EDITOR, KeyScope.ADMIN: Role.ADMIN}
_KEY_BYTES, _PREFIX_LENGTH = 32, len(PREFIX) + 4
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")


class InvalidKey(ValueError):
    """The key cannot be created; the message is one line with what is allowed."""


class KeyState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class KeyRow:
    """As ApiKey, without the digest. A key whose `scope` is null, because this version does not have it, is invalid."""

    id: int
    name: str
    prefix: str
    scope: KeyScope | None
    team_key: str | None
    repositories: tuple[str, ...]
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None

    def state(self, now: datetime) -> KeyState:
        if self.revoked_at is not None:
            return KeyState.REVOKED
        is_expired = self.expires_at is not None and self.expires_at <= now
        return KeyState.EXPIRED if is_expired else KeyState.ACTIVE


@dataclass(frozen=True)
class KeyLimits:
    """What a new key may read; empty for everything. `repositories`: owner/name."""

    team_key: str | None = None
    repositories: tuple[str, ...] = ()


def digest(key: str) -> str:
    """The form in which a key is stored and looked up."""
    return hashlib.sha256(key.encode()).hexdigest()


def create_key(
    session: Session,
    actor: Actor,
    name: str,
    scope: KeyScope,
    now: datetime,
    *,
    limits: KeyLimits | None = None,
    expires_at: datetime | None = None,
) -> tuple[KeyRow, str]:
    """Adds a key; returns its row and the key itself, which is not stored. Raises InvalidKey."""
    limits = limits or KeyLimits()
    name = _validate(session, name, scope, limits, now, expires_at)
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    stored = ApiKey(
        name=name,
        prefix=key[:_PREFIX_LENGTH],
        digest=digest(key),
        scopes=[scope.value],
        team_key=limits.team_key,
        repositories=list(limits.repositories),
        created_at=now,
        created_by=actor.name,
        expires_at=expires_at,
    )
    session.add(stored)
    session.flush()
    fields = {
        "prefix": stored.prefix,
        "scope": scope,
        "team": limits.team_key,
        "repositories": limits.repositories,
        "expires_at": expires_at,
    }
    record(session, actor, AuditAction.CREATED, AuditSubject.API_KEY, stored.id, name, now, after=fields)
    return _row(stored), key


def revoke_key(session: Session, actor: Actor, key_id: int, now: datetime) -> KeyRow | None:
    """Revokes the key; returns it as it was before, or null if there is none. A key that is revoked already is not
    changed."""
    stored = session.get(ApiKey, key_id, with_for_update=True)
    if stored is None:
        return None
    before = _row(stored)
    if stored.revoked_at is None:
        stored.revoked_at, stored.revoked_by = now, actor.name
        session.flush()
        state = {"revoked_at": None}, {"revoked_at": now}
        record(
            session, actor, AuditAction.REVOKED, AuditSubject.API_KEY, stored.id, stored.name, now,
            before=state[0], after=state[1],
        )  # fmt: skip
    return before


def list_keys(session: Session) -> list[KeyRow]:
    """All keys, also revoked and expired ones, the newest first."""
    return [_row(stored) for stored in session.scalars(select(ApiKey).order_by(ApiKey.id.desc()))]


def find_keys(session: Session, name_or_id: str) -> list[KeyRow]:
    """The keys with this name, ignoring case, that are not revoked, or the one with this id."""
    named = [key for key in list_keys(session) if key.name.casefold() == name_or_id.strip().casefold()]
    if unrevoked := [key for key in named if key.revoked_at is None]:
        return unrevoked
    return named or [key for key in list_keys(session) if str(key.id) == name_or_id.strip()]


def has_keys(session: Session) -> bool:
    """Whether a key was ever stored, whatever its state is: requests then require a key."""
    return session.scalar(select(ApiKey.id).limit(1)) is not None


def has_keys_at(database_url: str) -> bool | None:
    """As has_keys, for a program that has no engine; null if the keys cannot be read, also because the database is not
    migrated."""
    try:
        engine = make_engine(database_url)
    except DatabaseUnavailable:
        return None
    try:
        with session_scope(engine) as session:
            return has_keys(session)
    except (DatabaseUnavailable, SQLAlchemyError):
        return None
    finally:
        engine.dispose()


def unrevoked_keys(session: Session) -> dict[str, KeyRow]:
    """The keys that are not revoked, by digest. Expired ones are among them."""
    query = select(ApiKey).where(ApiKey.revoked_at.is_(None))
    return {stored.digest: _row(stored) for stored in session.scalars(query)}


def record_use(session: Session, key_ids: Iterable[int], now: datetime) -> None:
    """Stores when the keys were last used, at most once per USE_INTERVAL."""
    is_due = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - USE_INTERVAL)
    session.execute(update(ApiKey).where(ApiKey.id.in_(sorted(key_ids)), is_due).values(last_used_at=now))


def _validate(
    session: Session, name: str, scope: KeyScope, limits: KeyLimits, now: datetime, expires_at: datetime | None
) -> str:
    """Returns the name without surrounding blanks. Raises InvalidKey."""
    name = name.strip()
    if not name or len(name) > MAX_NAME_LENGTH or CONTROL_CHARACTERS.search(name) or name.isdigit():
        raise InvalidKey(
            f"name: invalid value {clean(name, 40)!r}; expected 1 to {MAX_NAME_LENGTH} printable characters, not "
            "only digits"
        )
    unrevoked = list(unrevoked_keys(session).values())
    if any(key.name.casefold() == name.casefold() for key in unrevoked):
        raise InvalidKey(f"name: a key with the name {name!r} exists; revoke it first, or choose another name")
    if len(unrevoked) >= MAX_KEYS:
        raise InvalidKey(f"name: {MAX_KEYS:,} keys are stored already; revoke those that are not used")
    if len(limits.repositories) > MAX_REPOSITORIES:
        raise InvalidKey(f"repo: at most {MAX_REPOSITORIES} repositories")
    for repository in limits.repositories:
        if not _REPOSITORY.fullmatch(repository):
            raise InvalidKey(f"repo: invalid value {clean(repository, 80)!r}; expected owner/name")
    if scope is KeyScope.ADMIN and (limits.team_key or limits.repositories):
        raise InvalidKey(
            "scope: admin is for the whole installation; a key of a team or of repositories may be read or write"
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidKey("expires: it must be after now")
    return name


def _row(stored: ApiKey) -> KeyRow:
    scopes = [scope for scope in KeyScope if scope.value in stored.scopes]
    return KeyRow(
        id=stored.id,
        name=stored.name,
        prefix=stored.prefix,
        scope=max(scopes, key=lambda scope: ROLES[scope], default=None),
        team_key=stored.team_key,
        repositories=_texts(stored.repositories),
        created_at=stored.created_at,
        created_by=stored.created_by,
        expires_at=stored.expires_at,
        revoked_at=stored.revoked_at,
        revoked_by=stored.revoked_by,
        last_used_at=stored.last_used_at,
    )


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)
