"""Keys of the installation, and generations of login sessions."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import InstallationKey, SessionGeneration

_BYTES = 32


def installation_key(session: Session, name: str) -> bytes:
    """A random key of 32 bytes that all programs on this database share. The first call creates it."""
    key = stored_key(session, name)
    if key is None:
        values = {"name": name, "value": secrets.token_hex(_BYTES)}
        session.execute(_insert(session, InstallationKey).values(values).on_conflict_do_nothing())
        stored = session.get_one(InstallationKey, name, populate_existing=True)
        key = bytes.fromhex(stored.value)
    return key


def stored_key(session: Session, name: str) -> bytes | None:
    """The key; null if it has not been created yet."""
    value = session.scalar(select(InstallationKey.value).where(InstallationKey.name == name))
    return bytes.fromhex(value) if value else None


def session_generation(session: Session, person: str) -> int:
    """The generation of the valid sessions of this person; 0 if the person has never signed out."""
    query = select(SessionGeneration.generation).where(SessionGeneration.person == person)
    return session.scalar(query) or 0


def end_sessions(session: Session, person: str, now: datetime) -> int:
    """Ends all sessions of this person; returns the generation of new sessions."""
    statement = _insert(session, SessionGeneration).values(person=person, generation=1, raised_at=now)
    next_generation = {"generation": SessionGeneration.generation + 1, "raised_at": now}
    session.execute(statement.on_conflict_do_update(index_elements=["person"], set_=next_generation))
    return session_generation(session, person)


def _insert(session: Session, model: Any) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(model)
