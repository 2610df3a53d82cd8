"""Host names of a server and origins of requests, against DNS rebinding and cross-site requests.

A page whose name is rebound to the address of this server sends its own name as Host. Browsers send Origin and
Sec-Fetch-Site, from which cross-site requests are recognized; other programs send neither."""

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
    """`host`: lower case, an IPv6 address without brackets. `port`: null where the authority has none."""

    host: str
    port: int | None

    def port_for(self, scheme: str) -> int:
        return self.port if self.port is not None else _DEFAULT_PORTS.get(scheme, 0)


@dataclass(frozen=True)
class Origin:
    """The origin of a page: scheme, host and port."""

    scheme: str
    host: str
    port: int


def parse_authority(text: str) -> Authority | None:
    """Parses a Host header; null for an invalid one."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65535:
        return None
    if match["six"] is None:
        return Authority(match["name"].lower(), port)
    try:
        return Authority(str(ipaddress.IPv6Address(match["six"])), port)
    except ValueError:
        return None


def parse_origin(text: str) -> Origin | None:
    """Parses an Origin header or a URL; null for `null` and for invalid values."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    authority = parse_authority(parts.netloc)
    if parts.scheme not in ("http", "https") or authority is None:
        return None
    return Origin(parts.scheme, authority.host, authority.port_for(parts.scheme))


def request_authority(scope: Scope) -> Authority | None:
    """The Host header; null where the request has none, several, or an invalid one."""
    values = [value for name, value in scope["headers"] if name == b"host"]
    return parse_authority(values[0].decode("latin-1")) if len(values) == 1 else None


def is_reachable(scope: Scope) -> bool:
    """True where the connection was made to an address that other machines can reach."""
    address = _own_address(scope)
    return address is not None and not address.is_loopback


class AllowedHosts:
    """Host names of a server: `names` and those of the local machine. Ports are not compared, as rebinding keeps
    them."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(LOCAL_NAMES) | frozenset(names)

    def allows(self, authority: Authority, scope: Scope) -> bool:
        """Also allows the address to which the connection was made: Kubernetes probes use the address of the pod, and
        the name of a page cannot be an address."""
        if authority.host in self._names:
            return True
        own = _own_address(scope)
        return own is not None and authority.host == str(own)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _own_address(scope: Scope) -> _Address | None:
    """The address to which the connection was made; null where unknown. An IPv4 address is returned as such where a
    dual-stack socket shows it as a mapped IPv6 address."""
    server = scope.get("server")
    address = _address(str(server[0])) if server else None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = (b"same-origin", b"none")


def is_cross_site(scope: Scope, authority: Authority, public_origins: frozenset[Origin] = frozenset()) -> bool:
    """True where a page of another site may have sent the request. `authority`: its Host header. `public_origins`:
    origins under which a proxy publishes this server, whatever Host it sends. Different ports of a host count as
    different sites, and so do http and https where the server knows that it is reached by https."""
    origins, sites = _values(scope, b"origin"), _values(scope, b"sec-fetch-site")
    if any(site.lower() not in _OWN_SITE for site in sites):
        return True
    if not origins:
        return False
    if len(origins) > 1:
        return True
    origin = parse_origin(origins[0].decode("latin-1"))
    return origin is None or not (
        origin in public_origins or _matches_host(origin, authority, scope.get("scheme", "http"))
    )


def _matches_host(origin: Origin, authority: Authority, scheme: str) -> bool:
    """An https origin also matches a server that is reached by http: a proxy in front may terminate TLS."""
    if scheme in ("https", "wss") and origin.scheme != "https":
        return False
    return (origin.host, origin.port) == (authority.host, authority.port_for(origin.scheme))


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in scope["headers"] if key == name]
