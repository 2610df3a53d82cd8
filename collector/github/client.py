"""GitHub's REST API over requests: ETags, retries, redirects and the rate limit."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import requests

from collector.github import errors
from collector.github.auth import Auth, TokenAuth
from collector.github.limiter import RateLimiter, SlidingWindow, is_rate_limit
from collector.github.responses import error_message, next_link, parse_json, raise_for_status
from collector.github.transport import Transport
from core.clock import CollectorClock, utc_now
from core.work import report_progress
from db.collection.counters import CounterRegistry

MAX_ATTEMPTS = 5
_MAX_PAUSE_SECONDS, _POLL_SECONDS = 16.0, 0.25
# How often one request may be refused by the secondary rate limit, with a pause after each refusal.
_MAX_RATE_LIMITED = 10
_MAX_REDIRECTS = 5
# Seconds before a request is repeated whose token is seconds old and was rejected (401, 403).
_NEW_TOKEN_PAUSES = (1.0, 2.0, 4.0)
_API_REDIRECTS, _STORAGE_REDIRECTS = (301, 307, 308), (302, 303)
_POINTS = {"GET": 1, "POST": 5}
_API_VERSION = "2022-11-28"
_GITHUB_COM = "api.github.com"
T = TypeVar("T")


@dataclass(frozen=True)
class GitHubResponse:
    """`data` is null after a 304. `next_url`: the next page, verbatim from the Link header. `scopes`: of a classic
    token; null if GitHub does not report them."""

    data: Any
    etag: str | None
    next_url: str | None
    not_modified: bool = False
    scopes: str | None = None


class _SecondaryRateLimited(Exception):
    """The secondary rate limit refused a request; it can be repeated after the pause. RateLimited, in contrast, is not
    waited for."""

    def __init__(self, limit: errors.RateLimited) -> None:
        super().__init__(str(limit))
        self.limit = limit


class GitHubClient:
    """Safe to use from several threads, which share its connections and limits. `auth` replaces `token`. `reserve`,
    `sliding_window` and `max_wait`: see RateLimiter; without the latter two no request is delayed and RateLimited is
    raised at once. `log_hosts`: see LogHosts. Setting `stop` ends every wait."""

    def __init__(  # noqa: PLR0913 - settings of a client, most with a default
        self,
        api_url: str,
        token: str | None = None,
        *,
        auth: Auth | None = None,
        user_agent: str = "pipeline-health",
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        reserve: float = 0,
        sliding_window: SlidingWindow | None = None,
        max_wait: float = 0,
        log_hosts: Sequence[str] = (),
    ) -> None:
        self.counters = CounterRegistry()
        self.api_url = api_url.rstrip("/")
        self.auth: Auth = auth or TokenAuth(token)
        limited = urlsplit(self.api_url).hostname == _GITHUB_COM
        self.rate = RateLimiter(
            clock, reserve=reserve, sliding_window=sliding_window, max_wait=max_wait, limited=limited
        )
        # Pages of lists that are requested again and again, by URL, for the lifetime of the process.
        self.page_cache: dict[str, Any] = {}
        self._sleep, self._clock = sleep, clock
        self._server_date: tuple[str, datetime] | None = None
        self._transport = Transport(
            self.api_url,
            {
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": _API_VERSION,
                "User-Agent": user_agent,
            },
            log_hosts,
            self.counters,
        )

    @property
    def requests_sent(self) -> int:
        return self._transport.requests_sent

    @property
    def stop(self) -> threading.Event | None:
        return self.rate.stop

    @stop.setter
    def stop(self, event: threading.Event | None) -> None:
        self.rate.stop = event

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far this machine's clock was ahead of GitHub's at the latest response, to a second or two; null before
        the first response with a Date header."""
        moment = _parse_http_date(self._server_date[0]) if self._server_date else None
        return self._server_date[1] - moment if self._server_date and moment else None

    def get(
        self,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        etag: str | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> GitHubResponse:
        """`path`: /repos/… or a URL from a response. `max_attempts` counts 5xx; connection errors are always retried.
        Raises GitHubError."""
        url = self._checked_url(path)
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params, doseq=True)
        headers = {"If-None-Match": etag} if etag else {}

        def fetch() -> GitHubResponse:
            response = self._follow_redirects(url, headers)
            if response.status_code == 304:
                return GitHubResponse(None, etag, None, not_modified=True)
            return GitHubResponse(
                parse_json(response),
                response.headers.get("etag"),
                next_link(response.headers.get("link")),
                scopes=response.headers.get("x-oauth-scopes"),
            )

        return self._with_retries(fetch, max_attempts)

    @contextmanager
    def download(self, path: str) -> Iterator[requests.Response]:
        """A streamed response, usually behind a redirect to storage, which never gets the token. A 5xx is not retried:
        the caller may have another way to get the same log."""
        url = self._checked_url(path)
        with self._with_retries(lambda: self._follow_redirects(url, {}, stream=True), 1) as response:
            if response.status_code not in _STORAGE_REDIRECTS:
                yield response
                return
            target = urljoin(url, response.headers.get("location", ""))
        with self._download_from_storage(target) as stored:
            yield stored

    def _download_from_storage(self, url: str) -> requests.Response:
        response = self._transport.download(url)
        host = urlsplit(response.url or url).hostname
        if response.status_code == 200:
            return response
        response.close()
        if response.status_code == 404:
            raise errors.NotFound(f"{host} has no such log")
        if response.status_code == 410:
            raise errors.Gone(f"the log at {host} has expired")
        raise errors.InvalidResponse(f"{host} answered {response.status_code} to a download", server_side=True)

    def _with_retries(self, send: Callable[[], T], max_attempts: int) -> T:
        """Retries after transient errors: 5xx, connection errors and the secondary rate limit."""
        failed = server_errors = refusals = 0
        while True:
            try:
                return send()
            except _SecondaryRateLimited as refusal:
                refusals += 1
                if refusals >= _MAX_RATE_LIMITED:
                    raise refusal.limit from None
                continue
            except errors.Unreachable as error:
                if error.permanent:
                    raise
                last: errors.GitHubError = error
            except errors.InvalidResponse as error:
                if not error.transient:
                    raise
                last, server_errors = error, server_errors + error.server_side
            failed += 1
            if failed >= MAX_ATTEMPTS or server_errors >= max_attempts or not self._pause(failed):
                raise last

    def _pause(self, failed: int) -> bool:
        """Exponential backoff with jitter, so that threads do not retry together. False if the program stops."""
        return self._wait(random.uniform(0, min(2.0 ** (failed - 1), _MAX_PAUSE_SECONDS)))  # noqa: S311 - jitter, not secrecy

    def _wait(self, seconds: float) -> bool:
        """False if the program stops."""
        # Not stop.wait(): a signal handler that sets the event while this thread waits in it would deadlock.
        while seconds > 0 and not (self.stop is not None and self.stop.is_set()):
            self._sleep(min(seconds, _POLL_SECONDS))
            report_progress()
            seconds -= _POLL_SECONDS
        return self.stop is None or not self.stop.is_set()

    def _follow_redirects(self, url: str, headers: dict[str, str], *, stream: bool = False) -> requests.Response:
        """The successful response at the end of all redirects; of a download also a redirect to storage."""
        for _ in range(_MAX_REDIRECTS):
            response = self._send_authorized(url, headers, stream=stream)
            status = response.status_code
            if status in (200, 304) or (stream and status in _STORAGE_REDIRECTS):
                return response
            with response:
                if status not in _API_REDIRECTS + _STORAGE_REDIRECTS:
                    raise_for_status(response, self.auth)
                url = self._checked_url(urljoin(url, response.headers.get("location", "")))
        raise errors.InvalidResponse(f"{urlsplit(url).path} is a redirect loop; does GITHUB_API_URL name a GitHub API?")

    def _send_authorized(self, url: str, headers: dict[str, str], *, stream: bool) -> requests.Response:
        """Sends the current token; while it is seconds old, a rejection is retried. After a 401 a new token is sent."""
        authorization = self.auth.authorization(self._request_as_app)
        pauses, is_renewed = iter(_NEW_TOKEN_PAUSES), False
        while True:
            response = self._send("GET", url, headers, authorization, stream=stream)
            if response.status_code not in (401, 403):
                return response
            if self.auth.is_fresh(authorization) and (seconds := next(pauses, None)) and self._wait(seconds):
                response.close()
            elif response.status_code == 401 and not is_renewed and self.auth.invalidate(authorization):
                response.close()
                authorization = self.auth.authorization(self._request_as_app)
                pauses, is_renewed = iter(_NEW_TOKEN_PAUSES), True
            else:
                return response

    def _request_as_app(self, method: str, path: str, authorization: str) -> Any:
        """A request of the GitHub App itself, which has limits of its own."""

        def send() -> Any:
            response = self._send(method, self.api_url + path, {}, authorization, budgeted=False)
            if response.status_code not in (200, 201):
                raise_for_status(response, self.auth)
            return parse_json(response)

        return self._with_retries(send, MAX_ATTEMPTS)

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        authorization: str | None,
        *,
        stream: bool = False,
        budgeted: bool = True,
    ) -> requests.Response:
        """One request and its response, whatever the status; every request passes the rate limiter."""
        if authorization:
            headers = {**headers, "Authorization": authorization}
        with self.rate.acquire(_POINTS[method]) as permit:
            response = self._transport.send(method, url, headers, stream=stream)
            if date := response.headers.get("date"):
                self._record_server_time(date)
            if budgeted:
                self.rate.update(response.headers)
            status = response.status_code
            if status in (403, 429) and is_rate_limit(status, response.headers, error_message(response)):
                # Before the permit is released: a waiting thread must not send first.
                raise _SecondaryRateLimited(self.rate.record_refusal(response.headers, permit))
        if status < 400:
            self.rate.record_success(permit)
        return response

    def _record_server_time(self, date: str) -> None:
        moment = _parse_http_date(date)
        # First, because it corrects the clock, for example after this machine was suspended.
        if moment is not None and isinstance(self._clock, CollectorClock):
            self._clock.observe_reference(moment)
        self._server_date = date, self._clock()

    def _checked_url(self, path: str) -> str:
        """The URL of a path or of a link in a response. Other hosts are rejected, because every request has the
        token."""
        if path.startswith("/"):
            return self.api_url + path
        target, api = urlsplit(path), urlsplit(self.api_url)
        if (target.scheme, target.netloc) != (api.scheme, api.netloc):
            raise errors.InvalidResponse(
                f"GitHub returned a URL on another host ({target.scheme}://{target.netloc}); not followed. "
                "Does GITHUB_API_URL name a GitHub API?"
            )
        if not f"{target.path}/".startswith(f"{api.path}/"):
            raise errors.InvalidResponse(
                f"GitHub returned a URL outside its API ({target.path}); does GITHUB_API_URL name a GitHub API?"
            )
        return path


def _parse_http_date(date: str) -> datetime | None:
    """The time of a Date header; null if it is invalid."""
    try:
        return parsedate_to_datetime(date).replace(tzinfo=UTC)
    except ValueError:
        return None
