"""HTTP itself: connections shared by all threads, proxies, certificates, and one line for what breaks.

requests looks up proxies, ~/.netrc and certificates anew for each request, which costs more than all the rest of it:
what goes to the API is sent by its adapter, with what the environment says of that one host read once. Passwords of
~/.netrc are never used."""

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, requote_uri

from collector.github.addresses import LIMITS as DOWNLOAD_LIMITS
from collector.github.addresses import LogHosts, LogStorage
from collector.github.errors import InvalidResponse, Unreachable
from core.http.client import BoundedAdapter, ResponseLimitExceeded, ResponseLimits, limited
from core.text import clean

# To connect, and between two pieces of an answer: one that stalls is given up and asked for again.
TIMEOUT_SECONDS = (10, 30)
# Of an answer as a whole: lists of a hundred runs or jobs have some megabytes.
LIMITS = ResponseLimits(max_seconds=120.0, max_bytes=64_000_000)
_CONNECTIONS = 100
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Transport:
    def __init__(self, api_url: str, headers: dict[str, str], log_hosts: Sequence[str] = ()) -> None:
        self._api_url = api_url
        self._headers = {**headers, "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
        self._adapter = BoundedAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
        self._proxies = dict(get_environ_proxies(api_url))
        self._verify = next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), True)
        named = {"User-Agent": headers.get("User-Agent", "pipeline-health"), "Accept-Encoding": "gzip, deflate"}
        self._storage = LogStorage(LogHosts(api_url, log_hosts), named, self._verify, _CONNECTIONS)

    def send(self, method: str, url: str, headers: dict[str, str], *, stream: bool = False) -> requests.Response:
        """Without following redirects. Unless it is a stream with what was asked for, the answer's body has come.
        Raises Unreachable, and BadAnswer where an answer exceeds its limits of time or size."""
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, requote_uri(url), None
        request.headers = CaseInsensitiveDict({**self._headers, **headers})
        if method == "POST":
            request.headers["Content-Length"] = "0"
        try:
            with limited(LIMITS) as exchange:
                response = self._adapter.send(
                    request, stream=True, timeout=TIMEOUT_SECONDS, verify=self._verify, proxies=self._proxies
                )
            if stream and response.status_code == 200:
                exchange.limits = DOWNLOAD_LIMITS
            else:
                _ = response.content
        except ResponseLimitExceeded as error:
            raise InvalidResponse(f"the answer of {self._api_url} {error}") from None
        except (requests.RequestException, OSError) as error:
            raise _unreachable(f"cannot reach {self._api_url}", error) from None
        return response

    def download(self, url: str) -> requests.Response:
        """From wherever GitHub keeps its logs; without the token, and streamed. Raises Unreachable and BadAnswer."""
        try:
            return self._storage.get(url, TIMEOUT_SECONDS)
        except ResponseLimitExceeded as error:
            raise InvalidResponse(f"the answer of {urlsplit(url).hostname} {error}") from None
        except (requests.RequestException, OSError) as error:
            raise _unreachable(f"cannot download from {urlsplit(url).hostname}", error) from None


def _unreachable(what: str, error: Exception) -> Unreachable:
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error) or "doesn't match" in str(error):
            reason = "the TLS certificate is not trusted (a private CA goes into REQUESTS_CA_BUNDLE)"
            return Unreachable(f"{what}: {reason}", permanent=True)
        return Unreachable(f"{what}: the TLS connection broke off")
    if isinstance(error, OSError) and "CA certificate bundle" in str(error):
        name = next((name for name in _CA_VARIABLES if os.environ.get(name)), _CA_VARIABLES[0])
        return Unreachable(f"{what}: {name}: there is no file {os.environ.get(name)}", permanent=True)
    if isinstance(error, requests.exceptions.ProxyError):
        return Unreachable(f"{what} through the proxy that HTTPS_PROXY or HTTP_PROXY names: {_innermost_reason(error)}")
    # Addresses and proxies that cannot be used stay so.
    lasting = isinstance(error, ValueError)
    return Unreachable(f"{what}: {_innermost_reason(error)}", permanent=lasting)


def _innermost_reason(error: Exception) -> str:
    """The innermost cause; requests wraps it three times over and prints object addresses."""
    if isinstance(error, requests.Timeout) or "Read timed out" in str(error):
        return "no answer in time"
    cause: Any = error
    for _ in range(10):
        inner = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else cause.__context__
        if inner is None:
            break
        cause = inner
    text = getattr(cause, "strerror", None) or str(cause).split(">: ")[-1]
    return clean(text, 200) or type(error).__name__
