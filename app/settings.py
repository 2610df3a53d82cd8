"""The UI's settings: the only place in it that reads the environment."""

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from core.http.settings import ListenAddress, ServerSettings, is_safe
from core.settings import ReplicaSettings

EVERYBODY = "*"
MIN_SECRET_LENGTH = 32
# The provider's part, which is there as a whole or not at all.
_PROVIDER = ("auth_oidc_metadata_url", "auth_oidc_client_id", "auth_oidc_client_secret", "auth_cookie_secret")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = rf"({_LABEL}\.){{1,126}}{_LABEL}"
EMAIL = re.compile(rf'(?P<user>[^\s@"<>,;:\\\x00-\x1f\x7f]{{1,64}})@(?P<domain>{DOMAIN})')

# Microsoft's clouds, and what stands in the place of a tenant for any of them.
_MICROSOFT = ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn",
              "login.windows.net", "login.microsoft.com", "sts.windows.net")  # fmt: skip
_ANY_TENANT = ("common", "organizations", "consumers")


def is_multi_tenant(address: str) -> bool:
    """There any Microsoft account may sign in, and its owner chooses the address that is told."""
    told = urlsplit(address.strip().lower())
    return told.hostname in _MICROSOFT and told.path.lstrip("/").split("/")[0] in _ANY_TENANT


class DashboardSettings(ReplicaSettings):
    """Where the data is, and the form of the log; everything else the collector says of itself in the database."""


class AccessSettings(ServerSettings):
    """Who reaches the dashboard, and the login: none without any of the AUTH_ settings. An OpenID Connect provider says
    who somebody is, the lists who may in."""

    # In a container the address that Streamlit listens at says nothing: this is where its port is published.
    app_publish: str = ""
    auth_oidc_metadata_url: str | None = None
    auth_oidc_client_id: str | None = None
    auth_oidc_client_secret: SecretStr | None = None
    auth_cookie_secret: SecretStr | None = None
    auth_allowed_domains: str = ""
    auth_allowed_emails: str = ""
    auth_session_hours: int = 12

    @property
    def has_provider(self) -> bool:
        return self.auth_oidc_metadata_url is not None

    def listen_address(self, bind_address: str) -> ListenAddress:
        """`bound`: Streamlit's server.address."""
        return ListenAddress(
            bind_address=bind_address, published=self.app_publish, port=self.app_port, bind_variable="--server.address",
            publish_variable="APP_PUBLISH", guard="AUTH_OIDC_METADATA_URL", missing="there is no login",
        )  # fmt: skip

    @property
    def domains(self) -> frozenset[str]:
        return _lower_values(self.auth_allowed_domains)

    @property
    def emails(self) -> frozenset[str]:
        return _lower_values(self.auth_allowed_emails)

    @field_validator("auth_oidc_metadata_url")
    @classmethod
    def _metadata(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not is_safe(value) or "/.well-known/" not in value:
            raise ValueError(
                f"given was {value[:80]!r}; allowed is the https:// address of the provider's description, which ends "
                "with /.well-known/openid-configuration"
            )
        if is_multi_tenant(value):
            raise ValueError("this address lets any Microsoft account choose its e-mail; name your own tenant in it")
        return value

    @field_validator("auth_cookie_secret")
    @classmethod
    def _cookie(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value().strip()) < MIN_SECRET_LENGTH:
            raise ValueError(f"it is shorter than {MIN_SECRET_LENGTH} characters; make one with openssl rand -hex 32")
        return value

    @field_validator("auth_allowed_domains")
    @classmethod
    def _domains(cls, value: str) -> str:
        for each in _lower_values(value):
            if each != EVERYBODY and not re.fullmatch(DOMAIN, each):
                raise ValueError(
                    f"given was {each[:60]!r}; allowed are domains such as example.com, commas between (with other "
                    "letters in their xn-- form), or * for everybody whom the provider signs in"
                )
        return value

    @field_validator("auth_allowed_emails")
    @classmethod
    def _emails(cls, value: str) -> str:
        for each in _lower_values(value):
            if not (each.isascii() and EMAIL.fullmatch(each)):
                raise ValueError(
                    f"given was {each[:60]!r}; allowed are addresses such as a@example.com, commas between"
                )
        return value

    @field_validator("auth_session_hours", mode="before")
    @classmethod
    def _hours(cls, value: object) -> int:
        text = str(value).strip()
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 336):
            raise ValueError(f"given was {text[:20]!r}; allowed is a whole number of hours from 1 to 336")
        return int(text)

    @field_validator("app_url")
    @classmethod
    def _app(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("allowed is a URL without a user that begins with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        missing = [name.upper() for name in _PROVIDER if getattr(self, name) is None]
        if missing and len(missing) < len(_PROVIDER):
            raise ValueError(f"{missing[0]}: it is missing; the login needs {', '.join(map(str.upper, _PROVIDER))}")
        return self


def _lower_values(text: str) -> frozenset[str]:
    return frozenset(each.strip().lower() for each in text.split(",") if each.strip())
