"""The budget of requests, shared by all threads of the process."""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from collector.github.errors import RateLimited

_SECONDARY_PAUSE = timedelta(seconds=60)
_LONGEST_PAUSE = timedelta(minutes=15)


@dataclass(frozen=True)
class RateState:
    """As GitHub last said; null where it says nothing (GHES without limits)."""

    limit: int | None
    remaining: int | None
    reset_at: datetime | None


class RateLimit:
    """Refuses requests while GitHub would refuse them. `reserve` requests of each hour are left to others
    who use the same token."""

    def __init__(self, clock: Callable[[], datetime], *, reserve: int = 0) -> None:
        self._clock = clock
        self._reserve = reserve
        self._lock = threading.Lock()
        self._state = RateState(None, None, None)
        self._blocked_until: datetime | None = None
        self._blocked_reason = ""
        self._pauses = 0

    @property
    def state(self) -> RateState:
        with self._lock:
            return self._state

    def check(self) -> None:
        """Raises RateLimited instead of letting a request go that would be refused."""
        with self._lock:
            now = self._clock()
            if self._blocked_until and now < self._blocked_until:
                raise RateLimited(self._blocked_reason, self._blocked_until)
            state = self._state
            if state.remaining is None or state.reset_at is None or now >= state.reset_at:
                return
            if state.remaining <= min(self._reserve, (state.limit or 0) // 10):
                raise RateLimited(_primary(state), state.reset_at)

    def note(self, headers: Mapping[str, str]) -> None:
        """Takes in what an answer says of the budget; answers of other resources (search) say nothing of it."""
        limit, remaining = _number(headers.get("x-ratelimit-limit")), _number(headers.get("x-ratelimit-remaining"))
        reset = _number(headers.get("x-ratelimit-reset"))
        if remaining is None or reset is None or headers.get("x-ratelimit-resource", "core") != "core":
            return
        with self._lock:
            reset_at = datetime.fromtimestamp(reset, UTC)
            known = self._state
            # Answers of parallel requests arrive out of order: within one hour the budget only shrinks.
            if known.reset_at == reset_at and known.remaining is not None:
                remaining = min(remaining, known.remaining)
            self._state = RateState(limit, remaining, reset_at)

    def note_success(self) -> None:
        with self._lock:
            self._pauses = 0

    def refused(self, headers: Mapping[str, str]) -> RateLimited:
        """How long to wait after a 403 or 429: Retry-After, else the reset, else a minute that grows."""
        self.note(headers)
        now = self._clock()
        retry_after = _number(headers.get("retry-after"))
        with self._lock:
            state = self._state
            if retry_after is not None:
                until, reason = now + timedelta(seconds=retry_after), "GitHub asks to slow down (secondary rate limit)"
            elif state.remaining == 0 and state.reset_at and state.reset_at > now:
                until, reason = state.reset_at, _primary(state)
            else:
                pause = min(_SECONDARY_PAUSE * 2**self._pauses, _LONGEST_PAUSE)
                until = now + pause * random.uniform(1.0, 1.2)  # noqa: S311 - jitter, not secrecy
                reason = "GitHub asks to slow down (secondary rate limit)"
                self._pauses += 1
            self._blocked_until, self._blocked_reason = until, reason
        return RateLimited(reason, until)


def is_rate_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """A 403 without any sign of a limit is a matter of rights."""
    if status == 429:
        return True
    if status != 403:
        return False
    return "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0" or "rate limit" in message.lower()


def _primary(state: RateState) -> str:
    size = f" of {state.limit:,} requests an hour" if state.limit else ""
    return f"the rate limit{size} is used up"


def _number(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 12 else None
