"""The configured login: from AUTH_… variables, or from an [auth] section of Streamlit's secrets.toml."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from app.access.policy import AccessDenied, AccessPolicy, User, authorize
from app.access.roles import parse_roles
from app.settings import EVERYBODY, MIN_SECRET_LENGTH, AccessSettings, is_multi_tenant
from app.streamlit_patches.cookies import set_cookie_secret
from core.http.settings import is_safe
from core.roles import Role
from core.settings import ConfigError, find_example

CALLBACK = "/oauth2callback"
_REQUIRED = ("client_id", "client_secret", "server_metadata_url")
_GOOGLE_HOST = "accounts.google.com"
_PROVIDER_LABELS = {_GOOGLE_HOST: "Google", "login.microsoftonline.com": "Microsoft"}


@dataclass(frozen=True)
class LoginConfig:
    """`origin`: scheme and host of the dashboard, for which the cookies are valid. `base`: the base path, empty or like
    `/x`. `providers`: label by Streamlit's name of the provider. `secrets`: the [auth] section that Streamlit is given;
    null if it reads the section from its own file."""

    policy: AccessPolicy
    origin: str
    base: str
    providers: Mapping[str, str]
    secrets: Mapping[str, Any] | None
    secret_values: tuple[str, ...]

    @property
    def has_admins(self) -> bool:
        return any(entry.role == Role.ADMIN for entry in self.policy.roles)

    @property
    def encrypted(self) -> bool:
        return self.origin.startswith("https:")

    def authorize(self, claims: Mapping[str, Any]) -> User | AccessDenied:
        return authorize(claims, self.policy, time.time())


@cache
def login() -> LoginConfig | None:
    """Null without a login. Raises ConfigError.

    The configuration is read once, at the start: removing a file later denies access and never opens the dashboard.
    """
    settings = AccessSettings.load()
    section = _secrets_file_section()
    if section and settings.has_provider:
        raise ConfigError(
            "AUTH_OIDC_METADATA_URL: Streamlit's secrets have an [auth] section, too; remove one of them."
        )
    if not section and not settings.has_provider:
        unused = {
            "AUTH_ALLOWED_DOMAINS": settings.domains,
            "AUTH_ALLOWED_EMAILS": settings.emails,
            "AUTH_ROLES": settings.auth_roles,
        }
        if name := next((name for name, value in unused.items() if value), None):
            raise ConfigError(
                f"{name}: has no effect without a login; set AUTH_OIDC_METADATA_URL and the other AUTH_… variables."
            )
        return None
    auth = section or _settings_section(settings)
    config = _login_config(settings, auth, in_secrets_file=bool(section))
    set_cookie_secret(auth["cookie_secret"])
    return config


def _login_config(settings: AccessSettings, auth: Mapping[str, Any], *, in_secrets_file: bool) -> LoginConfig:
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    redirect = urlsplit(str(auth["redirect_uri"]))
    if redirect.netloc != _normalize_netloc(redirect):
        raise ConfigError(
            f"APP_URL: a login's cookies are valid for the host as browsers write it; the host must be "
            f"{_normalize_netloc(redirect)} (also in [auth] redirect_uri)."
        )
    if redirect.path.removesuffix(CALLBACK).strip("/") != base:
        raise ConfigError(
            f"APP_URL: with a login its path must be the dashboard's base path (/{base}, Streamlit's "
            "server.baseUrlPath)."
        )
    providers = _providers(auth)
    _check_policy(settings, [str(provider["server_metadata_url"]) for provider in providers.values()])
    return LoginConfig(
        policy=AccessPolicy(
            settings.domains,
            settings.emails,
            settings.auth_session_hours * 3600,
            parse_roles(settings.auth_roles),
        ),
        origin=f"{redirect.scheme}://{redirect.netloc}",
        base=f"/{base}" if base else "",
        providers={name: _label(str(provider["server_metadata_url"])) for name, provider in providers.items()},
        secrets=None if in_secrets_file else {"auth": dict(auth)},
        secret_values=(
            str(auth["cookie_secret"]),
            *(str(provider["client_secret"]) for provider in providers.values()),
        ),
    )


def _normalize_netloc(url: SplitResult) -> str:
    """As in an Origin header: lower case, without the scheme's default port."""
    default_port = {"https": ":443", "http": ":80"}.get(url.scheme, "")
    return url.netloc.lower().removesuffix(default_port)


def _check_policy(settings: AccessSettings, metadata_urls: list[str]) -> None:
    if not settings.domains and not settings.emails:
        raise ConfigError(
            "AUTH_ALLOWED_DOMAINS: it is missing; list the e-mail domains that may sign in, or * for every account of "
            "the provider."
        )
    if EVERYBODY in settings.domains and any(urlsplit(url).hostname == _GOOGLE_HOST for url in metadata_urls):
        raise ConfigError("AUTH_ALLOWED_DOMAINS: * would allow every Google account; list domains.")


def _settings_section(settings: AccessSettings) -> dict[str, Any]:
    """The [auth] section of the AUTH_… variables."""
    if not is_safe(settings.app_url):
        raise ConfigError(
            "APP_URL: a login needs https:// (or localhost): a cookie grants the same access as a password."
        )
    secret, cookie = settings.auth_oidc_client_secret, settings.auth_cookie_secret
    return {
        "redirect_uri": settings.app_url + CALLBACK,
        "cookie_secret": cookie.get_secret_value().strip() if cookie else "",
        "client_id": settings.auth_oidc_client_id or "",
        "client_secret": secret.get_secret_value().strip() if secret else "",
        "server_metadata_url": settings.auth_oidc_metadata_url or "",
        "client_kwargs": {"scope": settings.auth_oidc_scopes},
    }


def _secrets_file_section() -> dict[str, Any] | None:
    """The [auth] section of secrets.toml. Raises ConfigError for a file that cannot be read: Streamlit would start
    without the login."""
    files = [Path(str(name)) for name in st.get_option("secrets.files")]
    if not any(file.exists() for file in files):
        return None
    try:
        section = st.secrets.to_dict().get("auth")
    except StreamlitSecretNotFoundError as error:
        if any(file.is_file() for file in files):
            raise ConfigError(
                "secrets.toml: Streamlit cannot read it; correct the TOML, or remove the file."
            ) from error
        return None
    if section is None:
        return None
    if not isinstance(section, dict) or not str(section.get("redirect_uri", "")).endswith(CALLBACK):
        raise ConfigError(f"secrets.toml: [auth] needs redirect_uri, the dashboard's address and {CALLBACK}.")
    if not is_safe(str(section["redirect_uri"])):
        raise ConfigError("secrets.toml: [auth] redirect_uri must begin with https:// (or http://localhost).")
    if len(str(section.get("cookie_secret", ""))) < MIN_SECRET_LENGTH:
        raise ConfigError(f"secrets.toml: [auth] needs cookie_secret, at least {MIN_SECRET_LENGTH} characters.")
    return section


def _providers(auth: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The providers of an [auth] section by name: its subsections, or the section itself as `default` if it has a
    client_id. Raises ConfigError."""
    subsections: dict[str, Mapping[str, Any]] = {
        name: value for name, value in auth.items() if isinstance(value, dict) and name != "client_kwargs"
    }
    providers = {"default": auth} if "client_id" in auth else subsections
    if not providers:
        raise ConfigError("secrets.toml: [auth] names no provider: client_id, client_secret, server_metadata_url.")
    for name, provider in providers.items():
        missing = [key for key in _REQUIRED if not provider.get(key)]
        if missing:
            raise ConfigError(f"secrets.toml: [auth] {name} needs {', '.join(missing)}.")
        if any(find_example(str(provider.get(key, ""))) for key in ("client_secret", "cookie_secret")):
            raise ConfigError(f"secrets.toml: [auth] {name} contains the secret of an example; replace it.")
        metadata_url = str(provider["server_metadata_url"])
        if is_multi_tenant(metadata_url):
            raise ConfigError(
                f"secrets.toml: [auth] {name}: server_metadata_url accepts every Microsoft account, whose owner "
                "chooses its e-mail address; use the URL of your own tenant."
            )
        if not is_safe(metadata_url):
            raise ConfigError(f"secrets.toml: [auth] {name}: server_metadata_url must begin with https://.")
    return providers


def _label(metadata_url: str) -> str:
    host = urlsplit(metadata_url).hostname or ""
    return _PROVIDER_LABELS.get(host, "Okta" if host.endswith(".okta.com") else host)
