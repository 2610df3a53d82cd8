"""The dashboard's settings. No other module of the dashboard reads the environment."""

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from core.http.settings import ListenAddress, ServerSettings, is_safe
from db.settings import ReplicaSettings

EVERYBODY = "*"
MIN_SECRET_LENGTH = 32
# A login needs all of these.
_PROVIDER = ("auth_oidc_metadata_url", "auth_oidc_client_id", "auth_oidc_client_secret", "auth_cookie_secret")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = rf"({_LABEL}\.){{1,126}}{_LABEL}"
EMAIL = re.compile(rf'(?P<user>[^\s@"<>,;:\\\x00-\x1f\x7f]{{1,64}})@(?P<domain>{DOMAIN})')

# https://www.rfc-editor.org/rfc/rfc6749#section-3.3
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")

_MICROSOFT_HOSTS = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
)
# Path segments that Microsoft accepts instead of a tenant.
_ANY_TENANT = ("common", "organizations", "consumers")


def is_multi_tenant(url: str) -> bool:
    """Whether a metadata URL accepts accounts of all Microsoft tenants, whose owners choose their e-mail address."""
    parts = urlsplit(url.strip().lower())
    return parts.hostname in _MICROSOFT_HOSTS and parts.path.lstrip("/").split("/")[0] in _ANY_TENANT


class DashboardSettings(ReplicaSettings):
    """The database and the format of the log. Everything else that pages show about the installation is in the
    database."""


class AccessSettings(ServerSettings):
    """Addresses of the dashboard and its login. Without AUTH_… variables there is no login. An OpenID Connect provider
    authenticates users; the lists of domains and addresses authorize them."""

    # Where a container's port is published: within the container Streamlit listens on all addresses.
    app_publish: str = ""
    auth_oidc_metadata_url: str | None = None
    auth_oidc_client_id: str | None = None
    auth_oidc_client_secret: SecretStr | None = None
    auth_cookie_secret: SecretStr | None = None
    auth_allowed_domains: str = ""
    auth_allowed_emails: str = ""
    auth_roles: str = ""
    auth_oidc_scopes: str = "openid email profile"
    auth_session_hours: int = 12

    @property
    def has_provider(self) -> bool:
        return self.auth_oidc_metadata_url is not None

    def listen_address(self, bind_address: str) -> ListenAddress:
        """`bind_address`: Streamlit's server.address."""
        return ListenAddress(
            bind_address=bind_address,
            published=self.app_publish,
            port=self.app_port,
            bind_variable="--server.address",
            publish_variable="APP_PUBLISH",
            guard="AUTH_OIDC_METADATA_URL",
            missing="there is no login",
        )

    @property
    def domains(self) -> frozenset[str]:
        return _lower_values(self.auth_allowed_domains)

    @property
    def emails(self) -> frozenset[str]:
        return _lower_values(self.auth_allowed_emails)

    @field_validator("auth_oidc_metadata_url")
    @classmethod
    def _validate_metadata_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not is_safe(value) or "/.well-known/" not in value:
            raise ValueError(
                f"invalid value {value[:80]!r}; expected the https:// URL of the provider's discovery document, which "
                "ends with /.well-known/openid-configuration"
            )
        if is_multi_tenant(value):
            raise ValueError(
                "this URL accepts every Microsoft account, whose owner chooses its e-mail address; use the URL of your "
                "own tenant"
            )
        return value

    @field_validator("auth_cookie_secret")
    @classmethod
    def _validate_cookie_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value and len(value.get_secret_value().strip()) < MIN_SECRET_LENGTH:
            raise ValueError(f"it is shorter than {MIN_SECRET_LENGTH} characters; create one with openssl rand -hex 32")
        return value

    @field_validator("auth_allowed_domains")
    @classmethod
    def _validate_domains(cls, value: str) -> str:
        for domain in _lower_values(value):
            if domain != EVERYBODY and not re.fullmatch(DOMAIN, domain):
                raise ValueError(
                    f"invalid value {domain[:60]!r}; expected comma-separated domains such as example.com "
                    "(internationalized ones in their xn-- form), or * for every account of the provider"
                )
        return value

    @field_validator("auth_allowed_emails")
    @classmethod
    def _validate_emails(cls, value: str) -> str:
        for email in _lower_values(value):
            if not (email.isascii() and EMAIL.fullmatch(email)):
                raise ValueError(
                    f"invalid value {email[:60]!r}; expected comma-separated addresses such as a@example.com"
                )
        return value

    @field_validator("auth_oidc_scopes")
    @classmethod
    def _validate_scopes(cls, value: str) -> str:
        scopes = value.replace(",", " ").split()
        if "openid" not in scopes or not all(_SCOPE.fullmatch(scope) for scope in scopes):
            raise ValueError(
                f"invalid value {value[:80]!r}; expected scopes separated by blanks, with openid, such as openid email "
                "profile groups"
            )
        return " ".join(dict.fromkeys(scopes))

    @field_validator("auth_session_hours", mode="before")
    @classmethod
    def _parse_session_hours(cls, value: object) -> int:
        text = str(value).strip()
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 336):
            raise ValueError(f"invalid value {text[:20]!r}; expected a whole number of hours from 1 to 336")
        return int(text)

    @field_validator("app_url")
    @classmethod
    def _validate_app_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("invalid value; expected a URL that begins with http:// or https:// and has no user name")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        missing = [name.upper() for name in _PROVIDER if getattr(self, name) is None]
        if missing and len(missing) < len(_PROVIDER):
            raise ValueError(f"{missing[0]}: it is missing; the login needs {', '.join(map(str.upper, _PROVIDER))}")
        return self


def _lower_values(text: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())
