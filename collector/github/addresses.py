"""Which addresses a download may lead to: a redirect is text from outside, and what lies behind it is stored as a log
for everybody to read."""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from collector.github.errors import BadAnswer, Unreachable

GITHUB_COM = "api.github.com"
# Where github.com keeps logs and archives (docs.github.com, "Self-hosted runners reference", domains).
GITHUBS_LOG_HOSTS = ("actions.githubusercontent.com", "blob.core.windows.net", "codeload.github.com")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL = "public"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def kind_of(address: Address) -> str:
    """`public`, `loopback`, `link-local`, `private`, or `reserved` for all the rest, of the IPv4 address within one of
    IPv6 where it stands for one."""
    address = _within(address)
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return "reserved"
    if address.is_global:
        return _GLOBAL
    return "private" if address.is_private else "reserved"


def _within(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


class LogHosts:
    """`allowed`: suffixes of host names; without any, GitHub's own for github.com, and for another server whatever host
    has an address that may be used."""

    def __init__(self, api_url: str, allowed: Sequence[str] = ()) -> None:
        parts = urlsplit(api_url)
        self._scheme, self._api_host = parts.scheme, parts.hostname or ""
        usual = GITHUBS_LOG_HOSTS if self._api_host == GITHUB_COM else ()
        self._allowed = tuple(each.lower().strip(".") for each in allowed) or usual

    def check(self, url: str) -> None:
        """Raises BadAnswer where no connection may be made for this URL, whatever its host resolves to."""
        try:
            parts = urlsplit(url)
            host, _ = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("http", "https"):
            raise BadAnswer("GitHub redirected a download to nowhere")
        if parts.scheme != "https" and self._scheme == "https":
            raise BadAnswer(f"GitHub redirected a download to {host} without https; not followed")
        if parts.username or parts.password:
            raise BadAnswer(f"GitHub redirected a download to {host} with a password; not followed")
        own_host = host == self._api_host
        if self._allowed and not own_host and not any(_is_under(host, each) for each in self._allowed):
            raise BadAnswer(f"GitHub redirected a download to {host}, which LOG_HOSTS does not name; not followed")

    def addresses(self, host: str, port: int) -> list[str]:
        """Those of the host, every one of them checked. Raises BadAnswer, and OSError where the name is unknown."""
        found = _resolved(host, port)
        allowed = {_GLOBAL, *self._kinds_of_api()} if any(kind_of(each) != _GLOBAL for each in found) else {_GLOBAL}
        for address in found:
            if kind_of(address) not in allowed:
                raise BadAnswer(
                    f"GitHub redirected a download to {host}, a {kind_of(address)} address ({address}); not followed"
                )
        return [str(each) for each in found]

    def check_behind_proxy(self, host: str) -> None:
        """A proxy resolves the name; what this machine knows of it is checked all the same. Raises BadAnswer."""
        try:
            self.addresses(host, 443)
        except OSError:
            return

    def _kinds_of_api(self) -> set[str]:
        """A server in a private network keeps its logs there, too."""
        try:
            return {kind_of(each) for each in _resolved(self._api_host, 443)}
        except OSError:
            raise Unreachable(f"{self._api_host} cannot be resolved") from None


def _is_under(host: str, suffix: str) -> bool:
    return host == suffix or host.endswith(f".{suffix}")


def _resolved(host: str, port: int) -> list[Address]:
    found: Iterable[str] = (str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [ipaddress.ip_address(each.partition("%")[0]) for each in dict.fromkeys(found)]
