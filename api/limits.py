"""Limits of concurrency and of request rates.

Requests that wait for others (a database lock, a mail server) or take much memory are limited in number: they would
otherwise occupy all worker threads, and cheap requests would wait for them. API_RATE_LIMIT applies per key, or per
address without one; requests are counted in this process, or in Redis for several processes."""

import hashlib
import ipaddress
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Problem, problem_response
from api.keyring import caller_of
from core.http.origins import SAFE_METHODS
from core.redis_client import ERRORS, RedisClient

TEST_MESSAGE_INTERVAL_SECONDS = 60.0


class WorkPool:
    """Capacity for concurrent work, in units. Requests beyond it are rejected, not queued. Safe to use from several
    threads."""

    def __init__(self, name: str, capacity: int, *, retry_seconds: int) -> None:
        self._name, self._capacity, self._retry = name, capacity, retry_seconds
        self._used = 0
        self._lock = threading.Lock()

    @contextmanager
    def acquired(self, units: int = 1) -> Iterator[None]:
        """Raises a 503 problem where the capacity is exhausted."""
        self.acquire(units)
        try:
            yield
        finally:
            self.release(units)

    def acquire(self, units: int) -> None:
        """As `acquired`; the caller releases the units."""
        with self._lock:
            if self._used + units > self._capacity:
                raise Problem(
                    503,
                    f"Too many {self._name} are in progress; try again in {self._retry} s.",
                    headers={"Retry-After": str(self._retry)},
                )
            self._used += units

    def release(self, units: int) -> None:
        with self._lock:
            self._used -= units


class ChannelTestLimiter:
    """Allows one test message per channel within TEST_MESSAGE_INTERVAL_SECONDS."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self._lock = threading.Lock()

    def check_and_record(self, channels: list[str]) -> None:
        """Raises a 429 problem where one of the channels had a test message within the interval, and then records
        none."""
        now = time.monotonic()
        with self._lock:
            waits = {
                name: self._sent.get(name, float("-inf")) + TEST_MESSAGE_INTERVAL_SECONDS - now for name in channels
            }
            latest = max(waits, key=lambda name: waits[name])
            if waits[latest] > 0:
                seconds = int(waits[latest]) + 1
                raise Problem(
                    429,
                    f"channel: {latest} received a test message within the last minute; wait {seconds} s.",
                    headers={"Retry-After": str(seconds)},
                )
            self._sent |= dict.fromkeys(channels, now)


class RequestCost(NamedTuple):
    """`until_sent`: the units are held until the response is sent completely, not only until it starts."""

    pool: WorkPool
    units: int
    until_sent: bool = False


class ConcurrencyLimits:
    """The pools of this process and the cost of each kind of request."""

    def __init__(self) -> None:
        self.writes = WorkPool("changes", 4, retry_seconds=2)
        sends = WorkPool("test messages", 2, retry_seconds=5)
        figures = WorkPool("long queries", 16, retry_seconds=2)
        exports = WorkPool("exports", 4, retry_seconds=10)
        searches = WorkPool("searches of logs", 3, retry_seconds=2)
        self._write = RequestCost(self.writes, 1)
        self._costs = {
            ("POST", "/api/alerts/test"): RequestCost(sends, 1),
            ("POST", "/api/alerts/rules/replay"): RequestCost(figures, 8),
            ("GET", "/api/metrics/groups"): RequestCost(figures, 4),
            ("GET", "/api/metrics/series"): RequestCost(figures, 2),
            ("GET", "/api/logs/search"): RequestCost(searches, 1, until_sent=True),
            ("POST", "/api/cause-rules/preview"): RequestCost(searches, 1),
            ("GET", "/api/export/runs"): RequestCost(exports, 1, until_sent=True),
        }

    def cost_of(self, method: str, path: str) -> RequestCost | None:
        """Null for cheap requests and for webhook deliveries, which have their own writer."""
        cost = self._costs.get((method, path))
        if cost or method in SAFE_METHODS or not path.startswith("/api/") or path.startswith("/api/webhooks/"):
            return cost
        return self._write


class ConcurrencyLimitMiddleware:
    """Rejects requests beyond the capacity of their pool with 503."""

    def __init__(self, app: ASGIApp, *, limits: ConcurrencyLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cost = self._limits.cost_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if cost is None:
            await self._app(scope, receive, send)
            return
        try:
            cost.pool.acquire(cost.units)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
            return
        held = True

        async def sending(message: Message) -> None:
            nonlocal held
            if held and not cost.until_sent:
                held = False
                cost.pool.release(cost.units)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            if held:
                cost.pool.release(cost.units)


_UNLIMITED_PREFIX = "/api/webhooks/"
RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_RAW_HEADERS = tuple(name.lower().encode() for name in RATE_HEADERS)
_Headers = list[tuple[bytes, bytes]]


class RateLimitMiddleware:
    """Limits requests below /api, except for webhook deliveries, which are signed. A request with a wrong key counts
    for its address, which limits guessing."""

    def __init__(self, app: ASGIApp, *, rate: str, redis_client: RedisClient | None, name: str) -> None:
        self._app, self._redis = app, redis_client
        self._rate = parse(rate)
        self._namespace = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._local = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _redis_limiter(redis_client) if redis_client else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/api/") or path.startswith(_UNLIMITED_PREFIX):
            await self._app(scope, receive, send)
            return
        allowed, rate_headers, wait = await self._count(_client_id(scope))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += rate_headers
            await send(message)

        if allowed:
            await self._app(scope, receive, sending)
            return
        problem = Problem(
            429,
            f"More than {_describe(self._rate)}: wait {wait} s. The operator of this API can raise API_RATE_LIMIT.",
            headers={"Retry-After": str(wait)},
        )
        await problem_response(problem)(scope, receive, sending)

    async def _count(self, client: str) -> tuple[bool, _Headers, int]:
        if self._shared and self._redis and self._redis.is_available():
            try:
                return await run_in_threadpool(self._hit, self._shared, client)
            except (*ERRORS, ValueError, TypeError, ArithmeticError) as error:
                # The last three: the key in Redis has a value of another type.
                self._redis.mark_down(error)
        return self._hit(self._local, client)

    def _hit(self, limiter: SlidingWindowCounterRateLimiter, client: str) -> tuple[bool, _Headers, int]:
        allowed = limiter.hit(self._rate, self._namespace, client)
        state = limiter.get_window_stats(self._rate, self._namespace, client)
        values = self._rate.amount, state.remaining if allowed else 0, math.ceil(state.reset_time)
        headers = [(name, b"%d" % value) for name, value in zip(_RAW_HEADERS, values, strict=True)]
        return allowed, headers, max(1, math.ceil(state.reset_time - time.time()))


def _client_id(scope: Scope) -> str:
    """Identifies a client. Redis gets only the hash of a key."""
    if key_digest := caller_of(scope).key_digest:
        return f"key-{key_digest[:32]}"
    address = scope.get("client")
    return f"address-{_client_network(address[0]) if address else 'unknown'}"


def _client_network(address: str) -> str:
    """The address, of IPv6 its /64 network, within which a host chooses addresses freely. All clients without a valid
    address count as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def _redis_limiter(redis_client: RedisClient) -> SlidingWindowCounterRateLimiter:
    pool = redis_client.client.connection_pool
    return SlidingWindowCounterRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix="pipeline-health"))


def _describe(rate: RateLimitItem) -> str:
    seconds = rate.get_expiry()
    return f"{rate.amount:,} requests in {seconds:,} s"
