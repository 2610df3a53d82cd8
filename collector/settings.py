"""The collector's settings, read from the environment."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from collector.github.auth import read_key
from core.http.settings import ApiAddressSettings
from core.numbers import number_between, whole_number_between
from core.settings import RedisSettings
from db.definitions.prices import EMPTY_PRICE_LIST, PriceList
from db.jobs.price_list import read_price_list
from db.settings import ReplicaSettings
from health.alerts.channels.definitions import check_channel
from health.alerts.channels.registry import ChannelSettings
from health.alerts.rules.rules import Threshold, parse_threshold
from health.teams.teams_file import read_teams_file

_OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})"
_ENTRY = re.compile(rf"!?{_OWNER}/(?:[A-Za-z0-9._-]{{1,100}}|\*)", re.ASCII)
_HOST = re.compile(r"(?:\*?\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_REPOS_FORMS = "use owner/name, owner/* and !owner/name, separated by commas"


# Thirty days, and the same weekdays and hours five weeks earlier, so that metrics have a previous period.
_DEMO_POLL_MINUTES, _DEMO_BACKFILL_DAYS = 0.1, 66
NOTHING_TO_COLLECT = "GITHUB_REPOS: nothing to collect; set it to owner/name or owner/* (make run shows a demo)."

Days = Annotated[int, whole_number_between(1, 3650, "days")]


class CollectorSettings(ReplicaSettings, ChannelSettings, ApiAddressSettings, RedisSettings):
    github_token: SecretStr | None = None
    github_app_id: str | None = None
    github_app_private_key: SecretStr | None = None
    github_app_installation_id: int | None = None
    github_api_url: str = "https://api.github.com"
    # Suffixes of the host names of GitHub's log storage.
    log_hosts: str = ""
    rate_limit_reserve: Annotated[float, number_between(0, 90, "percent of the hourly limit")] = 10.0
    # Settings of the API, like its address and DATABASE_REPLICA_URL; `doctor` checks them.
    api_keys: SecretStr | None = None
    github_webhook_secret: SecretStr | None = None
    poll_interval_minutes: Annotated[float, number_between(0.05, 1440, "minutes between polls")] = 5.0
    backfill_days: Days = 30
    collect_logs: Literal["failed", "all", "none"] = "failed"
    retention_days: Days = 400
    log_retention_days: Days = 90
    audit_retention_days: Days = 730
    alert_threshold: str = "3"
    prices_file: str | None = None
    teams_file: str | None = None
    # The teams of the demo, unless TEAMS_FILE is set.
    demo_teams_file: str | None = None
    demo: bool = Field(False, validation_alias="pipeline_health_demo")
    # The settings for GitHub that the demo replaces.
    _before_demo: "CollectorSettings | None" = PrivateAttr(None)

    @property
    def repos(self) -> tuple[str, ...]:
        return tuple(entry.strip() for entry in self.github_repos.split(",") if entry.strip())

    @property
    def log_host_suffixes(self) -> tuple[str, ...]:
        return tuple(
            part.strip().removeprefix("*").strip(".").lower() for part in self.log_hosts.split(",") if part.strip()
        )

    @property
    def threshold(self) -> Threshold:
        return parse_threshold(self.alert_threshold)

    @property
    def prices(self) -> PriceList:
        return read_price_list(self.prices_file) if self.prices_file else EMPTY_PRICE_LIST

    @property
    def has_credentials(self) -> bool:
        return bool(self.token or self.github_app_id)

    @property
    def setup_settings(self) -> "CollectorSettings | None":
        """The settings for GitHub while GITHUB_REPOS is empty, also beside a demo; null if it is set."""
        return self._before_demo if self.demo else None if self.repos else self

    def secret_values(self) -> tuple[str, ...]:
        return super().secret_values() + (self._before_demo.secret_values() if self._before_demo else ())

    @property
    def token(self) -> str | None:
        return self.github_token.get_secret_value().strip() or None if self.github_token else None

    @field_validator("github_repos")
    @classmethod
    def _repos(cls, value: str) -> str:
        for entry in (part.strip() for part in value.split(",")):
            if entry and not _ENTRY.fullmatch(entry):
                raise ValueError(f"{entry[:60]!r} is not a valid repository; {_REPOS_FORMS}")
        return value

    @field_validator("github_api_url", "app_url", "demo_github_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"invalid value {value[:60]!r}; expected a URL that begins with http:// or https://")
        if parts.username or parts.password:
            raise ValueError("the URL must not contain a user or password; a token goes into GITHUB_TOKEN")
        return value.rstrip("/")

    @field_validator("log_hosts")
    @classmethod
    def _check_log_hosts(cls, value: str) -> str:
        for part in (part.strip() for part in value.split(",")):
            if part and not _HOST.fullmatch(part):
                raise ValueError(
                    f"{part[:60]!r} is not a host name; use names such as blob.core.windows.net, separated by commas; "
                    "their subdomains are included"
                )
        return value

    @field_validator("github_token")
    @classmethod
    def _printable_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[\x21-\x7e]*", value.get_secret_value().strip()):
            raise ValueError("the token contains spaces or characters that no token has; copy it again")
        return value

    @field_validator("alert_threshold")
    @classmethod
    def _threshold(cls, value: str) -> str:
        parse_threshold(value)
        return value

    @field_validator("prices_file")
    @classmethod
    def _check_prices_file(cls, value: str | None) -> str | None:
        if value is not None:
            read_price_list(value)
        return value

    @field_validator("teams_file", "demo_teams_file")
    @classmethod
    def _check_teams_file(cls, value: str | None) -> str | None:
        if value is not None:
            read_teams_file(value, check_channel=check_channel)
        return value

    @field_validator("github_app_id")
    @classmethod
    def _app(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9.]{1,40}", value.strip(), re.ASCII):
            raise ValueError(f"invalid value {value[:40]!r}; expected the App's number or its client ID")
        return value.strip() if value else None

    @field_validator("github_app_private_key")
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_key(value.get_secret_value())
        return value

    @field_validator("github_app_installation_id", mode="before")
    @classmethod
    def _installation(cls, value: object) -> object:
        if value is not None and not re.fullmatch(r"[1-9]\d{0,17}", str(value).strip(), re.ASCII):
            raise ValueError(
                f"invalid value {str(value)[:40]!r}; expected a number, the last part of the URL of the installation's "
                "page on GitHub"
            )
        return value

    @model_validator(mode="after")
    def _check_app_settings(self) -> "CollectorSettings":
        """A token and an App could have different permissions, so only one of them may be set."""
        if self.github_app_id and self.token:
            raise ValueError("GITHUB_APP_ID: GITHUB_TOKEN is set, too; unset one of them")
        if self.github_app_id and not self.github_app_private_key:
            raise ValueError(
                "GITHUB_APP_ID: the App's key is missing; set GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE"
            )
        for name, value in (
            ("GITHUB_APP_PRIVATE_KEY", self.github_app_private_key),
            ("GITHUB_APP_INSTALLATION_ID", self.github_app_installation_id),
        ):
            if value and not self.github_app_id:
                raise ValueError(f"{name}: the App's number is missing; set GITHUB_APP_ID")
        return self

    @model_validator(mode="after")
    def _require_https_for_token(self) -> "CollectorSettings":
        """The demo's token is no secret."""
        if (self.token or self.github_app_id) and not (self.demo_github_url and not self.repos):
            remedy = self.encryption_remediation(self.github_api_url)
            if remedy:
                secret = "GITHUB_TOKEN" if self.token else "the GitHub App's token"
                raise ValueError(f"GITHUB_API_URL: {secret} would be sent unencrypted; {remedy}")
        return self

    @model_validator(mode="after")
    def _reset_for_demo(self) -> "CollectorSettings":
        """Without repositories, make run shows a demo. Settings for GitHub, such as the token, are not sent to it."""
        if self.demo_github_url and not self.repos:
            self._before_demo = self.model_copy()
            self.github_repos, self.github_api_url, self.demo = "acme/*", self.demo_github_url, True
            self.github_token, self.github_app_id, self.github_app_private_key = SecretStr("demo"), None, None
            self.teams_file = self.teams_file or self.demo_teams_file
            if "poll_interval_minutes" not in self.model_fields_set:
                self.poll_interval_minutes = _DEMO_POLL_MINUTES
            if "backfill_days" not in self.model_fields_set:
                self.backfill_days = _DEMO_BACKFILL_DAYS
        return self
