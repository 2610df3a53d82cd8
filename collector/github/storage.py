"""Downloads from wherever GitHub keeps its logs: hop by hop, each checked, and never with the token."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import NewConnectionError

from collector.github.addresses import LogHosts
from collector.github.errors import BadAnswer
from notify.exchange import BoundedAdapter, Limits, bounded_pools, limited

REDIRECTS = 3
_REDIRECTED = (301, 302, 303, 307, 308)
# Slower than this, a download is given up; so is one that takes longer than half an hour.
LIMITS = Limits(seconds=60.0, size=4_100_000_000, bytes_per_second=10_000.0, longest=1800.0)


class Storage:
    """Any host that the rules allow; shared by all threads, so without cookies."""

    def __init__(self, hosts: LogHosts, headers: Mapping[str, str], verify: str | bool, connections: int) -> None:
        self._hosts, self._headers, self._verify = hosts, dict(headers), verify
        self._adapter = _CheckedAdapter(hosts, pool_connections=4, pool_maxsize=connections)

    def get(self, url: str, timeout: tuple[float, float]) -> requests.Response:
        """The first answer that is no redirect, streamed. Raises BadAnswer, TooMuch and what requests raises."""
        for _ in range(REDIRECTS + 1):
            response = self._once(url, timeout)
            if response.status_code not in _REDIRECTED:
                return response
            with response:
                url = urljoin(url, response.headers.get("location", ""))
        raise BadAnswer(f"a download is redirected more than {REDIRECTS} times, the last to {urlsplit(url).hostname}")

    def _once(self, url: str, timeout: tuple[float, float]) -> requests.Response:
        self._hosts.check(url)
        request = requests.Request("GET", url, headers=self._headers).prepare()
        # requests and urllib3 may read an address differently: the host that is connected to is the one that counts.
        final = request.url or ""
        self._hosts.check(final)
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
                    addresses = hosts.addresses(name, self.port)
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
