"""GitHub's secondary rate limits as published, in real time, and how close a client came to them."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from demo.github.responses import GitHubError

_WINDOW_SECONDS = 60.0
_MAX_ARRIVALS = 20_000
_READ_METHODS = ("GET", "HEAD", "OPTIONS")
_MESSAGE = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to "
    "GitHub Support for help, please include the request ID."
)


@dataclass(frozen=True)
class Limits:
    """A read request costs one point, a write request five. A client that exceeds one of the two limits gets 403 for
    all requests of the next `penalty_seconds`."""

    points_per_minute: int = 900
    concurrent: int = 100
    penalty_seconds: float = 60


class Limiter:
    """Without limits it only counts. `arrivals`: number of requests by whole seconds since the first one.
    `during_penalty` counts the requests after the one that began a penalty."""

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self._clock, self.in_flight = limits, clock, 0
        self.clear()

    def clear(self) -> None:
        """Reset all counters but the requests in flight."""
        self.accepted = self.refused = self.during_penalty = self.penalties = 0
        self.highest_concurrency = self.most_points_in_a_minute = 0
        self.arrivals: Counter[int] = Counter()
        self._first: float | None = None
        self._last = self._penalty_until = 0.0
        self._points: deque[tuple[float, int]] = deque()
        self._spent = self._total = 0

    def enter(self, method: str = "GET") -> None:
        """Raise GitHubError where GitHub refuses the request; otherwise leave() must follow."""
        now, points = self._clock(), 1 if method in _READ_METHODS else 5
        self._count_arrival(now)
        if now < self._penalty_until:
            self.during_penalty += 1
            raise self._refusal(now)
        while self._points and self._points[0][0] <= now - _WINDOW_SECONDS:
            self._spent -= self._points.popleft()[1]
        if self.limits and (
            self.in_flight >= self.limits.concurrent or self._spent + points > self.limits.points_per_minute
        ):
            self.penalties += 1
            self._penalty_until = now + self.limits.penalty_seconds
            raise self._refusal(now)
        self._accept(now, points)

    def leave(self) -> None:
        self.in_flight -= 1

    def seconds(self) -> float:
        """Return the seconds between the first request and the last."""
        return 0.0 if self._first is None else self._last - self._first

    def share_used(self) -> float | None:
        """Return points spent over points allowed from the first to the last request; None without limits or time."""
        allowed = self.limits.points_per_minute / _WINDOW_SECONDS * self.seconds() if self.limits else 0.0
        return self._total / allowed if allowed else None

    def counters(self) -> dict[str, object]:
        return {
            "accepted": self.accepted,
            "refused": self.refused,
            "during_penalty": self.during_penalty,
            "penalties": self.penalties,
            "in_flight": self.in_flight,
            "highest_concurrency": self.highest_concurrency,
            "most_points_in_a_minute": self.most_points_in_a_minute,
            "seconds": self.seconds(),
            "share_used": self.share_used(),
            "arrivals": dict(self.arrivals),
        }

    def _count_arrival(self, now: float) -> None:
        self._first = now if self._first is None else self._first
        self._last = now
        self.arrivals[int(now - self._first)] += 1
        if len(self.arrivals) > _MAX_ARRIVALS:
            del self.arrivals[next(iter(self.arrivals))]

    def _accept(self, now: float, points: int) -> None:
        self.accepted += 1
        self._points.append((now, points))
        self._spent += points
        self._total += points
        self.in_flight += 1
        self.highest_concurrency = max(self.highest_concurrency, self.in_flight)
        self.most_points_in_a_minute = max(self.most_points_in_a_minute, self._spent)

    def _refusal(self, now: float) -> GitHubError:
        self.refused += 1
        return GitHubError(403, _MESSAGE, {"retry-after": str(max(math.ceil(self._penalty_until - now), 1))})
