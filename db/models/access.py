"""Keys that only programs with access to the database have, and which sessions of the dashboard have ended."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base


class InstallationKey(Base):
    """A random value that the first program to need it makes."""

    __tablename__ = "installation_keys"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))


class SessionGeneration(Base):
    """Raised when somebody signs out: sessions of a lower generation have ended. `person`: a hash of the provider and
    of the provider's name for the person."""

    __tablename__ = "session_generations"

    person: Mapped[str] = mapped_column(String(64), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
    raised_at: Mapped[datetime]
