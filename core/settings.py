"""What is accepted as a secret: not the value of an example, and in production not one that is easily guessed.

Reading the environment: `.env`, `NAME_FILE` for secrets, and one clear line when a value is unusable.
"""

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import quote

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from core.text import clean, register_secrets

# Values of .env.example, docker-compose.yml, deploy/kubernetes/example and the documentation; compared in lower case.
EXAMPLE_SECRETS = frozenset(
    {
        "change-me", "changeme", "change_me", "xoxb-…",
        "smtp://user:password@mail.example.com:587", "redis://:password@host:6379/0",
    }
)  # fmt: skip
# The password of the demo's database in docker-compose.yml.
DEMO_PASSWORD = "health"  # noqa: S105 # refused in production
# Secrets that somebody chooses for this product, and their least length in production. Those that others issue (tokens,
# client secrets, URLs) have the form that the issuer gives them.
MIN_LENGTHS: Mapping[str, int] = {
    "api_keys": 16, "metrics_key": 16, "github_webhook_secret": 16, "alert_webhook_secret": 16,
}  # fmt: skip
REMEDIATION = "make one with openssl rand -hex 32"
_PASSWORD_IN_URL = re.compile(r"://[^/@:]{0,200}+:([^@]{0,1000}+)@")


def find_example(secret: str) -> str | None:
    """The example's value that a secret, one of its comma-separated parts or the password of its URL is; null for any
    other secret."""
    return next((part for part in _parts(secret) if part.lower() in EXAMPLE_SECRETS), None)


def is_short(name: str, secret: str) -> bool:
    """Whether the secret, or one of its comma-separated keys, is shorter than the least length for that setting."""
    keys = [part.strip() for part in secret.split(",") if part.strip()] if name == "api_keys" else [secret]
    return any(len(key) < MIN_LENGTHS.get(name, 0) for key in keys)


def too_short_message(name: str) -> str:
    """One clause for people: the setting's least length and the remedy."""
    which = "a key is" if name == "api_keys" else "it is"
    return f"{which} shorter than {MIN_LENGTHS[name]} characters and can be guessed; {REMEDIATION}"


def _parts(secret: str) -> Iterator[str]:
    yield secret.strip()
    yield from (part.strip() for part in secret.split(","))
    if found := _PASSWORD_IN_URL.search(secret):
        yield found[1]


SettingsType = TypeVar("SettingsType", bound="EnvironmentSettings")
_PASSWORD = re.compile(r"://[^/@:]{0,200}+:[^@]{0,1000}+@")


class ConfigError(Exception):
    """A setting that cannot be used; the message is one line for each, which names it and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(clean(line) for line in message.splitlines()))


class EnvironmentSettings(BaseSettings):
    """Settings of one program. Every field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    backend_env: Literal["dev", "prod"] = Field("dev", validation_alias=AliasChoices("backend_env", "node_env"))

    @field_validator("*")
    @classmethod
    def _strip_secret(cls, value: Any) -> Any:
        """Without the blank or line break that a shell or an editor left at its end."""
        if not isinstance(value, SecretStr):
            return value
        secret = value.get_secret_value().strip()
        if example := find_example(secret):
            raise ValueError(f"it is the example's {example}, which everybody knows; put the real one there")
        return SecretStr(secret)

    def weak_secrets(self) -> list[str]:
        """One line for each secret that is too short where other machines may guess it. A program that they reach in
        production refuses it at its start."""
        values = {name: getattr(self, name) for name in MIN_LENGTHS if name in type(self).model_fields}
        return [
            f"{name.upper()}: {too_short_message(name)}"
            for name, value in values.items()
            if isinstance(value, SecretStr) and value.get_secret_value() and is_short(name, value.get_secret_value())
        ]

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Settings from the environment and `.env`; raises ConfigError with one line a bad variable."""
        values = {**_secrets_from_files(cls), **overrides}
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise ConfigError("\n".join(_format_validation_error(item) for item in error.errors())) from None
        except UnicodeDecodeError:
            raise ConfigError(".env is not readable as UTF-8 text; save it as UTF-8.") from None
        register_secrets(*settings.secret_values())
        return settings

    def secret_values(self) -> tuple[str, ...]:
        """All that must not be told, for who keeps it out of the log."""
        values = [getattr(self, name) for name in type(self).model_fields]
        secrets = [each.get_secret_value() for each in values if isinstance(each, SecretStr)]
        return tuple(secrets + [each for each in values if isinstance(each, str) and _PASSWORD.search(each)])


def _port(value: object) -> int:
    text = str(value).strip()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"given was {text[:20]!r}; allowed is a port from 1 to 65535")
    return int(text)


Port = Annotated[int, BeforeValidator(_port)]


class DashboardUrlSettings(EnvironmentSettings):
    """Where people reach the dashboard. Without APP_URL it is on this machine, at APP_PORT."""

    app_port: Port = 8501
    app_url: str = "http://localhost:8501"

    @model_validator(mode="after")
    def _default_app_url(self) -> Self:
        if "app_url" not in self.model_fields_set:
            self.app_url = f"http://localhost:{self.app_port}"
        return self


class DatabaseSettings(EnvironmentSettings):
    database_url: str = "sqlite:///data/pipeline_health.db"
    # Of a URL without them: one URL then serves all programs, each with a role of its own.
    database_user: str | None = None
    database_password: SecretStr | None = None
    # Together they say whether the data is the demo's.
    github_repos: str = ""
    demo_github_url: str | None = None

    @field_validator("database_url")
    @classmethod
    def _validate_url(cls, value: str) -> str:
        return normalize_url(value)

    @model_validator(mode="after")
    def _complete_url(self) -> Self:
        self.database_url = self._reject_example_password("DATABASE_URL", self.database_url)
        return self

    def with_password(self, url: str) -> str:
        """The URL with DATABASE_USER and DATABASE_PASSWORD, whatever characters they have, where it has none."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return url
        if self.database_user and parsed.username is None:
            parsed = parsed.set(username=self.database_user)
        if self.database_password and parsed.password is None:
            parsed = parsed.set(password=self.database_password.get_secret_value())
        return url if parsed == make_url(url) else parsed.render_as_string(hide_password=False)

    def _reject_example_password(self, variable: str, url: str) -> str:
        """Raises ValueError where the password is one that everybody knows. The demo's holds nothing of anybody."""
        whole = self.with_password(url)
        password = make_url(whole).password
        source = variable if make_url(url).password is not None else "DATABASE_PASSWORD"
        if password is not None and (example := find_example(password)):
            raise ValueError(f"{source}: it is the example's {example}, which everybody knows; put the real one there")
        demo = bool(self.demo_github_url) and not self.github_repos.strip(" ,")
        if password == DEMO_PASSWORD and self.backend_env == "prod" and not demo:
            raise ValueError(
                f"{source}: the password is the demo's, which everybody knows; {REMEDIATION} (docker compose: "
                "POSTGRES_PASSWORD in .env, and docs/installation.md for an existing database)"
            )
        return whole


class ReplicaSettings(DatabaseSettings):
    """Of a program that mostly reads. A replica of the database may answer it, a little later than the database."""

    database_replica_url: str | None = None
    database_replica_max_lag: float = 30.0

    @field_validator("database_replica_url")
    @classmethod
    def _validate_replica_url(cls, value: str | None) -> str | None:
        return value and cls._validate_url(value)

    @field_validator("database_replica_max_lag", mode="before")
    @classmethod
    def _parse_max_lag(cls, value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = float("nan")
        if not 1 <= number <= 86_400:
            raise ValueError(f"given was {str(value)[:40]!r}; allowed is a number of seconds from 1 to 86400")
        return number

    @model_validator(mode="after")
    def _complete_replica_url(self) -> Self:
        url = self.database_replica_url
        self.database_replica_url = url and self._reject_example_password("DATABASE_REPLICA_URL", url)
        return self


class RedisSettings(EnvironmentSettings):
    redis_url: SecretStr | None = None
    # Of a URL without one.
    redis_password: SecretStr | None = None

    @model_validator(mode="after")
    def _complete_redis_url(self) -> Self:
        if self.redis_url and self.redis_password:
            scheme, separator, rest = self.redis_url.get_secret_value().partition("://")
            user, _, host = rest.rpartition("@")
            if ":" not in user:
                password = quote(self.redis_password.get_secret_value(), safe="")
                self.redis_url = SecretStr(f"{scheme}{separator}{user}:{password}@{host}")
        return self


def accepts_remote_connections(host: str) -> bool:
    """Does a program that listens there answer other machines? A name may mean anything."""
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def normalize_url(value: str) -> str:
    """The URL as SQLAlchemy takes it; raises ValueError, without naming the value, for what no database here has."""
    value = value.strip()
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(_DATABASE_URL_FORMS.format(given="it is not a URL")) from None
    if url.drivername == "postgres":
        value = "postgresql" + value.removeprefix("postgres")
        url = make_url(value)
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError(_DATABASE_URL_FORMS.format(given=f"given was a {url.drivername} URL"))
    return value


_DATABASE_URL_FORMS = "{given}; allowed are sqlite:///PATH and postgresql://USER:PASSWORD@HOST:PORT/NAME"


def _secrets_from_files(settings: type[EnvironmentSettings]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in settings.model_fields:
        variable = f"{name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"{variable}: cannot read {path}: {reason}; give the path of a readable file.") from None
        if example := find_example(found[name]):
            raise ConfigError(f"{variable}: {path} holds the example's {example}; put the real one there.")
    return found


def _format_validation_error(error: Any) -> str:
    message = " ".join(str(error["msg"]).removeprefix("Value error, ").split())
    return f"{str(error['loc'][0]).upper()}: {message}." if error["loc"] else f"{message}."
