"""The login, if one is configured: by AUTH_… variables, or by an [auth] section that somebody wrote for Streamlit."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import streamlit as st
from streamlit import config
from streamlit.errors import StreamlitSecretNotFoundError

from app.access.policy import AccessDenied, AccessPolicy, User, authorize
from app.settings import EVERYBODY, MIN_SECRET_LENGTH, AccessSettings, is_multi_tenant
from core.http.settings import is_safe
from core.settings import ConfigError, find_example

CALLBACK = "/oauth2callback"
_REQUIRED = ("client_id", "client_secret", "server_metadata_url")
_PROVIDER_LABELS = {"accounts.google.com": "Google", "login.microsoftonline.com": "Microsoft"}


@dataclass(frozen=True)
class LoginConfig:
    """`origin`: scheme and host that the cookies are for. `base`: the path below it, empty or like /x. `providers`:
    names by which Streamlit knows them, to what people call them. `secrets`: what Streamlit is told of it, if it does
    not know by itself."""

    policy: AccessPolicy
    origin: str
    base: str
    providers: Mapping[str, str]
    secrets: Mapping[str, Any] | None
    secret_values: tuple[str, ...]

    @property
    def encrypted(self) -> bool:
        return self.origin.startswith("https:")

    def authorize(self, claims: Mapping[str, Any]) -> User | AccessDenied:
        return authorize(claims, self.policy, time.time())


@cache
def login() -> LoginConfig | None:
    """Read once, at the start: what is taken out of a file later locks out, and opens nothing. Raises ConfigError."""
    settings = AccessSettings.load()
    written = _secrets_file_section()
    if written and settings.has_provider:
        raise ConfigError("AUTH_OIDC_METADATA_URL: Streamlit's secrets have an [auth] section, too; keep one of them.")
    if not written and not settings.has_provider:
        if settings.domains or settings.emails:
            name = "AUTH_ALLOWED_DOMAINS" if settings.domains else "AUTH_ALLOWED_EMAILS"
            raise ConfigError(f"{name}: it is set without a login; set AUTH_OIDC_METADATA_URL and what belongs to it.")
        return None
    auth = written or _section(settings)
    found = _login(settings, auth, in_secrets_file=bool(written))
    # Streamlit signs the way to the provider and back with this one, before it reads its secrets.
    config.set_option("server.cookieSecret", auth["cookie_secret"])
    return found


def _login(settings: AccessSettings, auth: Mapping[str, Any], *, in_secrets_file: bool) -> LoginConfig:
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    redirect = urlsplit(str(auth["redirect_uri"]))
    if redirect.netloc != _normalize_netloc(redirect):
        raise ConfigError(
            f"APP_URL: a login's cookies are for the address as browsers write it; its host must be "
            f"{_normalize_netloc(redirect)} (also in [auth] redirect_uri)."
        )
    if redirect.path.removesuffix(CALLBACK).strip("/") != base:
        raise ConfigError(
            f"APP_URL: its path must be the one that the dashboard is served at (/{base}, Streamlit's "
            "server.baseUrlPath) where there is a login."
        )
    providers = _providers(auth)
    _check_policy(settings, [str(each["server_metadata_url"]) for each in providers.values()])
    return LoginConfig(
        AccessPolicy(settings.domains, settings.emails, settings.auth_session_hours * 3600),
        f"{redirect.scheme}://{redirect.netloc}",
        f"/{base}" if base else "",
        {name: _label(str(each["server_metadata_url"])) for name, each in providers.items()},
        None if in_secrets_file else {"auth": dict(auth)},
        (str(auth["cookie_secret"]), *(str(each["client_secret"]) for each in providers.values())),
    )


def _normalize_netloc(url: SplitResult) -> str:
    """In an Origin header: lower case, without the usual port."""
    usual = {"https": ":443", "http": ":80"}.get(url.scheme, "")
    return url.netloc.lower().removesuffix(usual)


def _check_policy(settings: AccessSettings, addresses: list[str]) -> None:
    if not settings.domains and not settings.emails:
        raise ConfigError(
            "AUTH_ALLOWED_DOMAINS: it is missing; name the e-mail domains that may sign in, or * for everybody whom "
            "the provider signs in."
        )
    if EVERYBODY in settings.domains and any(urlsplit(each).hostname == "accounts.google.com" for each in addresses):
        raise ConfigError("AUTH_ALLOWED_DOMAINS: * would let in everybody with a Google account; name domains.")


def _section(settings: AccessSettings) -> dict[str, Any]:
    if not is_safe(settings.app_url):
        raise ConfigError("APP_URL: a login needs https:// (or localhost): its cookies are as good as a password.")
    secret, cookie = settings.auth_oidc_client_secret, settings.auth_cookie_secret
    return {
        "redirect_uri": settings.app_url + CALLBACK,
        "cookie_secret": cookie.get_secret_value().strip() if cookie else "",
        "client_id": settings.auth_oidc_client_id or "",
        "client_secret": secret.get_secret_value().strip() if secret else "",
        "server_metadata_url": settings.auth_oidc_metadata_url or "",
    }


def _secrets_file_section() -> dict[str, Any] | None:
    """Streamlit goes on without secrets where it cannot read them: here that would open the door."""
    files = [str(each) for each in st.get_option("secrets.files")]
    if not any(Path(each).exists() for each in files):
        return None
    try:
        found = st.secrets.to_dict().get("auth")
    except StreamlitSecretNotFoundError as error:
        if any(Path(each).is_file() for each in files):
            raise ConfigError("secrets.toml: Streamlit cannot read it; see its TOML, or take it away.") from error
        return None
    if found is None:
        return None
    if not isinstance(found, dict) or not str(found.get("redirect_uri", "")).endswith(CALLBACK):
        raise ConfigError(f"secrets.toml: [auth] needs redirect_uri, the dashboard's address and {CALLBACK}.")
    if not is_safe(str(found["redirect_uri"])):
        raise ConfigError("secrets.toml: [auth] redirect_uri must begin with https:// (or http://localhost).")
    if len(str(found.get("cookie_secret", ""))) < MIN_SECRET_LENGTH:
        raise ConfigError(f"secrets.toml: [auth] needs cookie_secret, at least {MIN_SECRET_LENGTH} characters.")
    return found


def _providers(auth: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Of an [auth] with client_id that one, called default; else its sections."""
    sections: dict[str, Mapping[str, Any]] = {
        name: each for name, each in auth.items() if isinstance(each, dict) and name != "client_kwargs"
    }
    found = {"default": auth} if "client_id" in auth else sections
    if not found:
        raise ConfigError("secrets.toml: [auth] names no provider: client_id, client_secret, server_metadata_url.")
    for name, each in found.items():
        missing = [key for key in _REQUIRED if not each.get(key)]
        if missing:
            raise ConfigError(f"secrets.toml: [auth] {name} needs {', '.join(missing)}.")
        if any(find_example(str(each.get(key, ""))) for key in ("client_secret", "cookie_secret")):
            raise ConfigError(f"secrets.toml: [auth] {name} holds a secret of an example; put the real one there.")
        if is_multi_tenant(str(each["server_metadata_url"])):
            raise ConfigError(
                f"secrets.toml: [auth] {name}: server_metadata_url lets any Microsoft account choose its e-mail; name "
                "your own tenant in it."
            )
        if not is_safe(str(each["server_metadata_url"])):
            raise ConfigError(f"secrets.toml: [auth] {name}: server_metadata_url must begin with https://.")
    return found


def _label(address: str) -> str:
    host = urlsplit(address).hostname or ""
    return _PROVIDER_LABELS.get(host, "Okta" if host.endswith(".okta.com") else host)
