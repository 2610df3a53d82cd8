"""Settings of HTTP clients and servers: plain HTTP for secrets, host names, and protection of reachable servers.

Secrets are sent only by https, to this machine, or to hosts in ALLOW_PLAIN_HTTP. A server that other machines can reach
must have keys, a login, or a proxy that authenticates (ACCESS_BY_PROXY)."""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, field_validator

from core.http.middleware import HostPolicy
from core.http.origins import AllowedHosts, parse_origin
from core.settings import ConfigError, DashboardUrlSettings, EnvironmentSettings, Port, accepts_remote_connections

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?", re.ASCII)


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_safe(url: str, allowed: Collection[str] = ()) -> bool:
    """True where a secret may be sent to the URL: by https without user information, or by http to this machine or to a
    host in `allowed`."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host) and not parts.username
    return parts.scheme == "http" and bool(host) and (is_loopback(host) or host in allowed)


class PlainHttpSettings(EnvironmentSettings):
    """Settings of programs that send secrets."""

    allow_plain_http: str = ""

    @property
    def plain_hosts(self) -> frozenset[str]:
        return frozenset(part.strip().strip("[]").lower() for part in self.allow_plain_http.split(",") if part.strip())

    @field_validator("allow_plain_http")
    @classmethod
    def _validate_hosts(cls, value: str) -> str:
        for part in (part.strip() for part in value.split(",")):
            if part and not _HOST.fullmatch(part):
                raise ValueError(f"{part[:60]!r} is not a host name; use comma-separated names without scheme and port")
        return value

    def encryption_remediation(self, url: str) -> str | None:
        """The remedy for a URL to which no secret may be sent; null for other URLs."""
        if is_safe(url, self.plain_hosts):
            return None
        host = urlsplit(url.strip()).hostname
        return f"use https://, or add {host} to ALLOW_PLAIN_HTTP if the network in between is trusted"


_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?")
_LISTENS_AT = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
_PORT_ALONE = re.compile(r"(?:https?://)?:\d{1,5}/?")
_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _flag(value: object) -> bool:
    text = str(value).strip().lower()
    if text not in _FLAGS:
        raise ValueError(f"invalid value {text[:20]!r}; expected true or false")
    return _FLAGS[text]


class ProxySettings(DashboardUrlSettings):
    access_by_proxy: Annotated[bool, BeforeValidator(_flag)] = False


class ServerSettings(ProxySettings):
    allowed_hosts: str = ""
    # Also read by uvicorn: proxies whose X-Forwarded-For is trusted. Default: none.
    forwarded_allow_ips: str = ""

    @property
    def hosts(self) -> frozenset[str]:
        """Host names of ALLOWED_HOSTS and APP_URL in lower case, IPv6 addresses without brackets."""
        own = urlsplit(self.app_url).hostname
        return frozenset(_hosts(self.allowed_hosts)) | ({own.lower()} if own else set())

    @field_validator("allowed_hosts")
    @classmethod
    def _allowed_hosts(cls, value: str) -> str:
        _hosts(value)
        return value


@dataclass(frozen=True)
class ListenAddress:
    """The address on which a program listens, and the settings that determine it. `bind_address`: null where unknown.
    `published`: ADDRESS:PORT under which its container is published, empty without a container. `guard`: the setting
    that protects the program; `missing`: a clause for the error that it is not set."""

    bind_address: str | None
    published: str
    port: int
    bind_variable: str
    publish_variable: str
    guard: str
    missing: str

    @property
    def is_open(self) -> bool:
        """True where other machines can reach the address."""
        if self.published:
            return accepts_remote_connections(_published_at(self.published))
        return self.bind_address is not None and accepts_remote_connections(self.bind_address)

    @property
    def display_address(self) -> str:
        """The published address, else the bind address."""
        return self.published or self.bind_address or "it"

    def advice(self) -> str:
        """The error for a program without protection, with the remedies."""
        name, value = (
            (self.publish_variable, self.published)
            if self.published
            else (self.bind_variable, self.bind_address or "it")
        )
        local = f"127.0.0.1:{self.port}" if self.published else "127.0.0.1"
        return (
            f"{self.guard}: {name}={value} accepts connections from other machines and {self.missing}; set "
            f"{self.guard}, or {name} to {local}, or ACCESS_BY_PROXY=true if a proxy in front authenticates users."
        )


class ApiAddressSettings(ProxySettings):
    """Address of the API, for the API itself and for programs that check it."""

    api_host: str = "127.0.0.1"
    api_port: Port = 3000
    # ADDRESS:PORT under which the container's port is published; in a container API_HOST does not matter.
    api_publish: str = ""

    def listen_address(self, *, bind_address: str | None = "") -> ListenAddress:
        """`bind_address`: an address that replaces API_HOST; null where it is unknown."""
        return ListenAddress(
            bind_address=self.api_host if bind_address == "" else bind_address,
            published=self.api_publish,
            port=self.api_port,
            bind_variable="API_HOST" if bind_address == "" else "--host",
            publish_variable="API_PUBLISH",
            guard="API_KEYS",
            missing="no key is set",
        )

    @field_validator("api_host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not _LISTENS_AT.fullmatch(value):
            raise ValueError(f"invalid value {value[:60]!r}; expected an address or a host name, such as 127.0.0.1")
        return value


def require_protection(settings: ProxySettings, address: ListenAddress, *, guarded: bool) -> None:
    """Raises ConfigError where other machines can reach a program that has neither keys nor a login nor an
    authenticating proxy, and in production also where its keys or secrets are too short. `guarded`: it has keys or a
    login."""
    if not address.is_open:
        return
    if not guarded and not settings.access_by_proxy:
        raise ConfigError(address.advice())
    if settings.backend_env == "prod" and (weak := settings.weak_secrets()):
        raise ConfigError(f"{weak[0]}.")


def host_policy(settings: ServerSettings, address: ListenAddress, *, guarded: bool, public: str = "") -> HostPolicy:
    """`public`: a URL under which a proxy publishes this program. An unprotected program whose address may be unknown
    rejects each connection from another machine."""
    public_origin = parse_origin(public)
    reachable = [
        host
        for host in (address.bind_address, _published_at(address.published))
        if host and accepts_remote_connections(host)
    ]
    own_names = [_host(host) for host in reachable if not _is_wildcard(host)]
    local_only = not guarded and not settings.access_by_proxy and not address.published
    reason = f"{address.guard}: {address.missing}, so that only connections from this machine are accepted."
    return HostPolicy(
        hosts=AllowedHosts([*settings.hosts, *own_names, *([public_origin.host] if public_origin else [])]),
        public_origins=(
            frozenset([public_origin]) if public_origin and not is_loopback(public_origin.host) else frozenset()
        ),
        behind_proxy=bool(settings.forwarded_allow_ips.strip()),
        refusal_reason=reason if local_only else None,
    )


def _published_at(published: str) -> str:
    """The address of ADDRESS:PORT; empty for a port without address, which means all addresses."""
    return published.rpartition(":")[0].strip("[]")


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _hosts(value: str) -> list[str]:
    """Host names of a comma-separated list, without entries that are only a port, such as SITE_ADDRESS=:80."""
    parts = (part.strip() for part in value.split(","))
    return [_host(part) for part in parts if part and not _PORT_ALONE.fullmatch(part)]


def _host(text: str) -> str:
    """The host of a name, an address, or a URL, with or without a port. Raises ValueError for other text."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
        host = str(ipaddress.ip_address(host)) if ":" in host else host
    except ValueError:
        host = ""
    if ":" not in host and not _NAME.fullmatch(host):
        raise ValueError(
            f"invalid value {text[:60]!r}; expected host names or addresses such as health.example.com, comma-separated"
        )
    return host
