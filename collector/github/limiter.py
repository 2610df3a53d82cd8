"""The rate limiter that every request of the process passes.

It combines four limits of GitHub: requests per hour (primary limit), points per minute, requests in flight (secondary
limits), and the pause after a refusal. All are shared by everyone who uses the same token.
"""

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from collector.github.errors import RateLimited
from core.work import report_progress

# GitHub allows 900 points a minute and 100 requests in flight; the margin is for requests that it counts differently.
POINTS, SECONDS = 890, 60.0
MAX_CONCURRENT = 90
MAX_WAIT_SECONDS = 90.0
# A thread that waits checks this often whether the program stops or the pause was extended.
_POLL_SECONDS = 0.25
# Resets of the same hour differ by a second or two between responses.
_SAME_HOUR = timedelta(seconds=60)
# A reset that is further away is an error of the server.
_MAX_RESET = timedelta(minutes=65)
_FIRST_PAUSE, _MAX_PAUSE = timedelta(seconds=60), timedelta(minutes=15)
# GitHub normally sends values of a few minutes. Longer values are capped at one hour.
_MAX_RETRY_AFTER = timedelta(hours=1)
# Older servers call the secondary limit "abuse detection mechanism" and send no header.
_RATE_LIMIT_PHRASES = ("rate limit", "abuse detection")
_SECONDARY_LIMIT_MESSAGE = "GitHub returned a secondary rate limit"


@dataclass(frozen=True)
class RateState:
    """The hourly limit in the latest response; null where the server names none (GHES without limits)."""

    limit: int | None
    remaining: int | None
    reset_at: datetime | None


@dataclass(frozen=True)
class Permit:
    """Permission to send one request. `generation`: the number of refusals up to then."""

    points: int
    generation: int


class RateLimiter:
    """Safe to use from several threads. `reserve`: percent of the hourly limit that is left to other users of the
    token. `sliding_window` null: no limit per minute. Pauses of up to `max_wait` seconds are waited for; for longer
    ones RateLimited is raised, so that the work can end and be resumed later. `limited`: the server is known to have
    limits. Any other server shows it by its headers; until then requests are not throttled."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        reserve: float = 0,
        sliding_window: "SlidingWindow | None" = None,
        max_wait: float = 0,
        limited: bool = False,
    ) -> None:
        self._clock, self._window, self._max_wait, self._limited = clock, sliding_window, max_wait, limited
        self._budget, self._backoff = _HourlyBudget(reserve), _Backoff()
        self._changed = threading.Condition()
        self._in_flight, self._collectors = 0, 1
        self.stop: threading.Event | None = None

    @property
    def state(self) -> RateState:
        with self._changed:
            return self._budget.state

    @property
    def reserved(self) -> int:
        """Requests of the hour that are left to other users of the token."""
        with self._changed:
            return self._budget.reserved

    def set_collector_count(self, collectors: int) -> None:
        """Collectors that share the token: each uses its part of the points and of the requests in flight."""
        with self._changed:
            self._collectors = max(collectors, 1)
            self._changed.notify_all()

    def check(self) -> None:
        """Raises RateLimited if a request would be refused now; does not wait."""
        with self._changed:
            blocked = self._blocked(self._clock())
        if blocked:
            raise blocked

    @contextmanager
    def acquire(self, points: int = 1) -> Iterator[Permit]:
        """Waits until a request may be sent; it counts as in flight until the block ends. Raises RateLimited if the
        wait is longer than `max_wait`, or `stop` is set while it waits."""
        permit = self._wait_for_permit(points)
        try:
            yield permit
        finally:
            with self._changed:
                self._in_flight -= 1
                if self._window:
                    self._window.complete(points)
                self._changed.notify()

    def update(self, headers: Mapping[str, str]) -> None:
        """Reads the hourly limit from the headers of a response."""
        if "x-ratelimit-remaining" not in headers:
            return
        with self._changed:
            self._limited = True
            self._budget.update(headers, self._clock())

    def record_success(self, permit: Permit) -> None:
        with self._changed:
            self._backoff.record_success(permit.generation)

    def record_refusal(self, headers: Mapping[str, str], permit: Permit | None = None) -> RateLimited:
        """After a 403 or 429 for which `is_rate_limit` is true: no request is sent before `until` of the result."""
        self.update(headers)
        with self._changed:
            generation = permit.generation if permit else self._backoff.generation
            until = self._backoff.record_refusal(generation, headers, self._budget, self._clock())
            return RateLimited(self._backoff.reason, until)

    def _wait_for_permit(self, points: int) -> Permit:
        with self._changed:
            while (wait := self._wait_seconds(points)) > 0:
                if self.stop is not None and self.stop.is_set():
                    raise RateLimited("the program is about to end", self._clock() + timedelta(seconds=1))
                self._changed.wait(min(wait, _POLL_SECONDS))
                report_progress()
            self._in_flight += 1
            if self._window:
                self._window.reserve(points)
            return Permit(points, self._backoff.generation)

    def _wait_seconds(self, points: int) -> float:
        """Seconds until the next check; 0 if a request may be sent."""
        now = self._clock()
        if blocked := self._blocked(now):
            seconds = (blocked.until - now).total_seconds()
            if seconds > self._max_wait:
                raise blocked
            return seconds
        if self._in_flight >= max(MAX_CONCURRENT // self._collectors, 1):
            return _POLL_SECONDS
        if self._in_flight and not self._budget.allows(self._in_flight, now):
            return _POLL_SECONDS
        if self._window and self._limited:
            return self._window.delay(points, collector_count=self._collectors)
        return 0.0

    def _blocked(self, now: datetime) -> RateLimited | None:
        if until := self._backoff.until(now):
            return RateLimited(self._backoff.reason, until)
        if until := self._budget.exhausted_until(now):
            return RateLimited(self._budget.reason(), until)
        return None


def is_rate_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Whether a response is a refusal for too many requests. A 403 without a sign of a limit is one of permissions."""
    if status == 429:
        return True
    if status != 403:
        return False
    if "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0":
        return True
    return any(phrase in message.lower() for phrase in _RATE_LIMIT_PHRASES)


# The limits. RateLimiter locks; the time is a parameter.


class SlidingWindow:
    """Points per minute: at most `points` in any `seconds`, as the server counts them. Not thread-safe.

    A request counts from when it is sent until `seconds` after its response: the server counted it at some moment in
    between, so no network delay can make the server count more than this. Allowed requests are not spread out."""

    def __init__(
        self, points: int = POINTS, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._points, self._seconds, self._clock = points, seconds, clock
        self._completed: deque[float] = deque(maxlen=points)
        self._in_flight = 0

    def delay(self, points: int = 1, *, collector_count: int = 1) -> float:
        """Seconds until so many points may be spent; inf while that depends on responses that have not arrived."""
        now = self._clock()
        while self._completed and self._completed[0] <= now - self._seconds:
            self._completed.popleft()
        allowed = max(self._points // collector_count, points)
        excess = len(self._completed) + self._in_flight + points - allowed
        if excess <= 0:
            return 0.0
        if excess > len(self._completed):
            return math.inf
        return max(self._completed[excess - 1] + self._seconds - now, 0.0)

    def reserve(self, points: int = 1) -> None:
        self._in_flight += points

    def complete(self, points: int = 1) -> None:
        self._in_flight -= points
        self._completed.extend([self._clock()] * points)


class _HourlyBudget:
    """Requests per hour. `reserve`: percent of the limit that is left to other users of the token."""

    def __init__(self, reserve: float = 0) -> None:
        self._reserve = reserve
        self.state = RateState(None, None, None)

    @property
    def reserved(self) -> int:
        return int((self.state.limit or 0) * self._reserve / 100)

    def update(self, headers: Mapping[str, str], now: datetime) -> None:
        """Reads a response; limits of other resources (search) are ignored."""
        limit, remaining = (
            _parse_int(headers.get("x-ratelimit-limit")),
            _parse_int(headers.get("x-ratelimit-remaining")),
        )
        reset = _parse_int(headers.get("x-ratelimit-reset"))
        if remaining is None or reset is None or headers.get("x-ratelimit-resource", "core") != "core":
            return
        reset_at, known = min(datetime.fromtimestamp(reset, UTC), now + _MAX_RESET), self.state
        if known.reset_at and known.remaining is not None and now < known.reset_at:
            if known.reset_at - reset_at > _SAME_HOUR:
                return  # a late response of the previous hour
            # Responses of parallel requests arrive out of order: within an hour the budget only shrinks.
            if abs(reset_at - known.reset_at) <= _SAME_HOUR:
                remaining, reset_at = min(remaining, known.remaining), max(reset_at, known.reset_at)
        self.state = RateState(limit, remaining, reset_at)

    def exhausted_until(self, now: datetime) -> datetime | None:
        """The reset while nothing but the reserve is left; null once it has passed, when a new hour begins."""
        state = self.state
        if state.remaining is None or state.reset_at is None or now >= state.reset_at:
            return None
        return state.reset_at if state.remaining <= self.reserved else None

    def allows(self, in_flight: int, now: datetime) -> bool:
        """Whether one more request may be sent while `in_flight` have no response yet."""
        state = self.state
        if state.remaining is None or state.reset_at is None or now >= state.reset_at:
            return True
        return state.remaining - in_flight > self.reserved

    def reason(self) -> str:
        limit = f" of {self.state.limit:,} requests an hour" if self.state.limit else ""
        reserve = f" but for the {self.reserved:,} that RATE_LIMIT_RESERVE leaves to others" if self.reserved else ""
        return f"the rate limit{limit} is used up{reserve}"


class _Backoff:
    """The pause after a refusal. `generation` counts refusals. A request that was sent before the latest one began
    belongs to it: a refusal that several threads meet at once counts once."""

    def __init__(self) -> None:
        self.generation = 0
        self.reason = ""
        self._until: datetime | None = None
        self._pauses = 0

    def until(self, now: datetime) -> datetime | None:
        """The end of the current pause; null without one."""
        return self._until if self._until and now < self._until else None

    def record_refusal(
        self, generation: int, headers: Mapping[str, str], budget: _HourlyBudget, now: datetime
    ) -> datetime:
        """The end of the pause after a 403 or 429: by Retry-After, else by the reset, else after a minute that grows.
        `generation`: of the request's permit."""
        current = self.until(now)
        is_same = current is not None and generation < self.generation
        until, reason = self._next_pause(headers, budget, now, grow=not is_same)
        if is_same and current and until <= current:
            return current
        if not is_same:
            self.generation += 1
        self._until, self.reason = until, reason
        return until

    def record_success(self, generation: int) -> None:
        """After a success of a request that was sent after the latest refusal, the next pause is short again."""
        if generation == self.generation:
            self._pauses = 0

    def _next_pause(
        self, headers: Mapping[str, str], budget: _HourlyBudget, now: datetime, *, grow: bool
    ) -> tuple[datetime, str]:
        retry_after = _parse_int(headers.get("retry-after"))
        if retry_after is not None:
            return now + min(timedelta(seconds=max(retry_after, 1)), _MAX_RETRY_AFTER), _SECONDARY_LIMIT_MESSAGE
        reset = budget.state.reset_at
        if headers.get("x-ratelimit-remaining") == "0" and reset and reset > now:
            return reset, budget.reason()
        if not grow:
            return now, _SECONDARY_LIMIT_MESSAGE  # the current pause covers this refusal
        pause = min(_FIRST_PAUSE * 2**self._pauses, _MAX_PAUSE)
        self._pauses += 1
        return now + pause * random.uniform(1.0, 1.2), _SECONDARY_LIMIT_MESSAGE  # noqa: S311 - jitter, not secrecy


def _parse_int(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 12 else None
