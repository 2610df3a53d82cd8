"""The UI's settings: the only place in it that reads the environment."""

from typing import Literal

from pydantic import AliasChoices, Field

from db.config import ReaderSettings


class Settings(ReaderSettings):
    """Where the data is, and the form of the log; everything else the collector says of itself in the database."""

    backend_env: Literal["dev", "prod"] = Field("dev", validation_alias=AliasChoices("backend_env", "node_env"))
