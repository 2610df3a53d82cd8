"""GitHub's REST API over requests: ETags, retries, redirects and the rate limit."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from collector.github import errors
from collector.github.ratelimit import RateLimit, is_rate_limit

TIMEOUT_SECONDS = (10, 30)
TRIES = 4
_API_VERSION = "2022-11-28"


@dataclass(frozen=True)
class Answer:
    """`data` is null when nothing changed (304). `next_url` is the next page, verbatim as GitHub gave it."""

    data: Any
    etag: str | None
    next_url: str | None
    not_modified: bool = False


def utc_now() -> datetime:
    return datetime.now(UTC)


class Client:
    """Safe to use from several threads; each has its own connection. `sleep` and `clock` can be replaced."""

    def __init__(
        self,
        api_url: str,
        token: str | None = None,
        *,
        user_agent: str = "pipeline-health",
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        reserve: int = 0,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.rate = RateLimit(clock, reserve=reserve)
        self.requests_sent = 0
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": _API_VERSION,
            "User-Agent": user_agent,
        }
        self._token = token
        self._sleep = sleep
        self._local = threading.local()
        self._count = threading.Lock()

    def get(
        self, path: str, *, params: dict[str, Any] | None = None, etag: str | None = None, tries: int = TRIES
    ) -> Answer:
        """`path` is /repos/… or a URL that GitHub gave. Raises the errors of collector.github.errors."""
        url = self._url(path)
        headers = {"If-None-Match": etag} if etag else {}
        last: errors.GitHubError = errors.Unreachable("no attempt was made")
        for attempt in range(tries):
            if attempt:
                self._sleep(min(2.0**attempt, 20.0) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not secrecy
            try:
                return self._once(url, params, headers)
            except errors.Unreachable as error:
                last = error
            except errors.BadAnswer as error:
                if not error.server_side:
                    raise
                last = error
        raise last

    @contextmanager
    def download(self, path: str) -> Iterator[requests.Response]:
        """A streamed answer behind a redirect to storage, which never sees the token."""
        response = self._send(self._url(path), None, {}, stream=True, follow=False)
        with response:
            if response.status_code in (301, 302, 303, 307, 308):
                target = response.headers.get("location", "")
                if urlsplit(target).scheme not in ("http", "https"):
                    raise errors.BadAnswer(f"GitHub redirected {path} to nowhere")
                with self._fetch_storage(target) as stored:
                    yield stored
                return
            if response.status_code != 200:
                self._raise_for(response)
            yield response

    def _fetch_storage(self, url: str) -> requests.Response:
        host = urlsplit(url).hostname
        try:
            response = self._session(anonymous=True).get(url, stream=True, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise errors.Unreachable(f"cannot download from {host}: {_reason(error)}") from None
        if response.status_code == 200:
            return response
        response.close()
        if response.status_code == 404:
            raise errors.NotFound(f"{host} has no such log")
        if response.status_code == 410:
            raise errors.Gone(f"the log at {host} has expired")
        raise errors.BadAnswer(f"{host} answered {response.status_code} to a download", server_side=True)

    def _once(self, url: str, params: dict[str, Any] | None, headers: dict[str, str]) -> Answer:
        response = self._send(url, params, headers)
        if response.status_code == 304:
            return Answer(None, headers.get("If-None-Match"), None, not_modified=True)
        if response.status_code != 200:
            self._raise_for(response)
        try:
            data = response.json()
        except ValueError:
            raise errors.BadAnswer(
                f"{_where(response)} did not answer with JSON; does GITHUB_API_URL name a GitHub API?"
            ) from None
        self.rate.note_success()
        return Answer(data, response.headers.get("etag"), response.links.get("next", {}).get("url"))

    def _send(
        self,
        url: str,
        params: dict[str, Any] | None,
        headers: dict[str, str],
        *,
        stream: bool = False,
        follow: bool = True,
    ) -> requests.Response:
        self.rate.check()
        with self._count:
            self.requests_sent += 1
        try:
            response = self._session().get(
                url, params=params, headers=headers, timeout=TIMEOUT_SECONDS, stream=stream, allow_redirects=follow
            )
        except requests.RequestException as error:
            raise errors.Unreachable(f"cannot reach {self.api_url}: {_reason(error)}") from None
        self.rate.note(response.headers)
        return response

    def _raise_for(self, response: requests.Response) -> None:
        status, message = response.status_code, _message(response)
        where = _where(response)
        if is_rate_limit(status, response.headers, message):
            raise self.rate.refused(response.headers)
        if status == 401:
            raise errors.Unauthorized("GitHub refused the token (401 Bad credentials); check GITHUB_TOKEN")
        if status in (403, 451):
            raise errors.Forbidden(f"GitHub refuses {where} ({status}: {message})")
        if status == 404:
            raise errors.NotFound(f"GitHub knows no {where}, or the token may not see it (404)")
        if status == 410:
            raise errors.Gone(f"{where} has expired (410)")
        if status == 422:
            raise errors.Unprocessable(f"GitHub refuses {where} (422: {message})")
        raise errors.BadAnswer(f"{where} answered {status}: {message}", server_side=status >= 500)

    def _session(self, *, anonymous: bool = False) -> requests.Session:
        name = "storage" if anonymous else "api"
        session: requests.Session | None = getattr(self._local, name, None)
        if session is None:
            session = requests.Session()
            session.mount("http://", HTTPAdapter(pool_maxsize=1))
            session.mount("https://", HTTPAdapter(pool_maxsize=1))
            if not anonymous:
                session.headers.update(self._headers)
            # An auth object of our own also keeps requests from sending ~/.netrc passwords.
            session.auth = _NoAuth() if anonymous or not self._token else _Bearer(self._token)
            setattr(self._local, name, session)
        return session

    def _url(self, path: str) -> str:
        if not path.startswith(("http://", "https://")):
            return self.api_url + path
        asked, ours = urlsplit(path), urlsplit(self.api_url)
        if (asked.scheme, asked.netloc) != (ours.scheme, ours.netloc):
            raise errors.BadAnswer(f"GitHub named a next page on another host ({asked.netloc}); not followed")
        return path


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _NoAuth(requests.auth.AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        return request


def _message(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.reason or "no reason given"
    text = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(text or response.reason or "no reason given").split())[:200]


def _where(response: requests.Response) -> str:
    return urlsplit(response.request.url or "").path or "/"


def _reason(error: requests.RequestException) -> str:
    """The innermost cause; requests wraps it three times over and prints object addresses."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS certificate is not trusted (a private CA goes into REQUESTS_CA_BUNDLE)"
    cause: BaseException = error
    while cause.__context__ or (cause.args and isinstance(cause.args[0], BaseException)):
        cause = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else cause.__context__  # type: ignore[assignment]
    text = getattr(cause, "strerror", None) or str(cause).split(">: ")[-1]
    return " ".join(str(text).split())[:200] or type(error).__name__
