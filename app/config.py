"""The UI's settings: the only place in it that reads the environment."""

from db.config import ReaderSettings


class Settings(ReaderSettings):
    """DATABASE_URL and DATABASE_REPLICA_URL; everything else the collector says of itself in the database."""
