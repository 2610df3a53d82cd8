"""Which addresses may get a secret: encrypted ones, those of this machine, and hosts that ALLOW_PLAIN_HTTP names.

Settings of a program that listens: by which names it is addressed, and whether anything guards it.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, field_validator

from core.http.middleware import HostPolicy
from core.http.origins import AllowedHosts, Origin, parse_origin
from core.settings import ConfigError, DashboardUrlSettings, EnvironmentSettings, Port, accepts_remote_connections

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?", re.ASCII)


def is_loopback(host: str) -> bool:
    """Whether nobody stands between this machine and that host."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_safe(url: str, allowed: Collection[str] = ()) -> bool:
    """Encrypted, within this machine, or to one of the hosts that are allowed."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host) and not parts.username
    return parts.scheme == "http" and bool(host) and (is_loopback(host) or host in allowed)


class PlainHttpSettings(EnvironmentSettings):
    """Of programs that send secrets."""

    allow_plain_http: str = ""

    @property
    def plain_hosts(self) -> frozenset[str]:
        return frozenset(part.strip().strip("[]").lower() for part in self.allow_plain_http.split(",") if part.strip())

    @field_validator("allow_plain_http")
    @classmethod
    def _validate_hosts(cls, value: str) -> str:
        for part in (part.strip() for part in value.split(",")):
            if part and not _HOST.fullmatch(part):
                raise ValueError(f"{part[:60]!r} is no host; write names without scheme and port, commas between")
        return value

    def encryption_remediation(self, url: str) -> str | None:
        """What is to be done where a secret must not be sent to this URL; null where it may be."""
        if is_safe(url, self.plain_hosts):
            return None
        host = urlsplit(url.strip()).hostname
        return f"use https://, or name {host} in ALLOW_PLAIN_HTTP where nobody else reads the network in between"


_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?")
_LISTENS_AT = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
_PORT_ALONE = re.compile(r"(?:https?://)?:\d{1,5}/?")
_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _flag(value: object) -> bool:
    text = str(value).strip().lower()
    if text not in _FLAGS:
        raise ValueError(f"given was {text[:20]!r}; allowed is true or false")
    return _FLAGS[text]


class ProxySettings(DashboardUrlSettings):
    access_by_proxy: Annotated[bool, BeforeValidator(_flag)] = False


class ServerSettings(ProxySettings):
    allowed_hosts: str = ""
    # uvicorn's own: proxies whose X-Forwarded-For names the client. Nobody is believed without it.
    forwarded_allow_ips: str = ""

    @property
    def hosts(self) -> frozenset[str]:
        """Of ALLOWED_HOSTS and APP_URL; lower case, IPv6 addresses without brackets."""
        own = urlsplit(self.app_url).hostname
        return frozenset(_hosts(self.allowed_hosts)) | ({own.lower()} if own else set())

    @field_validator("allowed_hosts")
    @classmethod
    def _allowed_hosts(cls, value: str) -> str:
        _hosts(value)
        return value


@dataclass(frozen=True)
class ListenAddress:
    """Where a program listens, by the settings that say so. `bound`: the address, null where nobody knows it.
    `published`: ADDRESS:PORT of its container, empty where it is in none. `guard`: the setting that guards it."""

    bind_address: str | None
    published: str
    port: int
    bind_variable: str
    publish_variable: str
    guard: str
    missing: str

    @property
    def is_open(self) -> bool:
        """Do other machines reach it?"""
        if self.published:
            return accepts_remote_connections(_published_at(self.published))
        return self.bind_address is not None and accepts_remote_connections(self.bind_address)

    @property
    def display_address(self) -> str:
        """Where it is published, or listens."""
        return self.published or self.bind_address or "it"

    def advice(self) -> str:
        name, value = (
            (self.publish_variable, self.published)
            if self.published
            else (self.bind_variable, self.bind_address or "it")
        )
        local = f"127.0.0.1:{self.port}" if self.published else "127.0.0.1"
        return (
            f"{self.guard}: {name}={value} lets other machines in and {self.missing}; set {self.guard}, or {name} to "
            f"{local}, or ACCESS_BY_PROXY=true where a proxy in front asks who somebody is."
        )


class ApiAddressSettings(ProxySettings):
    """Where the API listens: its own, and those of who checks them for it."""

    api_host: str = "127.0.0.1"
    api_port: Port = 3000
    # In a container API_HOST says nothing: this is where its port is published, ADDRESS:PORT.
    api_publish: str = ""

    def listen_address(self, *, bind_address: str | None = "") -> ListenAddress:
        """`bound`: the address where it is not API_HOST; null where nobody knows it."""
        return ListenAddress(
            bind_address=self.api_host if bind_address == "" else bind_address, published=self.api_publish, port=self.api_port,
            bind_variable="API_HOST" if bind_address == "" else "--host", publish_variable="API_PUBLISH", guard="API_KEYS",
            missing="no key is set",
        )  # fmt: skip

    @field_validator("api_host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not _LISTENS_AT.fullmatch(value):
            raise ValueError(f"given was {value[:60]!r}; allowed is an address or a host name, such as 127.0.0.1")
        return value


def require_protection(settings: ProxySettings, address: ListenAddress, *, guarded: bool) -> None:
    """One rule for all programs, whatever BACKEND_ENV says: raises ConfigError where other machines reach one that
    neither keys nor a login nor a proxy guards, or in production one whose keys or secrets can be guessed."""
    if not address.is_open:
        return
    if not guarded and not settings.access_by_proxy:
        raise ConfigError(address.advice())
    if settings.backend_env == "prod" and (weak := settings.weak_secrets()):
        raise ConfigError(f"{weak[0]}.")


def host_policy(settings: ServerSettings, address: ListenAddress, *, guarded: bool, public: str = "") -> HostPolicy:
    """`public`: a URL under which a proxy shows this program. Where nobody knows at which address the program listens,
    and nothing guards it, connections of other machines are refused one by one."""
    shown = parse_origin(public)
    own = [
        each
        for each in (address.bind_address, _published_at(address.published))
        if each and accepts_remote_connections(each)
    ]
    unknown = not guarded and not settings.access_by_proxy and not address.published
    return HostPolicy(
        hosts=AllowedHosts([*settings.hosts, *(_host(each) for each in own if not _is_wildcard(each)), *_names(shown)]),
        public_origins=frozenset([shown]) if shown is not None and not is_loopback(shown.host) else frozenset(),
        behind_proxy=bool(settings.forwarded_allow_ips.strip()),
        refusal_reason=f"{address.guard}: {address.missing}, so that this machine alone is answered."
        if unknown
        else None,
    )


def _names(public_origin: Origin | None) -> list[str]:
    return [public_origin.host] if public_origin else []


def _published_at(published: str) -> str:
    """The address of ADDRESS:PORT; empty for a port alone, which stands for all addresses."""
    return published.rpartition(":")[0].strip("[]")


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _hosts(value: str) -> list[str]:
    """A port alone, as in a proxy's SITE_ADDRESS=:80, names no host."""
    parts = (each.strip() for each in value.split(","))
    return [_host(part) for part in parts if part and not _PORT_ALONE.fullmatch(part)]


def _host(text: str) -> str:
    """Of a name, an address, or either with a port or as a URL: the host alone matters."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
        found = str(ipaddress.ip_address(host)) if ":" in host else host
    except ValueError:
        found = ""
    if ":" not in found and not _NAME.fullmatch(found):
        raise ValueError(
            f"given was {text[:60]!r}; allowed are host names and addresses such as health.example.com, commas between"
        )
    return found
