"""Keys of the installation, and the generations of people's sessions."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import InstallationKey, SessionGeneration

_BYTES = 32


def installation_key(session: Session, name: str) -> bytes:
    """A random key of 32 bytes that all programs on this database share; made by the first that needs it."""
    found = stored_key(session, name)
    if found is None:
        values = {"name": name, "value": secrets.token_hex(_BYTES)}
        session.execute(_insert(session, InstallationKey).values(values).on_conflict_do_nothing())
        stored = session.get_one(InstallationKey, name, populate_existing=True)
        found = bytes.fromhex(stored.value)
    return found


def stored_key(session: Session, name: str) -> bytes | None:
    """Null where no program has needed it yet."""
    found = session.scalar(select(InstallationKey.value).where(InstallationKey.name == name))
    return bytes.fromhex(found) if found else None


def session_generation(session: Session, person: str) -> int:
    """The generation that sessions of this person must have; 0 for one who has never signed out."""
    query = select(SessionGeneration.generation).where(SessionGeneration.person == person)
    return session.scalar(query) or 0


def end_sessions(session: Session, person: str, now: datetime) -> int:
    """Ends all sessions of this person, and returns the generation of those to come."""
    statement = _insert(session, SessionGeneration).values(person=person, generation=1, raised_at=now)
    raised = {"generation": SessionGeneration.generation + 1, "raised_at": now}
    session.execute(statement.on_conflict_do_update(index_elements=["person"], set_=raised))
    return session_generation(session, person)


def _insert(session: Session, model: Any) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(model)
