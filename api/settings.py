"""Settings of the API, from the environment."""

import re
from typing import Annotated
from urllib.parse import urlsplit

import limits
import redis
from pydantic import SecretStr, field_validator

from core.http.settings import ApiAddressSettings, ServerSettings
from core.numbers import number_between
from core.settings import RedisSettings
from db.settings import ReplicaSettings
from health.alerts.channels.registry import ChannelSettings

_KEY = re.compile(r"[\x21-\x7e]+")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?")


class ApiSettings(ReplicaSettings, ChannelSettings, ApiAddressSettings, ServerSettings, RedisSettings):
    api_keys: SecretStr | None = None
    # Protects /metrics and the names of hosts and repositories in /health; without it both are public.
    metrics_key: SecretStr | None = None
    api_rate_limit: str = "1200/minute"
    api_cors_origins: str = ""
    github_webhook_secret: SecretStr | None = None
    # Of the collector: /health needs it to recognize an outdated heartbeat.
    poll_interval_minutes: Annotated[float, number_between(0.05, 1440, "minutes between polls")] = 5.0

    @property
    def keys(self) -> tuple[str, ...]:
        text = self.api_keys.get_secret_value() if self.api_keys else ""
        return _split(text)

    @property
    def metrics_keys(self) -> tuple[str, ...]:
        """Keys for /metrics and the details of /health, API_KEYS among them; empty where both are public."""
        return (self.metrics_key.get_secret_value(), *self.keys) if self.metrics_key else ()

    @property
    def rate_limit(self) -> str | None:
        return None if self.api_rate_limit == "none" else self.api_rate_limit

    @property
    def cors_origins(self) -> tuple[str, ...]:
        return _split(self.api_cors_origins)

    @property
    def is_public(self) -> bool:
        """True where other machines can reach API_HOST or the published port of the container."""
        return self.listen_address().is_open

    @field_validator("api_keys")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        """A variable without any key is an error: it must not disable authentication."""
        if value is None:
            return None
        keys = _split(value.get_secret_value())
        if not keys or not all(_KEY.fullmatch(key) for key in keys):
            raise ValueError("invalid value; expected keys of printable ASCII without spaces, separated by commas")
        return value

    @field_validator("metrics_key")
    @classmethod
    def _metrics_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _KEY.fullmatch(value.get_secret_value()):
            raise ValueError("invalid value; expected a key of printable ASCII without spaces")
        return value

    @field_validator("api_rate_limit")
    @classmethod
    def _rate(cls, value: str) -> str:
        value = value.strip().lower()
        try:
            usable = value == "none" or limits.parse(value).amount > 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"invalid value {value[:40]!r}; expected none, or a rate such as 1200/minute or 20/second")
        return value

    @field_validator("api_cors_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in _split(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"invalid value {origin[:60]!r}; expected origins such as https://portal.example.com, separated by "
                    "commas, or *"
                )
        return value

    @field_validator("app_url")
    @classmethod
    def _app(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("invalid value; expected a URL without a user that begins with http:// or https://")
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not _is_redis(value.get_secret_value()):
            raise ValueError("the value is not a Redis URL; use redis://:PASSWORD@HOST:6379/0")
        return value


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in keys.split(",") if key.strip())


def _is_redis(url: str) -> bool:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return False
    try:
        redis.ConnectionPool.from_url(url)
    except (ValueError, TypeError):
        return False
    return True
