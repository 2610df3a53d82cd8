"""HTTP connections to the API and to log storage: pools, proxies, certificates and connection errors.

requests looks up proxies, ~/.netrc and certificates for each request, which costs more than the rest of the request.
Requests to the API therefore use an adapter directly, with the environment's settings for that host read once.
Passwords of ~/.netrc are never used.
"""

import os
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, requote_uri
from urllib3.exceptions import ReadTimeoutError

from collector.github.addresses import LIMITS as DOWNLOAD_LIMITS
from collector.github.addresses import LogHosts, LogStorage
from collector.github.errors import InvalidResponse, Unreachable
from core.http.client import BoundedAdapter, ResponseLimitExceeded, ResponseLimits, limited
from core.text import clean
from core.work import report_progress
from db.collection.counters import CounterName, CounterRegistry, SummaryName

# To connect, and between two reads of a response; a stalled response is abandoned and requested again.
TIMEOUT_SECONDS = (10, 30)
# Of a whole response: lists of a hundred runs or jobs have some megabytes.
LIMITS = ResponseLimits(max_seconds=120.0, max_bytes=64_000_000)
_CONNECTIONS = 100
_MAX_CHAIN = 10
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Transport:
    """`counters` records requests to the API by status, and their duration."""

    def __init__(
        self, api_url: str, headers: dict[str, str], log_hosts: Sequence[str], counters: CounterRegistry
    ) -> None:
        self._api_url, self._counters = api_url, counters
        self.requests_sent = 0
        self._count_lock = threading.Lock()
        self._headers = {**headers, "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
        self._adapter = BoundedAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
        self._proxies = dict(get_environ_proxies(api_url))
        self._verify = next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), True)
        storage_headers = {
            "User-Agent": headers.get("User-Agent", "pipeline-health"),
            "Accept-Encoding": "gzip, deflate",
        }
        self._storage = LogStorage(LogHosts(api_url, log_hosts), storage_headers, self._verify, _CONNECTIONS)

    def send(self, method: str, url: str, headers: dict[str, str], *, stream: bool = False) -> requests.Response:
        """The response, without following redirects. Its body has been read, except for a streamed 200. Raises
        Unreachable, and InvalidResponse if the response exceeds a limit of time or size."""
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, requote_uri(url), None
        request.headers = CaseInsensitiveDict({**self._headers, **headers})
        if method == "POST":
            request.headers["Content-Length"] = "0"
        with self._count_lock:
            self.requests_sent += 1
        start = time.monotonic()
        try:
            with limited(LIMITS) as exchange:
                response = self._adapter.send(
                    request, stream=True, timeout=TIMEOUT_SECONDS, verify=self._verify, proxies=self._proxies
                )
            if stream and response.status_code == 200:
                exchange.limits = DOWNLOAD_LIMITS
            else:
                _ = response.content
        except (ResponseLimitExceeded, requests.RequestException, OSError) as error:
            self._counters.increment(CounterName.REQUESTS, "unreachable")
            if isinstance(error, ResponseLimitExceeded):
                raise InvalidResponse(f"the response of {self._api_url} {error}") from None
            raise _unreachable(f"cannot reach {self._api_url}", error, self._verify) from None
        report_progress()
        self._counters.increment(CounterName.REQUESTS, f"{response.status_code // 100}xx")
        self._counters.observe(SummaryName.REQUEST, time.monotonic() - start)
        return response

    def download(self, url: str) -> requests.Response:
        """A streamed response of log storage; sent without the token. Raises Unreachable and InvalidResponse."""
        try:
            return self._storage.get(url, TIMEOUT_SECONDS)
        except ResponseLimitExceeded as error:
            raise InvalidResponse(f"the response of {urlsplit(url).hostname} {error}") from None
        except (requests.RequestException, OSError) as error:
            raise _unreachable(f"cannot download from {urlsplit(url).hostname}", error, self._verify) from None


@dataclass(frozen=True)
class _Failure:
    """`reason` is null where the innermost exception's message is the reason. `permanent`: a retry cannot succeed."""

    reason: str | None = None
    permanent: bool = False
    by_proxy: bool = False


# The first type that is in an exception's chain decides. A ValueError is an address or a proxy that cannot be used.
_FAILURES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], _Failure], ...] = (
    (
        (ssl.SSLCertVerificationError, ssl.CertificateError),
        _Failure("the TLS certificate is not trusted (a private CA goes into REQUESTS_CA_BUNDLE)", permanent=True),
    ),
    (requests.exceptions.SSLError, _Failure("the TLS connection was interrupted")),
    (requests.exceptions.ProxyError, _Failure(by_proxy=True)),
    ((requests.Timeout, ReadTimeoutError), _Failure("no response in time")),
    (ValueError, _Failure(permanent=True)),
)


def _unreachable(what: str, error: Exception, ca_bundle: str | bool) -> Unreachable:
    """The error of this program for one of requests, urllib3 or the system, by the types in its chain."""
    if isinstance(ca_bundle, str) and not os.path.exists(ca_bundle):
        name = next((name for name in _CA_VARIABLES if os.environ.get(name)), _CA_VARIABLES[0])
        return Unreachable(f"{what}: {name}: there is no file {ca_bundle}", permanent=True)
    chain = list(_exception_chain(error))
    failure = next((entry for kind, entry in _FAILURES if any(isinstance(cause, kind) for cause in chain)), _Failure())
    proxy = " through the proxy that HTTPS_PROXY or HTTP_PROXY names" if failure.by_proxy else ""
    return Unreachable(f"{what}{proxy}: {failure.reason or _message(chain[-1])}", permanent=failure.permanent)


def _exception_chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and its causes, innermost last. requests and urllib3 pass the cause as an argument, as `reason` or
    as the context."""
    cause: BaseException | None = error
    for _ in range(_MAX_CHAIN):
        if cause is None:
            return
        yield cause
        wrapped = [*cause.args, getattr(cause, "reason", None)]
        cause = next((value for value in wrapped if isinstance(value, BaseException)), cause.__context__)


def _message(error: BaseException) -> str:
    """One line; urllib3 prefixes the address of its connection object."""
    text = getattr(error, "strerror", None) or str(error).split(">: ")[-1]
    return clean(text, 200) or type(error).__name__
