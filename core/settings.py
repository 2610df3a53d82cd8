"""Settings from the environment and `.env`, with `NAME_FILE` variants and checks of secrets.

An invalid value raises ConfigError with one line that names the variable, the value and what is allowed. Secrets from
examples are rejected; in production, secrets that can be guessed are rejected, too."""

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
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

from core.numbers import parse_digits
from core.text import clean, register_secrets

# Values in .env.example, docker-compose.yml, deploy/kubernetes/example and the documentation, in lower case.
EXAMPLE_SECRETS = frozenset(
    {
        "change-me",
        "changeme",
        "change_me",
        "xoxb-…",
        "smtp://user:password@mail.example.com:587",
        "redis://:password@host:6379/0",
    }
)
# Secrets that the operator chooses, with their minimum length in production. Secrets that others issue (tokens, client
# secrets, URLs) have the form that the issuer gives them.
MIN_LENGTHS: Mapping[str, int] = {
    "api_keys": 16,
    "metrics_key": 16,
    "github_webhook_secret": 16,
    "alert_webhook_secret": 16,
}
REMEDIATION = "generate one with openssl rand -hex 32"
_PASSWORD_IN_URL = re.compile(r"://[^/@:]{0,200}+:([^@]{0,1000}+)@")


def find_example(secret: str) -> str | None:
    """The example value that equals the secret, one of its comma-separated parts, or the password in its URL; null for
    other secrets."""
    return next((part for part in _parts(secret) if part.lower() in EXAMPLE_SECRETS), None)


def is_short(name: str, secret: str) -> bool:
    """True where the secret, or one of its comma-separated keys, is shorter than the minimum length of the setting."""
    keys = [part.strip() for part in secret.split(",") if part.strip()] if name == "api_keys" else [secret]
    return any(len(key) < MIN_LENGTHS.get(name, 0) for key in keys)


def too_short_message(name: str) -> str:
    """The minimum length and the remedy, as one clause."""
    which = "a key is" if name == "api_keys" else "it is"
    return f"{which} shorter than {MIN_LENGTHS[name]} characters and can be guessed; {REMEDIATION}"


def _parts(secret: str) -> Iterator[str]:
    yield secret.strip()
    yield from (part.strip() for part in secret.split(","))
    if match := _PASSWORD_IN_URL.search(secret):
        yield match[1]


_PASSWORD = re.compile(r"://[^/@:]{0,200}+:[^@]{0,1000}+@")


class ConfigError(Exception):
    """Invalid settings. The message has one line per setting, with its name and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(clean(line) for line in message.splitlines()))


class EnvironmentSettings(BaseSettings):
    """Settings of one program. Each field is an environment variable with its name in upper case."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    backend_env: Literal["dev", "prod"] = Field("dev", validation_alias=AliasChoices("backend_env", "node_env"))

    @field_validator("*")
    @classmethod
    def _strip_secret(cls, value: Any) -> Any:
        """Strips whitespace that a shell or an editor added, and rejects example values."""
        if not isinstance(value, SecretStr):
            return value
        secret = value.get_secret_value().strip()
        if example := find_example(secret):
            raise ValueError(f"it is the example value {example}; replace it by a real secret")
        return SecretStr(secret)

    def weak_secrets(self) -> list[str]:
        """One line per secret that is too short. In production a program that other machines can reach refuses to start
        with such secrets."""
        values = {name: getattr(self, name) for name in MIN_LENGTHS if name in type(self).model_fields}
        return [
            f"{name.upper()}: {too_short_message(name)}"
            for name, value in values.items()
            if isinstance(value, SecretStr) and value.get_secret_value() and is_short(name, value.get_secret_value())
        ]

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Settings from the environment and `.env`. Raises ConfigError with one line per invalid variable."""
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
        """All secrets, including URLs with a password, for redaction."""
        values = [getattr(self, name) for name in type(self).model_fields]
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        return tuple(secrets + [value for value in values if isinstance(value, str) and _PASSWORD.search(value)])


def _port(value: object) -> int:
    text = str(value).strip()
    port = parse_digits(text, 65535)
    if not port:
        raise ValueError(f"invalid value {text[:20]!r}; expected a port from 1 to 65535")
    return port


Port = Annotated[int, BeforeValidator(_port)]


class DashboardUrlSettings(EnvironmentSettings):
    """Address of the dashboard for links. Default: this machine, at APP_PORT."""

    app_port: Port = 8501
    app_url: str = "http://localhost:8501"

    @model_validator(mode="after")
    def _default_app_url(self) -> Self:
        if "app_url" not in self.model_fields_set:
            self.app_url = f"http://localhost:{self.app_port}"
        return self


class RedisSettings(EnvironmentSettings):
    redis_url: SecretStr | None = None
    # For a URL without a password.
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
    """True where a program that listens on this address is reachable from other machines. A host name counts as
    reachable, except for localhost."""
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _secrets_from_files(settings: type[EnvironmentSettings]) -> dict[str, str]:
    secrets: dict[str, str] = {}
    for name in settings.model_fields:
        variable = f"{name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            secrets[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"{variable}: cannot read {path}: {reason}; give the path of a readable file.") from None
        if example := find_example(secrets[name]):
            raise ConfigError(f"{variable}: {path} contains the example value {example}; replace it by a real secret.")
    return secrets


def _format_validation_error(error: Any) -> str:
    message = " ".join(str(error["msg"]).removeprefix("Value error, ").split())
    return f"{str(error['loc'][0]).upper()}: {message}." if error["loc"] else f"{message}."
