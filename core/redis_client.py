"""A client of Redis whose answers have a limit of time and of bytes: the timeout of a socket holds between two pieces
of an answer alone.

Redis, which may go away: without it everything is slower, nothing breaks.
"""

import logging
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from core.http.client import Exchange, ResponseLimitExceeded, ResponseLimits


def bounded_redis(url: str, timeout: float, limits: ResponseLimits) -> redis.Redis:
    """Tries once. `timeout` in seconds, to connect and between two pieces; `limits` are those of one answer. Raises
    ValueError for what is no Redis URL."""
    pool = redis.ConnectionPool.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )
    pool.connection_class = _BOUNDED[pool.connection_class]
    pool.connection_kwargs["limits"] = limits
    return redis.Redis.from_pool(pool)


class _Socket:
    """Counts what is received for the answer that is waited for."""

    def __init__(self, taken: Any) -> None:
        self._taken = taken
        self.exchange: Exchange | None = None

    def recv(self, size: int) -> bytes:
        if self.exchange is None:
            received: bytes = self._taken.recv(size)
            return received
        usual = self._taken.gettimeout()
        try:
            left = self.exchange.remaining_seconds()
            self._taken.settimeout(left if usual is None else min(left, usual))
            received = self._taken.recv(size)
            self.exchange.count_bytes(len(received))
        except ResponseLimitExceeded as error:
            raise OSError(f"the answer {error}") from None
        finally:
            self._taken.settimeout(usual)
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._taken, name)


class _BoundedConnection:
    """Comes first among the bases of a connection."""

    def __init__(self, *args: Any, limits: ResponseLimits, **named: Any) -> None:
        self._limits = limits
        super().__init__(*args, **named)

    def _connect(self) -> _Socket:
        return _Socket(super()._connect())  # type: ignore[misc]

    def read_response(self, *args: Any, **named: Any) -> Any:
        taken = getattr(self, "_sock", None)
        if not isinstance(taken, _Socket):
            return super().read_response(*args, **named)  # type: ignore[misc]
        taken.exchange = Exchange(self._limits)
        try:
            return super().read_response(*args, **named)  # type: ignore[misc]
        finally:
            taken.exchange = None


class _RedisTcpConnection(_BoundedConnection, Connection):
    pass


class _RedisTlsConnection(_BoundedConnection, SSLConnection):
    pass


class _RedisUnixConnection(_BoundedConnection, UnixDomainSocketConnection):
    pass


_BOUNDED: dict[type, type] = {
    Connection: _RedisTcpConnection,
    SSLConnection: _RedisTlsConnection,
    UnixDomainSocketConnection: _RedisUnixConnection,
}


log = logging.getLogger(__name__)
ERRORS = (redis.RedisError, OSError)
_TIMEOUT_SECONDS = 0.25
# Of one answer: what this program keeps there is smaller, and comes from a network nearby.
LIMITS = ResponseLimits(max_seconds=2.0, max_bytes=2**26)
_RETRY_SECONDS = 5.0
_LOG_INTERVAL_SECONDS = 60.0


class RedisClient:
    """After a failure nobody asks it for a few seconds, so that a Redis that hangs is not waited for by everybody."""

    def __init__(self, url: str) -> None:
        self.client = bounded_redis(url, _TIMEOUT_SECONDS, LIMITS)
        self._logged_at = self._retry_at = float("-inf")

    def is_available(self) -> bool:
        return time.monotonic() >= self._retry_at

    def mark_down(self, error: Exception) -> None:
        """The name of the error says enough, its text may hold the URL."""
        now = time.monotonic()
        self._retry_at = now + _RETRY_SECONDS
        if now - self._logged_at > _LOG_INTERVAL_SECONDS:
            self._logged_at = now
            log.warning(
                "REDIS_URL: Redis cannot be used (%s); answers and request counts are kept in this process",
                type(error).__name__,
            )

    def close(self) -> None:
        self.client.close()
