"""Downloads from GitHub's log storage, with a check of every host and address.

The target of a redirect is untrusted, and its content is stored as a log that every user can read. So each redirect is
checked before it is followed, and the token is never sent.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import NewConnectionError

from collector.github.errors import InvalidResponse, Unreachable
from core.http.client import BoundedAdapter, ResponseLimits, bounded_pools, limited

GITHUB_COM = "api.github.com"
# Log storage of github.com (docs.github.com, "Self-hosted runners reference", domains).
GITHUB_LOG_HOSTS = ("actions.githubusercontent.com", "blob.core.windows.net", "codeload.github.com")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL = "public"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_REDIRECTS = 3
_REDIRECTED = (301, 302, 303, 307, 308)
# A slower download is aborted; so is one that takes longer than half an hour.
LIMITS = ResponseLimits(max_seconds=60.0, max_bytes=4_100_000_000, bytes_per_second=10_000.0, max_total_seconds=1800.0)


def address_scope(address: Address) -> str:
    """`public`, `loopback`, `link-local`, `private`, or `reserved` for all others. An IPv6 address that embeds an IPv4
    address has the scope of that address."""
    address = _embedded_ipv4(address)
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return "reserved"
    if address.is_global:
        return _GLOBAL
    return "private" if address.is_private else "reserved"


def _embedded_ipv4(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


class LogHosts:
    """`allowed`: suffixes of host names. Without any: GitHub's own for github.com, and for another server every host
    whose addresses are allowed."""

    def __init__(self, api_url: str, allowed: Sequence[str] = ()) -> None:
        parts = urlsplit(api_url)
        self._scheme, self._api_host = parts.scheme, parts.hostname or ""
        default = GITHUB_LOG_HOSTS if self._api_host == GITHUB_COM else ()
        self._allowed = tuple(suffix.lower().strip(".") for suffix in allowed) or default

    def check_url(self, url: str) -> None:
        """Raises InvalidResponse if this URL may not be requested, whatever its host resolves to."""
        try:
            parts = urlsplit(url)
            host, _ = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("http", "https"):
            raise InvalidResponse("GitHub redirected a download to an invalid URL")
        if parts.scheme != "https" and self._scheme == "https":
            raise InvalidResponse(f"GitHub redirected a download to {host} without https; not followed")
        if parts.username or parts.password:
            raise InvalidResponse(f"GitHub redirected a download to {host} with a password; not followed")
        own_host = host == self._api_host
        if self._allowed and not own_host and not any(_is_under(host, suffix) for suffix in self._allowed):
            raise InvalidResponse(
                f"GitHub redirected a download to {host}, which LOG_HOSTS does not name; not followed"
            )

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of the host, all of them checked. Raises InvalidResponse, and OSError if the name is
        unknown."""
        addresses = _resolve(host, port)
        allowed = (
            {_GLOBAL, *self._api_address_scopes()}
            if any(address_scope(address) != _GLOBAL for address in addresses)
            else {_GLOBAL}
        )
        for address in addresses:
            scope = address_scope(address)
            if scope not in allowed:
                raise InvalidResponse(
                    f"GitHub redirected a download to {host}, a {scope} address ({address}); not followed"
                )
        return [str(address) for address in addresses]

    def check_behind_proxy(self, host: str) -> None:
        """Checks the addresses that this machine resolves although a proxy will resolve the name. Raises
        InvalidResponse."""
        try:
            self.resolve(host, 443)
        except OSError:
            return

    def _api_address_scopes(self) -> set[str]:
        """The scopes of the API's addresses: a server in a private network has its log storage there, too."""
        try:
            return {address_scope(address) for address in _resolve(self._api_host, 443)}
        except OSError:
            raise Unreachable(f"{self._api_host} cannot be resolved") from None


def _is_under(host: str, suffix: str) -> bool:
    return host == suffix or host.endswith(f".{suffix}")


def _resolve(host: str, port: int) -> list[Address]:
    infos: Iterable[str] = (str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(infos)]


class LogStorage:
    """Connections to all allowed hosts, shared by all threads, without cookies."""

    def __init__(self, hosts: LogHosts, headers: Mapping[str, str], verify: str | bool, connections: int) -> None:
        self._hosts, self._headers, self._verify = hosts, dict(headers), verify
        self._adapter = _CheckedAdapter(hosts, pool_connections=4, pool_maxsize=connections)

    def get(self, url: str, timeout: tuple[float, float]) -> requests.Response:
        """The response after all redirects, streamed. Raises InvalidResponse, ResponseLimitExceeded and errors of
        requests."""
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, timeout)
            if response.status_code not in _REDIRECTED:
                return response
            with response:
                url = urljoin(url, response.headers.get("location", ""))
        raise InvalidResponse(
            f"a download was redirected more than {MAX_REDIRECTS} times, the last time to {urlsplit(url).hostname}"
        )

    def _send(self, url: str, timeout: tuple[float, float]) -> requests.Response:
        self._hosts.check_url(url)
        request = requests.Request("GET", url, headers=self._headers).prepare()
        # requests and urllib3 may parse a URL differently: the host that is connected to counts.
        final = request.url or ""
        self._hosts.check_url(final)
        proxies = dict(get_environ_proxies(final))
        if select_proxy(final, proxies):
            self._hosts.check_behind_proxy(urlsplit(final).hostname or "")
        with limited(LIMITS):
            return self._adapter.send(request, stream=True, timeout=timeout, verify=self._verify, proxies=proxies)


class _CheckedAdapter(BoundedAdapter):
    """Connects to an address that was checked: a name that is resolved twice can have different addresses."""

    def __init__(self, hosts: LogHosts, **options: Any) -> None:
        self._hosts = hosts
        super().__init__(**options)

    def pools(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        hosts = self._hosts

        class CheckedConnection:
            def _new_conn(self: Any) -> Any:
                name, last = self.host, None
                try:
                    addresses = hosts.resolve(name, self.port)
                except OSError as error:
                    raise NewConnectionError(self, f"{name} cannot be resolved: {error.strerror}") from error
                for address in addresses:
                    try:
                        self._dns_host = address
                        return super()._new_conn()  # type: ignore[misc]
                    except NewConnectionError as error:
                        last = error
                    finally:
                        # The certificate must be valid for the name.
                        self._dns_host = name
                raise last or NewConnectionError(self, f"{name} has no address")

        return bounded_pools(defaults, CheckedConnection)
