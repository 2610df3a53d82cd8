"""Requests that nothing else needs: a small share of the hourly limit, only while at least half of it is left."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from collector.github.client import GitHubClient

# The share of the hourly limit that must be left.
SPARE_SHARE = 0.5
# The limit that is assumed for a server without one.
_ASSUMED_LIMIT = 5_000
_HOUR = timedelta(hours=1)


class SpareBudget:
    """Requests and bytes that one purpose may use: at most `hourly_share` of the limit, or one request an hour, and
    `hourly_bytes`."""

    def __init__(
        self,
        client: GitHubClient,
        clock: Callable[[], datetime],
        *,
        hourly_share: float,
        hourly_bytes: float = float("inf"),
    ) -> None:
        self._client, self._clock = client, clock
        self._hourly_share, self._hourly_bytes = hourly_share, hourly_bytes
        self._spent: deque[tuple[datetime, int]] = deque()

    def allows_request(self) -> bool:
        now, state = self._clock(), self._client.rate.state
        while self._spent and self._spent[0][0] <= now - _HOUR:
            self._spent.popleft()
        limit = state.limit or _ASSUMED_LIMIT
        if len(self._spent) >= max(int(limit * self._hourly_share), 1):
            return False
        if sum(size for _, size in self._spent) >= self._hourly_bytes:
            return False
        if state.remaining is None or (state.reset_at is not None and state.reset_at <= now):
            return True
        return state.remaining >= limit * SPARE_SHARE

    def spend(self, size: int = 0) -> None:
        """Counts a request and its bytes."""
        self._spent.append((self._clock(), size))
