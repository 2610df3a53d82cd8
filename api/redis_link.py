"""Redis, which may go away: without it everything is slower, nothing breaks."""

import logging
import time

import redis

from notify.bounded_redis import bounded_redis
from notify.exchange import Limits

log = logging.getLogger(__name__)
ERRORS = (redis.RedisError, OSError)
_WAIT_SECONDS = 0.25
# Of one answer: what this program keeps there is smaller, and comes from a network nearby.
LIMITS = Limits(seconds=2.0, size=2**26)
_PAUSE_SECONDS = 5.0
_COMPLAIN_SECONDS = 60.0


class RedisLink:
    """After a failure nobody asks it for a few seconds, so that a Redis that hangs is not waited for by everybody."""

    def __init__(self, url: str) -> None:
        self.client = bounded_redis(url, _WAIT_SECONDS, LIMITS)
        self._complained_at = self._again_at = float("-inf")

    def is_well(self) -> bool:
        return time.monotonic() >= self._again_at

    def leave(self, error: Exception) -> None:
        """The name of the error says enough, its text may hold the URL."""
        now = time.monotonic()
        self._again_at = now + _PAUSE_SECONDS
        if now - self._complained_at > _COMPLAIN_SECONDS:
            self._complained_at = now
            log.warning(
                "REDIS_URL: Redis cannot be used (%s); answers and request counts are kept in this process",
                type(error).__name__,
            )

    def close(self) -> None:
        self.client.close()
