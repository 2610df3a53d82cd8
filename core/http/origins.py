"""Which names a server answers to. A page whose own name was rebound to this machine's address sends that name.

Does a request come from a page of another site? Browsers say so by Origin and Sec-Fetch-Site; programs send
neither.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import Scope

_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::(?P<port>\d{0,5}))?")
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Authority:
    """`host`: lower case, an IPv6 address without brackets. `port` is null where none is named."""

    host: str
    port: int | None

    def port_for(self, scheme: str) -> int:
        return self.port if self.port is not None else _DEFAULT_PORTS.get(scheme, 0)


@dataclass(frozen=True)
class Origin:
    """Of a page, as browsers name it: scheme, host and port."""

    scheme: str
    host: str
    port: int


def parse_authority(text: str) -> Authority | None:
    """The value of a Host header; null for what is none."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and port > 65535:
        return None
    if found["six"] is None:
        return Authority(found["name"].lower(), port)
    try:
        return Authority(str(ipaddress.IPv6Address(found["six"])), port)
    except ValueError:
        return None


def parse_origin(text: str) -> Origin | None:
    """Of an Origin header or a URL; null for `null` and for what is none."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    known = parse_authority(parts.netloc)
    if parts.scheme not in ("http", "https") or known is None:
        return None
    return Origin(parts.scheme, known.host, known.port_for(parts.scheme))


def request_authority(scope: Scope) -> Authority | None:
    """Null where the request has no Host header, several, or an unusable one."""
    values = [value for name, value in scope["headers"] if name == b"host"]
    return parse_authority(values[0].decode("latin-1")) if len(values) == 1 else None


def is_reachable(scope: Scope) -> bool:
    """True where the connection came to an address that other machines reach."""
    address = _own_address(scope)
    return address is not None and not address.is_loopback


class AllowedHosts:
    """`names` are further ones beside those of this machine. The port is never looked at: a rebound name keeps it."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(LOCAL_NAMES) | frozenset(names)

    def allows(self, authority: Authority, scope: Scope) -> bool:
        """An address that the connection itself came to is one, too: probes of Kubernetes name the pod's, and no
        page's name can be rebound to look like an address."""
        if authority.host in self._names:
            return True
        own = _own_address(scope)
        return own is not None and authority.host == str(own)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _own_address(scope: Scope) -> _Address | None:
    """An IPv4 address that a socket for both families shows as an IPv6 one is taken as what it is."""
    server = scope.get("server")
    found = _address(str(server[0])) if server else None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = (b"same-origin", b"none")


def is_cross_site(scope: Scope, authority: Authority, public_origins: frozenset[Origin] = frozenset()) -> bool:
    """`asked`: the host of the request. `public`: origins under which a proxy shows this server, whatever Host it
    sends. Ports of one host are different sites; so are http and https where the server knows that it is https."""
    origins, sites = _values(scope, b"origin"), _values(scope, b"sec-fetch-site")
    if any(each.lower() not in _OWN_SITE for each in sites):
        return True
    if not origins:
        return False
    if len(origins) > 1:
        return True
    known = parse_origin(origins[0].decode("latin-1"))
    return known is None or not (
        known in public_origins or _matches_host(known, authority, scope.get("scheme", "http"))
    )


def _matches_host(origin: Origin, authority: Authority, scheme: str) -> bool:
    """A server behind a proxy that ends TLS takes itself for http: an https origin of the same host is its own."""
    if scheme in ("https", "wss") and origin.scheme != "https":
        return False
    return (origin.host, origin.port) == (authority.host, authority.port_for(origin.scheme))


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in scope["headers"] if key == name]
