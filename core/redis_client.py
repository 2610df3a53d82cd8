"""A Redis client with limits for the time and size of each reply, and a pause after failures.

The timeout of a socket applies to each read, so that a reply which arrives byte by byte would never time out. Redis is
optional: while it is unavailable, callers continue without it."""

import logging
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from core.http.client import Exchange, ResponseLimitExceeded, ResponseLimits


def bounded_redis(url: str, timeout: float, limits: ResponseLimits) -> redis.Redis:
    """A client without retries. `timeout` in seconds applies to connecting and to each read, `limits` to one reply.
    Raises ValueError for an invalid Redis URL."""
    pool = redis.ConnectionPool.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )
    pool.connection_class = _BOUNDED[pool.connection_class]
    pool.connection_kwargs["limits"] = limits
    return redis.Redis.from_pool(pool)


class _Socket:
    """Counts the bytes and the time of the reply that is being received."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.exchange: Exchange | None = None

    def recv(self, size: int) -> bytes:
        if self.exchange is None:
            received: bytes = self._sock.recv(size)
            return received
        timeout = self._sock.gettimeout()
        try:
            remaining = self.exchange.remaining_seconds()
            self._sock.settimeout(remaining if timeout is None else min(remaining, timeout))
            received = self._sock.recv(size)
            self.exchange.count_bytes(len(received))
        except ResponseLimitExceeded as error:
            raise OSError(f"the reply {error}") from None
        finally:
            self._sock.settimeout(timeout)
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _BoundedConnection:
    """A mixin for connection classes, which comes first among their bases."""

    def __init__(self, *args: Any, limits: ResponseLimits, **named: Any) -> None:
        self._limits = limits
        super().__init__(*args, **named)

    def _connect(self) -> _Socket:
        return _Socket(super()._connect())  # type: ignore[misc]

    def read_response(self, *args: Any, **named: Any) -> Any:
        sock = getattr(self, "_sock", None)
        if not isinstance(sock, _Socket):
            return super().read_response(*args, **named)  # type: ignore[misc]
        sock.exchange = Exchange(self._limits)
        try:
            return super().read_response(*args, **named)  # type: ignore[misc]
        finally:
            sock.exchange = None


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
# Of one reply. Stored values are smaller, and Redis is in the local network.
LIMITS = ResponseLimits(max_seconds=2.0, max_bytes=2**26)
_RETRY_SECONDS = 5.0
_LOG_INTERVAL_SECONDS = 60.0


class RedisClient:
    """A client that is unavailable for a few seconds after a failure, so that not every request waits for a Redis that
    hangs."""

    def __init__(self, url: str) -> None:
        self.client = bounded_redis(url, _TIMEOUT_SECONDS, LIMITS)
        self._logged_at = self._retry_at = float("-inf")

    def is_available(self) -> bool:
        return time.monotonic() >= self._retry_at

    def mark_down(self, error: Exception) -> None:
        """Starts the pause. Logs only the type of the error, because its text may contain the URL."""
        now = time.monotonic()
        self._retry_at = now + _RETRY_SECONDS
        if now - self._logged_at > _LOG_INTERVAL_SECONDS:
            self._logged_at = now
            log.warning(
                "REDIS_URL: Redis is unavailable (%s); the cache and request counts are limited to this process",
                type(error).__name__,
            )

    def close(self) -> None:
        self.client.close()
