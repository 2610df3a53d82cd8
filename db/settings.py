"""Settings of programs that use the database: URL, credentials and replica."""

from typing import Annotated, Self

from pydantic import SecretStr, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from core.numbers import number_between
from core.settings import REMEDIATION, EnvironmentSettings, find_example

# The password of the demo's database in docker-compose.yml.
DEMO_PASSWORD = "health"  # noqa: S105 # refused in production


class DatabaseSettings(EnvironmentSettings):
    database_url: str = "sqlite:///data/pipeline_health.db"
    # For a URL without user and password: all programs can then share a URL and use different database roles.
    database_user: str | None = None
    database_password: SecretStr | None = None
    # Together they determine whether the database has data of the demo.
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
        """Returns the URL, completed by DATABASE_USER and DATABASE_PASSWORD where it has no user or password."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return url
        if self.database_user and parsed.username is None:
            parsed = parsed.set(username=self.database_user)
        if self.database_password and parsed.password is None:
            parsed = parsed.set(password=self.database_password.get_secret_value())
        return url if parsed == make_url(url) else parsed.render_as_string(hide_password=False)

    def _reject_example_password(self, variable: str, url: str) -> str:
        """Returns the complete URL. Raises ValueError for an example password, and in production for the demo's
        password, except for the demo itself."""
        complete_url = self.with_password(url)
        password = make_url(complete_url).password
        source = variable if make_url(url).password is not None else "DATABASE_PASSWORD"
        if password is not None and (example := find_example(password)):
            raise ValueError(f"{source}: it is the example value {example}; replace it by a real secret")
        demo = bool(self.demo_github_url) and not self.github_repos.strip(" ,")
        if password == DEMO_PASSWORD and self.backend_env == "prod" and not demo:
            raise ValueError(
                f"{source}: this is the public password of the demo; {REMEDIATION} (docker compose: "
                "POSTGRES_PASSWORD in .env, and docs/installation.md for an existing database)"
            )
        return complete_url


class ReplicaSettings(DatabaseSettings):
    """Settings of a program that mostly reads and can use a replica, whose data may be older than the primary's."""

    database_replica_url: str | None = None
    database_replica_max_lag: Annotated[float, number_between(1, 86_400, "seconds")] = 30.0

    @field_validator("database_replica_url")
    @classmethod
    def _validate_replica_url(cls, value: str | None) -> str | None:
        return value and cls._validate_url(value)

    @model_validator(mode="after")
    def _complete_replica_url(self) -> Self:
        url = self.database_replica_url
        self.database_replica_url = url and self._reject_example_password("DATABASE_REPLICA_URL", url)
        return self


def normalize_url(value: str) -> str:
    """Returns the URL in SQLAlchemy's form. Raises ValueError, without the value, for an invalid URL or another
    database."""
    value = value.strip()
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(_DATABASE_URL_FORMS.format(problem="the value is not a URL")) from None
    if url.drivername == "postgres":
        value = "postgresql" + value.removeprefix("postgres")
        url = make_url(value)
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError(_DATABASE_URL_FORMS.format(problem=f"unsupported database {url.drivername!r}"))
    return value


_DATABASE_URL_FORMS = "{problem}; expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"
