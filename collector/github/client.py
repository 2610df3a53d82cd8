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
from db.collection.counters import CounterName, CounterRegistry, SummaryName

MAX_ATTEMPTS = 5
_MAX_PAUSE_SECONDS, _POLL_SECONDS = 16.0, 0.25
# One request may be refused for going too fast so often, penalties waited for in between.
_MAX_RATE_LIMITED = 10
_MAX_REDIRECTS = 5
# A token that was made seconds ago and is refused (401, 403) is sent again after these pauses, in seconds.
_NEW_TOKEN_PAUSES = (1.0, 2.0, 4.0)
_API_REDIRECTS, _STORAGE_REDIRECTS = (301, 307, 308), (302, 303)
_POINTS = {"GET": 1, "POST": 5}
_API_VERSION = "2022-11-28"
_GITHUB_COM = "api.github.com"
T = TypeVar("T")


@dataclass(frozen=True)
class GitHubResponse:
    """`data` is null when nothing changed (304). `next_url` is the next page, verbatim as GitHub gave it; `scopes`
    are those of a classic token, null where GitHub does not tell."""

    data: Any
    etag: str | None
    next_url: str | None
    not_modified: bool = False
    scopes: str | None = None


class _SecondaryRateLimited(Exception):
    """Refused for going too fast, as opposed to RateLimited, which says that there is no use in waiting here."""

    def __init__(self, limit: errors.RateLimited) -> None:
        super().__init__(str(limit))
        self.limit = limit


class GitHubClient:
    """Safe to use from several threads; they share its connections and its limits. Without `pace` and `patience`,
    which see collector.github.limiter, nothing is slowed down and RateLimited is raised at once. `auth` stands in
    for the token. `log_hosts`: see collector.github.addresses. `sleep` and `clock` can be replaced. Setting `stop` ends
    every wait."""

    def __init__(  # noqa: PLR0913 - what may differ
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
        self.tally = CounterRegistry()
        self.api_url = api_url.rstrip("/")
        self.auth: Auth = auth or TokenAuth(token)
        limited = urlsplit(self.api_url).hostname == _GITHUB_COM
        self.rate = RateLimiter(
            clock, reserve=reserve, sliding_window=sliding_window, max_wait=max_wait, limited=limited
        )
        self.requests_sent = 0
        # What is asked for again and again, as pages of lists by their address: it is kept for as long as the program.
        self.page_cache: dict[str, Any] = {}
        self._sleep, self._clock = sleep, clock
        self._dated: tuple[str, datetime] | None = None
        self._count = threading.Lock()
        self._transport = Transport(
            self.api_url,
            {
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": _API_VERSION,
                "User-Agent": user_agent,
            },
            log_hosts,
        )

    @property
    def stop(self) -> threading.Event | None:
        return self.rate.stop

    @stop.setter
    def stop(self, event: threading.Event | None) -> None:
        self.rate.stop = event

    @property
    def clock_ahead(self) -> timedelta | None:
        """How far this machine's clock was ahead of GitHub's at the latest answer, to a second or two; null where there
        was none, or it did not say."""
        moment = _parse_http_date(self._dated[0]) if self._dated else None
        return self._dated[1] - moment if self._dated and moment else None

    def get(
        self,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        etag: str | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> GitHubResponse:
        """`path` is /repos/… or a URL that GitHub gave. `tries` is how often a 5xx is accepted; what breaks on the way
        is always tried again. Raises the errors of collector.github.errors."""
        url = self._checked_url(path)
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params, doseq=True)
        headers = {"If-None-Match": etag} if etag else {}
        return self._with_retries(lambda: self._get_once(url, headers), max_attempts)

    @contextmanager
    def download(self, path: str) -> Iterator[requests.Response]:
        """A streamed answer behind a redirect to storage, which never sees the token. A 5xx is not asked for again:
        that is for the caller, who knows whether there is another way to the same log."""
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

    def _with_retries(self, ask: Callable[[], T], tries: int) -> T:
        """Asks again after what may pass by itself: 5xx, what broke on the way, and penalties."""
        failed = server_errors = refusals = 0
        while True:
            try:
                return ask()
            except _SecondaryRateLimited as slow:
                refusals += 1
                if refusals >= _MAX_RATE_LIMITED:
                    raise slow.limit from None
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
            if failed >= MAX_ATTEMPTS or server_errors >= tries or not self._pause(failed):
                raise last

    def _pause(self, failed: int) -> bool:
        """Longer each time and by chance, so that threads do not come back together. False: the program ends."""
        return self._wait(random.uniform(0, min(2.0 ** (failed - 1), _MAX_PAUSE_SECONDS)))  # noqa: S311 - not secrecy

    def _wait(self, seconds: float) -> bool:
        """False: the program ends."""
        # Not stop.wait(): a signal that sets it while this very thread is in there would wait for itself.
        while seconds > 0 and not (self.stop is not None and self.stop.is_set()):
            self._sleep(min(seconds, _POLL_SECONDS))
            report_progress()
            seconds -= _POLL_SECONDS
        return self.stop is None or not self.stop.is_set()

    def _get_once(self, url: str, headers: dict[str, str]) -> GitHubResponse:
        response = self._follow_redirects(url, headers)
        if response.status_code == 304:
            return GitHubResponse(None, headers.get("If-None-Match"), None, not_modified=True)
        found = response.headers
        return GitHubResponse(
            parse_json(response),
            found.get("etag"),
            next_link(found.get("link")),
            scopes=found.get("x-oauth-scopes"),
        )

    def _follow_redirects(self, url: str, headers: dict[str, str], *, stream: bool = False) -> requests.Response:
        """The answer at the end of all redirects, if it is a good one; a download's redirect to storage is."""
        for _ in range(_MAX_REDIRECTS):
            response = self._send_authorized(url, headers, stream=stream)
            status = response.status_code
            if status in (200, 304) or (stream and status in _STORAGE_REDIRECTS):
                return response
            with response:
                if status not in _API_REDIRECTS + _STORAGE_REDIRECTS:
                    raise_for_status(response, self.auth)
                url = self._checked_url(urljoin(url, response.headers.get("location", "")))
        place = urlsplit(url).path
        raise errors.InvalidResponse(f"{place} is redirected in a circle; does GITHUB_API_URL name a GitHub API?")

    def _send_authorized(self, url: str, headers: dict[str, str], *, stream: bool) -> requests.Response:
        """With this client's token; with a new one where GitHub no longer takes it."""
        known = self.auth.authorization(self._request_as_app)
        response = self._retry_fresh_token(known, url, headers, stream=stream)
        if response.status_code == 401 and self.auth.invalidate(known):
            response.close()
            known = self.auth.authorization(self._request_as_app)
            response = self._retry_fresh_token(known, url, headers, stream=stream)
        return response

    def _retry_fresh_token(
        self, known: str | None, url: str, headers: dict[str, str], *, stream: bool
    ) -> requests.Response:
        """The answer to this Authorization; while its token is new, a refusal is not taken for the last word."""
        response = self._send("GET", url, headers, known, stream=stream)
        for seconds in _NEW_TOKEN_PAUSES:
            if response.status_code not in (401, 403) or not self.auth.is_fresh(known) or not self._wait(seconds):
                break
            response.close()
            response = self._send("GET", url, headers, known, stream=stream)
        return response

    def _request_as_app(self, method: str, path: str, authorization: str) -> Any:
        """A question that the App itself asks; it has limits of its own."""

        def ask() -> Any:
            response = self._send(method, self.api_url + path, {}, authorization, budgeted=False)
            if response.status_code not in (200, 201):
                raise_for_status(response, self.auth)
            return parse_json(response)

        return self._with_retries(ask, MAX_ATTEMPTS)

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
        """One request, one answer, whatever it is; every single one passes the gate."""
        if authorization:
            headers = {**headers, "Authorization": authorization}
        with self.rate.acquire(_POINTS[method]) as ticket:
            with self._count:
                self.requests_sent += 1
            response = self._send_counted(method, url, headers, stream=stream)
            if date := response.headers.get("date"):
                self._record_server_time(date)
            if budgeted:
                self.rate.update(response.headers)
            status = response.status_code
            if status in (403, 429) and is_rate_limit(status, response.headers, error_message(response)):
                # Before the passage ends: whoever waits for it must not go first.
                raise _SecondaryRateLimited(self.rate.record_refusal(response.headers, ticket))
        if status < 400:
            self.rate.record_success(ticket)
        return response

    def _record_server_time(self, date: str) -> None:
        moment = _parse_http_date(date)
        # First: what it says decides which time it is here, after this machine was suspended for example.
        if moment is not None and isinstance(self._clock, CollectorClock):
            self._clock.observe_reference(moment)
        self._dated = date, self._clock()

    def _send_counted(self, method: str, url: str, headers: dict[str, str], *, stream: bool) -> requests.Response:
        begun = time.monotonic()
        try:
            response = self._transport.send(method, url, headers, stream=stream)
        except (errors.Unreachable, errors.InvalidResponse):
            self.tally.increment(CounterName.REQUESTS, "unreachable")
            raise
        report_progress()
        self.tally.increment(CounterName.REQUESTS, f"{response.status_code // 100}xx")
        self.tally.observe(SummaryName.REQUEST, time.monotonic() - begun)
        return response

    def _checked_url(self, path: str) -> str:
        """Only addresses of this API are ever asked, as they get the token."""
        if path.startswith("/"):
            return self.api_url + path
        asked, ours = urlsplit(path), urlsplit(self.api_url)
        if (asked.scheme, asked.netloc) != (ours.scheme, ours.netloc):
            raise errors.InvalidResponse(
                f"GitHub named an address on another host ({asked.scheme}://{asked.netloc}); not followed. "
                "Does GITHUB_API_URL name a GitHub API?"
            )
        if not f"{asked.path}/".startswith(f"{ours.path}/"):
            raise errors.InvalidResponse(
                f"GitHub named an address outside its API ({asked.path}); does GITHUB_API_URL name a GitHub API?"
            )
        return path


def _parse_http_date(date: str) -> datetime | None:
    """Of a Date header; null where it is none."""
    try:
        return parsedate_to_datetime(date).replace(tzinfo=UTC)
    except ValueError:
        return None
