"""How much work of one kind is under way at once. What waits for others (a lock of the database, a mail server) or
takes much memory would otherwise take all threads, and with them the answers that cost nothing.

How often one client may ask: API_RATE_LIMIT, by key, or by address without one. Counted in this process, or in Redis
for several of them.
"""

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
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import matching_key
from api.errors import Problem, problem_response
from core.http.origins import SAFE_METHODS
from core.redis_client import ERRORS, RedisClient

# One test message in so many seconds for each channel.
TEST_MESSAGE_INTERVAL_SECONDS = 60.0


class WorkPool:
    """Room for `most` units of work at once; nobody waits for it. From any thread."""

    def __init__(self, name: str, capacity: int, *, retry_seconds: int) -> None:
        self._name, self._capacity, self._retry = name, capacity, retry_seconds
        self._used = 0
        self._lock = threading.Lock()

    @contextmanager
    def acquired(self, units: int = 1) -> Iterator[None]:
        """Raises Problem where there is no room."""
        self.acquire(units)
        try:
            yield
        finally:
            self.release(units)

    def acquire(self, units: int) -> None:
        with self._lock:
            if self._used + units > self._capacity:
                raise Problem(
                    503,
                    f"Too many {self._name} are under way; try again in {self._retry} s.",
                    headers={"Retry-After": str(self._retry)},
                )
            self._used += units

    def release(self, units: int) -> None:
        with self._lock:
            self._used -= units


class TestMessageLimiter:
    """Times of the last test message of each channel."""

    __test__ = False

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self._lock = threading.Lock()

    def check_and_record(self, channels: list[str]) -> None:
        """Raises Problem where one of them had a test message within SPACING_SECONDS, and notes none then."""
        now = time.monotonic()
        with self._lock:
            waits = {
                each: self._sent.get(each, float("-inf")) + TEST_MESSAGE_INTERVAL_SECONDS - now for each in channels
            }
            latest = max(waits, key=lambda each: waits[each])
            if waits[latest] > 0:
                seconds = int(waits[latest]) + 1
                raise Problem(
                    429,
                    f"channel: {latest} had a test message within the last minute; wait {seconds} s.",
                    headers={"Retry-After": str(seconds)},
                )
            self._sent |= dict.fromkeys(channels, now)


class RequestCost(NamedTuple):
    """`whole`: the room is held until the answer is sent, not only until it begins."""

    pool: WorkPool
    units: int
    until_sent: bool = False


class ConcurrencyLimits:
    """The pools of one process, and the kind of each request."""

    def __init__(self) -> None:
        self.writes = WorkPool("changes", 4, retry_seconds=2)
        sends = WorkPool("test messages", 2, retry_seconds=5)
        figures = WorkPool("long questions", 16, retry_seconds=2)
        exports = WorkPool("exports", 4, retry_seconds=10)
        self._write = RequestCost(self.writes, 1)
        self._kinds = {
            ("POST", "/api/alerts/test"): RequestCost(sends, 1),
            ("POST", "/api/alerts/rules/replay"): RequestCost(figures, 8),
            ("GET", "/api/metrics/groups"): RequestCost(figures, 4),
            ("GET", "/api/metrics/series"): RequestCost(figures, 2),
            ("GET", "/api/export/runs"): RequestCost(exports, 1, until_sent=True),
        }

    def cost_of(self, method: str, path: str) -> RequestCost | None:
        """Null for what is cheap. Deliveries of webhooks have a writer of their own."""
        known = self._kinds.get((method, path))
        if known or method in SAFE_METHODS or not path.startswith("/api/") or path.startswith("/api/webhooks/"):
            return known
        return self._write


class ConcurrencyLimitMiddleware:
    """Refuses at once what finds no room."""

    def __init__(self, app: ASGIApp, *, limits: ConcurrencyLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._limits.cost_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if kind is None:
            await self._app(scope, receive, send)
            return
        try:
            kind.pool.acquire(kind.units)
        except Problem as problem:
            await problem_response(problem)(scope, receive, send)
            return
        held = True

        async def sending(message: Message) -> None:
            nonlocal held
            if held and not kind.until_sent:
                held = False
                kind.pool.release(kind.units)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            if held:
                kind.pool.release(kind.units)


_UNLIMITED_PREFIX = "/api/webhooks/"
RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_RAW_HEADERS = tuple(name.lower().encode() for name in RATE_HEADERS)
_Headers = list[tuple[bytes, bytes]]


class RateLimitMiddleware:
    """Counts every request below /api but deliveries of webhooks, which are known by their signature. One with a
    wrong key counts for its address, which makes guessing slow."""

    def __init__(
        self, app: ASGIApp, *, rate: str, keys: tuple[str, ...], redis_client: RedisClient | None, name: str
    ) -> None:
        self._app, self._keys, self._link = app, keys, redis_client
        self._rate = parse(rate)
        self._name = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._here = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _redis_limiter(redis_client) if redis_client else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/api/") or path.startswith(_UNLIMITED_PREFIX):
            await self._app(scope, receive, send)
            return
        allowed, limits, wait = await self._count(_client_id(scope, self._keys))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += limits
            await send(message)

        if allowed:
            await self._app(scope, receive, sending)
            return
        problem = Problem(
            429,
            f"More than {_describe(self._rate)}: wait {wait} s. Whoever runs this API can raise API_RATE_LIMIT.",
            headers={"Retry-After": str(wait)},
        )
        await problem_response(problem)(scope, receive, sending)

    async def _count(self, client: str) -> tuple[bool, _Headers, int]:
        if self._shared and self._link and self._link.is_available():
            try:
                return await run_in_threadpool(self._hit, self._shared, client)
            except (*ERRORS, ValueError, TypeError, ArithmeticError) as error:
                # The last three: something else than a count has its name.
                self._link.mark_down(error)
        return self._hit(self._here, client)

    def _hit(self, limiter: SlidingWindowCounterRateLimiter, client: str) -> tuple[bool, _Headers, int]:
        allowed = limiter.hit(self._rate, self._name, client)
        state = limiter.get_window_stats(self._rate, self._name, client)
        values = self._rate.amount, state.remaining if allowed else 0, math.ceil(state.reset_time)
        headers = [(name, b"%d" % value) for name, value in zip(_RAW_HEADERS, values, strict=True)]
        return allowed, headers, max(1, math.ceil(state.reset_time - time.time()))


def _client_id(scope: Scope, keys: tuple[str, ...]) -> str:
    """Who asks. Of a key only its hash gets to Redis."""
    key = matching_key(Headers(scope=scope), keys)
    if key:
        return "key-" + hashlib.sha256(key.encode()).hexdigest()[:32]
    address = scope.get("client")
    return f"address-{_client_network(address[0]) if address else 'unknown'}"


def _client_network(address: str) -> str:
    """Of IPv6 the first half: the rest anybody chooses for themselves. What is no address is one client together."""
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
