"""GitHub's secondary limit: so many points in any minute. Pure but for the clock, which can be replaced."""

import math
import time
from collections import deque
from collections.abc import Callable

# GitHub allows 900; the rest is for what it may count otherwise.
POINTS, SECONDS = 890, 60.0


class Pace:
    """At most `points` in any `seconds`, as the server sees it. Not for several threads at once.

    A request counts from when it leaves until `seconds` after its answer: the server counted it somewhere in between,
    so no delay of the network can make the server's window hold more than ours. What is allowed may go at once."""

    def __init__(
        self, points: int = POINTS, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._points, self._seconds, self._clock = points, seconds, clock
        self._answered: deque[float] = deque(maxlen=points)
        self._out = 0

    def delay(self, points: int = 1, *, share: int = 1) -> float:
        """Seconds until so many points may be spent; inf while that depends on answers that are still to come."""
        now = self._clock()
        while self._answered and self._answered[0] <= now - self._seconds:
            self._answered.popleft()
        allowed = max(self._points // share, points)
        over = len(self._answered) + self._out + points - allowed
        if over <= 0:
            return 0.0
        if over > len(self._answered):
            return math.inf
        return max(self._answered[over - 1] + self._seconds - now, 0.0)

    def sent(self, points: int = 1) -> None:
        self._out += points

    def answered(self, points: int = 1) -> None:
        self._out -= points
        self._answered.extend([self._clock()] * points)
