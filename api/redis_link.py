"""Redis, which may go away: without it everything is slower, nothing breaks."""

import logging
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)
ERRORS = (redis.RedisError, OSError)
_WAIT_SECONDS = 0.25
_PAUSE_SECONDS = 5.0
_COMPLAIN_SECONDS = 60.0


class RedisLink:
    """After a failure nobody asks it for a few seconds, so that a Redis that hangs is not waited for by everybody."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url,
            socket_timeout=_WAIT_SECONDS,
            socket_connect_timeout=_WAIT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
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
