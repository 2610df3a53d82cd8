"""The API's settings: the only place in it that reads the environment."""

import ipaddress
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator

from db.config import DatabaseSettings
from notify.settings import ChannelSettings


class Settings(DatabaseSettings, ChannelSettings):
    api_host: str = "127.0.0.1"
    api_port: int = Field(3000)
    api_keys: SecretStr | None = None
    redis_url: SecretStr | None = None
    app_url: str = "http://localhost:8501"
    backend_env: Literal["dev", "prod"] = Field("dev", validation_alias=AliasChoices("backend_env", "node_env"))

    @property
    def keys(self) -> tuple[str, ...]:
        text = self.api_keys.get_secret_value() if self.api_keys else ""
        return tuple(key.strip() for key in text.split(",") if key.strip())

    @property
    def public(self) -> bool:
        """Does API_HOST let other machines in?"""
        if self.api_host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.api_host).is_loopback
        except ValueError:
            return True

    @field_validator("api_port", mode="before")
    @classmethod
    def _port(cls, value: object) -> int:
        text = str(value).strip()
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
            raise ValueError(f"given was {text[:20]!r}; allowed is a port from 1 to 65535")
        return int(text)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("the value is no Redis URL; write redis://:PASSWORD@HOST:6379/0")
        return value
