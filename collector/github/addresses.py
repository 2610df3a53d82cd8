"""Which addresses a download may lead to: a redirect is text from outside, and what lies behind it is stored as a log
for everybody to read.

Downloads from wherever GitHub keeps its logs: hop by hop, each checked, and never with the token.
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
# Where github.com keeps logs and archives (docs.github.com, "Self-hosted runners reference", domains).
GITHUB_LOG_HOSTS = ("actions.githubusercontent.com", "blob.core.windows.net", "codeload.github.com")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL = "public"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_scope(address: Address) -> str:
    """`public`, `loopback`, `link-local`, `private`, or `reserved` for all the rest, of the IPv4 address within one of
    IPv6 where it stands for one."""
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
    """`allowed`: suffixes of host names; without any, GitHub's own for github.com, and for another server whatever host
    has an address that may be used."""

    def __init__(self, api_url: str, allowed: Sequence[str] = ()) -> None:
        parts = urlsplit(api_url)
        self._scheme, self._api_host = parts.scheme, parts.hostname or ""
        usual = GITHUB_LOG_HOSTS if self._api_host == GITHUB_COM else ()
        self._allowed = tuple(each.lower().strip(".") for each in allowed) or usual

    def check_url(self, url: str) -> None:
        """Raises BadAnswer where no connection may be made for this URL, whatever its host resolves to."""
        try:
            parts = urlsplit(url)
            host, _ = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("http", "https"):
            raise InvalidResponse("GitHub redirected a download to nowhere")
        if parts.scheme != "https" and self._scheme == "https":
            raise InvalidResponse(f"GitHub redirected a download to {host} without https; not followed")
        if parts.username or parts.password:
            raise InvalidResponse(f"GitHub redirected a download to {host} with a password; not followed")
        own_host = host == self._api_host
        if self._allowed and not own_host and not any(_is_under(host, each) for each in self._allowed):
            raise InvalidResponse(
                f"GitHub redirected a download to {host}, which LOG_HOSTS does not name; not followed"
            )

    def resolve(self, host: str, port: int) -> list[str]:
        """Those of the host, every one of them checked. Raises BadAnswer, and OSError where the name is unknown."""
        found = _resolve(host, port)
        allowed = (
            {_GLOBAL, *self._api_address_scopes()}
            if any(address_scope(each) != _GLOBAL for each in found)
            else {_GLOBAL}
        )
        for address in found:
            scope = address_scope(address)
            if scope not in allowed:
                raise InvalidResponse(
                    f"GitHub redirected a download to {host}, a {scope} address ({address}); not followed"
                )
        return [str(each) for each in found]

    def check_behind_proxy(self, host: str) -> None:
        """A proxy resolves the name; what this machine knows of it is checked all the same. Raises BadAnswer."""
        try:
            self.resolve(host, 443)
        except OSError:
            return

    def _api_address_scopes(self) -> set[str]:
        """A server in a private network keeps its logs there, too."""
        try:
            return {address_scope(each) for each in _resolve(self._api_host, 443)}
        except OSError:
            raise Unreachable(f"{self._api_host} cannot be resolved") from None


def _is_under(host: str, suffix: str) -> bool:
    return host == suffix or host.endswith(f".{suffix}")


def _resolve(host: str, port: int) -> list[Address]:
    found: Iterable[str] = (str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [ipaddress.ip_address(each.partition("%")[0]) for each in dict.fromkeys(found)]


MAX_REDIRECTS = 3
_REDIRECTED = (301, 302, 303, 307, 308)
# Slower than this, a download is given up; so is one that takes longer than half an hour.
LIMITS = ResponseLimits(max_seconds=60.0, max_bytes=4_100_000_000, bytes_per_second=10_000.0, max_total_seconds=1800.0)


class LogStorage:
    """Any host that the rules allow; shared by all threads, so without cookies."""

    def __init__(self, hosts: LogHosts, headers: Mapping[str, str], verify: str | bool, connections: int) -> None:
        self._hosts, self._headers, self._verify = hosts, dict(headers), verify
        self._adapter = _CheckedAdapter(hosts, pool_connections=4, pool_maxsize=connections)

    def get(self, url: str, timeout: tuple[float, float]) -> requests.Response:
        """The first answer that is no redirect, streamed. Raises BadAnswer, TooMuch and what requests raises."""
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, timeout)
            if response.status_code not in _REDIRECTED:
                return response
            with response:
                url = urljoin(url, response.headers.get("location", ""))
        raise InvalidResponse(
            f"a download is redirected more than {MAX_REDIRECTS} times, the last to {urlsplit(url).hostname}"
        )

    def _send(self, url: str, timeout: tuple[float, float]) -> requests.Response:
        self._hosts.check_url(url)
        request = requests.Request("GET", url, headers=self._headers).prepare()
        # requests and urllib3 may read an address differently: the host that is connected to is the one that counts.
        final = request.url or ""
        self._hosts.check_url(final)
        proxies = dict(get_environ_proxies(final))
        if select_proxy(final, proxies):
            self._hosts.check_behind_proxy(urlsplit(final).hostname or "")
        with limited(LIMITS):
            return self._adapter.send(request, stream=True, timeout=timeout, verify=self._verify, proxies=proxies)


class _CheckedAdapter(BoundedAdapter):
    """Connects to an address that was checked: a name that is resolved twice may mean two hosts."""

    def __init__(self, hosts: LogHosts, **named: Any) -> None:
        self._hosts = hosts
        super().__init__(**named)

    def pools(self, usual: Mapping[str, Any]) -> dict[str, Any]:
        hosts = self._hosts

        class Checked:
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
                        # The name is what the certificate has to be made out for.
                        self._dns_host = name
                raise last or NewConnectionError(self, f"{name} has no address")

        return bounded_pools(usual, Checked)
