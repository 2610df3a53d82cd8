"""The UI's settings: the only place in it that reads the environment."""

from db.config import DatabaseSettings


class Settings(DatabaseSettings):
    """DATABASE_URL; everything else the collector says of itself in the database."""
