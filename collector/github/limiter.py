"""GitHub's secondary limit: so many points in any minute. Pure but for the clock, which can be replaced.

GitHub's primary limit: so many requests an hour. Pure: the time is given.

GitHub's refusals to go on: how long nothing is asked. Pure: the time is given.

The one gate that every request of the process passes: how many at once, how many a minute, how many an hour, and
none during a penalty. What to do is decided in `pace`, `budget` and `penalty`; here it is waited for.
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

# GitHub allows 900; the rest is for what it may count otherwise.
POINTS, SECONDS = 890, 60.0


class SlidingWindow:
    """At most `points` in any `seconds`, as the server sees it. Not for several threads at once.

    A request counts from when it leaves until `seconds` after its answer: the server counted it somewhere in between,
    so no delay of the network can make the server's window hold more than ours. What is allowed may go at once."""

    def __init__(
        self, points: int = POINTS, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._points, self._seconds, self._clock = points, seconds, clock
        self._answered: deque[float] = deque(maxlen=points)
        self._out = 0

    def delay(self, points: int = 1, *, collector_count: int = 1) -> float:
        """Seconds until so many points may be spent; inf while that depends on answers that are still to come."""
        now = self._clock()
        while self._answered and self._answered[0] <= now - self._seconds:
            self._answered.popleft()
        allowed = max(self._points // collector_count, points)
        over = len(self._answered) + self._out + points - allowed
        if over <= 0:
            return 0.0
        if over > len(self._answered):
            return math.inf
        return max(self._answered[over - 1] + self._seconds - now, 0.0)

    def reserve(self, points: int = 1) -> None:
        self._out += points

    def complete(self, points: int = 1) -> None:
        self._out -= points
        self._answered.extend([self._clock()] * points)


# The same hour is told with resets that differ by a second or two.
_SAME_HOUR = timedelta(seconds=60)
# An hour's limit is over after an hour; a later reset is a slip of whoever answered.
_MAX_RESET = timedelta(minutes=65)


@dataclass(frozen=True)
class RateState:
    """As GitHub last said; null where it says nothing (GHES without limits)."""

    limit: int | None
    remaining: int | None
    reset_at: datetime | None


class HourlyBudget:
    """`reserve`, in percent of the hourly limit, is left to others who use the same token."""

    def __init__(self, reserve: float = 0) -> None:
        self.reserve = reserve
        self.state = RateState(None, None, None)

    @property
    def reserved(self) -> int:
        return int((self.state.limit or 0) * self.reserve / 100)

    def update(self, headers: Mapping[str, str], now: datetime) -> None:
        """Takes in what an answer says; answers of other resources (search) say nothing of this one."""
        limit, remaining = parse_int(headers.get("x-ratelimit-limit")), parse_int(headers.get("x-ratelimit-remaining"))
        reset = parse_int(headers.get("x-ratelimit-reset"))
        if remaining is None or reset is None or headers.get("x-ratelimit-resource", "core") != "core":
            return
        reset_at, known = min(datetime.fromtimestamp(reset, UTC), now + _MAX_RESET), self.state
        if known.reset_at and known.remaining is not None and now < known.reset_at:
            if known.reset_at - reset_at > _SAME_HOUR:
                return  # a late answer of an hour that is over
            # Answers of parallel requests arrive out of order: within one hour the budget only shrinks.
            if abs(reset_at - known.reset_at) <= _SAME_HOUR:
                remaining, reset_at = min(remaining, known.remaining), max(reset_at, known.reset_at)
        self.state = RateState(limit, remaining, reset_at)

    def exhausted_until(self, now: datetime) -> datetime | None:
        """The reset, while nothing but the reserve is left; once it has passed, there is a new hour's budget."""
        state = self.state
        if state.remaining is None or state.reset_at is None or now >= state.reset_at:
            return None
        return state.reset_at if state.remaining <= self.reserved else None

    def allows(self, in_flight: int, now: datetime) -> bool:
        """Whether one more may go while `out` are on their way, of which nobody knows yet what they cost."""
        state = self.state
        if state.remaining is None or state.reset_at is None or now >= state.reset_at:
            return True
        return state.remaining - in_flight > self.reserved

    def reason(self) -> str:
        size = f" of {self.state.limit:,} requests an hour" if self.state.limit else ""
        kept = f" but for the {self.reserved:,} that RATE_LIMIT_RESERVE leaves to others" if self.reserved else ""
        return f"the rate limit{size} is used up{kept}"


def parse_int(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 12 else None


_PAUSE, _MAX_PAUSE = timedelta(seconds=60), timedelta(minutes=15)
# GitHub asks for minutes. After an hour it is worth a request whatever was said.
_MAX_RETRY_AFTER = timedelta(hours=1)
# Older servers name their secondary limit "abuse detection mechanism" and send no header.
_RATE_LIMIT_PHRASES = ("rate limit", "abuse detection")
_SECONDARY_LIMIT_MESSAGE = "GitHub asks to slow down (secondary rate limit)"


class Backoff:
    """`generation` counts penalties. A refusal of a request that left before the latest of them began is part of it:
    what several threads run into at once counts once."""

    def __init__(self) -> None:
        self.generation = 0
        self.reason = ""
        self._until: datetime | None = None
        self._pauses = 0

    def until(self, now: datetime) -> datetime | None:
        """Null where nothing is wrong."""
        return self._until if self._until and now < self._until else None

    def record_refusal(
        self, generation: int, headers: Mapping[str, str], budget: HourlyBudget, now: datetime
    ) -> datetime:
        """After a 403 or 429: waits for Retry-After, else for the reset, else for a minute that grows. `generation` is
        the one in which the request left."""
        going_on = self.until(now)
        same = going_on is not None and generation < self.generation
        until, reason = self._next_pause(headers, budget, now, grow=not same)
        if same and going_on and until <= going_on:
            return going_on
        if not same:
            self.generation += 1
        self._until, self.reason = until, reason
        return until

    def record_success(self, generation: int) -> None:
        """A good answer to a request that left after the latest penalty: the next one begins small again."""
        if generation == self.generation:
            self._pauses = 0

    def _next_pause(
        self, headers: Mapping[str, str], budget: HourlyBudget, now: datetime, *, grow: bool
    ) -> tuple[datetime, str]:
        retry_after = parse_int(headers.get("retry-after"))
        if retry_after is not None:
            return now + min(timedelta(seconds=max(retry_after, 1)), _MAX_RETRY_AFTER), _SECONDARY_LIMIT_MESSAGE
        reset = budget.state.reset_at
        if headers.get("x-ratelimit-remaining") == "0" and reset and reset > now:
            return reset, budget.reason()
        if not grow:
            return now, _SECONDARY_LIMIT_MESSAGE  # the pause that is going on already is the one meant
        pause = min(_PAUSE * 2**self._pauses, _MAX_PAUSE)
        self._pauses += 1
        return now + pause * random.uniform(1.0, 1.2), _SECONDARY_LIMIT_MESSAGE  # noqa: S311 - jitter, not secrecy


def is_rate_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """A 403 without any sign of a limit is a matter of rights."""
    if status == 429:
        return True
    if status != 403:
        return False
    if "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0":
        return True
    return any(sign in message.lower() for sign in _RATE_LIMIT_PHRASES)


# GitHub allows 100 at once, of all who use the token.
MAX_CONCURRENT = 90
MAX_WAIT_SECONDS = 90.0
# Whoever waits looks up this often: the stop or a longer penalty may have come.
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Permit:
    """Leave to send one request. `generation`: how many penalties there had been by then."""

    points: int
    generation: int


class RateLimiter:
    """`pace` null: not paced. Penalties of up to `patience` seconds are waited for where a request wants to leave, for
    longer ones RateLimited is raised, so that the work can end and be taken up later. `limited`: the server is known
    to have limits; any other shows it by its headers, and until then is asked as fast as it can answer."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        reserve: float = 0,
        sliding_window: SlidingWindow | None = None,
        max_wait: float = 0,
        limited: bool = False,
    ) -> None:
        self._clock, self._pace, self._patience, self._limited = clock, sliding_window, max_wait, limited
        self._budget, self._penalty = HourlyBudget(reserve), Backoff()
        self._changed = threading.Condition()
        self._out, self._share = 0, 1
        self.stop: threading.Event | None = None

    @property
    def state(self) -> RateState:
        with self._changed:
            return self._budget.state

    @property
    def reserved(self) -> int:
        """Requests of the hour that are left to others."""
        with self._changed:
            return self._budget.reserved

    def set_collector_count(self, collectors: int) -> None:
        """So many use the same token: each takes its part of the points and of what goes at once."""
        with self._changed:
            self._share = max(collectors, 1)
            self._changed.notify_all()

    def check(self) -> None:
        """Raises RateLimited where a request would be refused now; does not wait."""
        with self._changed:
            blocked = self._blocked(self._clock())
        if blocked:
            raise blocked

    @contextmanager
    def acquire(self, points: int = 1) -> Iterator[Permit]:
        """Waits until one more request may leave; it has left until the block ends. Raises RateLimited where the wait
        is longer than the patience, or `stop` is set during it."""
        ticket = self._acquire(points)
        try:
            yield ticket
        finally:
            with self._changed:
                self._out -= 1
                if self._pace:
                    self._pace.complete(points)
                self._changed.notify()

    def update(self, headers: Mapping[str, str]) -> None:
        """Takes in what an answer says of the budget."""
        if "x-ratelimit-remaining" not in headers:
            return
        with self._changed:
            self._limited = True
            self._budget.update(headers, self._clock())

    def record_success(self, ticket: Permit) -> None:
        with self._changed:
            self._penalty.record_success(ticket.generation)

    def record_refusal(self, headers: Mapping[str, str], ticket: Permit | None = None) -> RateLimited:
        """After a 403 or 429 that is_rate_limit: from now on nothing leaves before `until`."""
        self.update(headers)
        with self._changed:
            generation = ticket.generation if ticket else self._penalty.generation
            until = self._penalty.record_refusal(generation, headers, self._budget, self._clock())
            return RateLimited(self._penalty.reason, until)

    def _acquire(self, points: int) -> Permit:
        with self._changed:
            while (wait := self._wait_seconds(points)) > 0:
                if self.stop is not None and self.stop.is_set():
                    raise RateLimited("the program is about to end", self._clock() + timedelta(seconds=1))
                self._changed.wait(min(wait, _POLL_SECONDS))
                report_progress()
            self._out += 1
            if self._pace:
                self._pace.reserve(points)
            return Permit(points, self._penalty.generation)

    def _wait_seconds(self, points: int) -> float:
        """Seconds until it is worth asking again; 0: go."""
        now = self._clock()
        if blocked := self._blocked(now):
            seconds = (blocked.until - now).total_seconds()
            if seconds > self._patience:
                raise blocked
            return seconds
        if self._out >= max(MAX_CONCURRENT // self._share, 1):
            return _POLL_SECONDS
        if self._out and not self._budget.allows(self._out, now):
            return _POLL_SECONDS
        return self._pace.delay(points, collector_count=self._share) if self._pace and self._limited else 0.0

    def _blocked(self, now: datetime) -> RateLimited | None:
        if until := self._penalty.until(now):
            return RateLimited(self._penalty.reason, until)
        if until := self._budget.exhausted_until(now):
            return RateLimited(self._budget.reason(), until)
        return None
