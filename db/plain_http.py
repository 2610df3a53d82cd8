"""Which addresses may get a secret: encrypted ones, those of this machine, and hosts that ALLOW_PLAIN_HTTP names."""

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import field_validator

from db.config import EnvironmentSettings

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
    def _hosts(cls, value: str) -> str:
        for part in (part.strip() for part in value.split(",")):
            if part and not _HOST.fullmatch(part):
                raise ValueError(f"{part[:60]!r} is no host; write names without scheme and port, commas between")
        return value

    def without_encryption(self, url: str) -> str | None:
        """What is to be done where a secret must not be sent to this URL; null where it may be."""
        if is_safe(url, self.plain_hosts):
            return None
        host = urlsplit(url.strip()).hostname
        return f"use https://, or name {host} in ALLOW_PLAIN_HTTP where nobody else reads the network in between"
