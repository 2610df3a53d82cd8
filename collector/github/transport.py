"""HTTP itself: connections shared by all threads, proxies, certificates, and one line for what breaks.

requests looks up proxies, ~/.netrc and certificates anew for each request, which costs more than all the rest of it:
what goes to the API is sent by its adapter, with what the environment says of that one host read once. Passwords of
~/.netrc are never used."""

import os
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, requote_uri

from collector.github.errors import Unreachable

# To connect, and between two pieces of an answer: one that stalls is given up and asked for again.
TIMEOUT_SECONDS = (10, 30)
_CONNECTIONS = 100
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Transport:
    def __init__(self, api_url: str, headers: dict[str, str]) -> None:
        self._api_url = api_url
        self._headers = {**headers, "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
        self._adapter = HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
        self._proxies = dict(get_environ_proxies(api_url))
        self._verify = next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), True)
        self._storage = _Storage()

    def send(self, method: str, url: str, headers: dict[str, str], *, stream: bool = False) -> requests.Response:
        """Without following redirects. Unless it is a stream, the answer's body has come. Raises Unreachable."""
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, requote_uri(url), None
        request.headers = CaseInsensitiveDict({**self._headers, **headers})
        if method == "POST":
            request.headers["Content-Length"] = "0"
        try:
            response = self._adapter.send(
                request, stream=stream, timeout=TIMEOUT_SECONDS, verify=self._verify, proxies=self._proxies
            )
            if not stream:
                _ = response.content
        except (requests.RequestException, OSError) as error:
            raise _unreachable(f"cannot reach {self._api_url}", error) from None
        return response

    def download(self, url: str) -> requests.Response:
        """From wherever GitHub keeps its logs; without the token, and streamed."""
        try:
            return self._storage.get(url, stream=True, timeout=TIMEOUT_SECONDS)
        except (requests.RequestException, OSError) as error:
            raise _unreachable(f"cannot download from {urlsplit(url).hostname}", error) from None


class _Storage(requests.Session):
    """Any host, so that proxies are looked up for each; shared by all threads, so without cookies."""

    def __init__(self) -> None:
        super().__init__()
        # An auth object of our own keeps requests from sending ~/.netrc passwords.
        self.auth = _without_auth
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS))

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """The same after a redirect."""
        _without_auth(prepared_request)


def _without_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.headers.pop("Authorization", None)
    return request


def _unreachable(what: str, error: Exception) -> Unreachable:
    if isinstance(error, requests.exceptions.SSLError):
        if "CERTIFICATE_VERIFY_FAILED" in str(error) or "doesn't match" in str(error):
            reason = "the TLS certificate is not trusted (a private CA goes into REQUESTS_CA_BUNDLE)"
            return Unreachable(f"{what}: {reason}", lasting=True)
        return Unreachable(f"{what}: the TLS connection broke off")
    if isinstance(error, OSError) and "CA certificate bundle" in str(error):
        name = next((name for name in _CA_VARIABLES if os.environ.get(name)), _CA_VARIABLES[0])
        return Unreachable(f"{what}: {name}: there is no file {os.environ.get(name)}", lasting=True)
    if isinstance(error, requests.exceptions.ProxyError):
        return Unreachable(f"{what} through the proxy that HTTPS_PROXY or HTTP_PROXY names: {_reason(error)}")
    # Addresses and proxies that cannot be used stay so.
    lasting = isinstance(error, ValueError)
    return Unreachable(f"{what}: {_reason(error)}", lasting=lasting)


def _reason(error: Exception) -> str:
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
    return " ".join(str(text).split())[:200] or type(error).__name__
