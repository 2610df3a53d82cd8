"""How often one client may ask: API_RATE_LIMIT, by key, or by address without one. Counted in this process, or in Redis
for several of them."""

import hashlib
import ipaddress
import math
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth import key_of
from api.errors import Problem, answer
from api.redis_link import ERRORS, RedisLink

_UNLIMITED = "/api/webhooks/"
RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_RAW_HEADERS = tuple(name.lower().encode() for name in RATE_HEADERS)
_Headers = list[tuple[bytes, bytes]]


class Throttle:
    """Counts every request below /api but deliveries of webhooks, which are known by their signature. One with a
    wrong key counts for its address, which makes guessing slow."""

    def __init__(self, app: ASGIApp, *, rate: str, keys: tuple[str, ...], link: RedisLink | None, name: str) -> None:
        self._app, self._keys, self._link = app, keys, link
        self._rate = parse(rate)
        self._name = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._here = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = _shared(link) if link else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/api/") or path.startswith(_UNLIMITED):
            await self._app(scope, receive, send)
            return
        allowed, limits, wait = await self._count(_client(scope, self._keys))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += limits
            await send(message)

        if allowed:
            await self._app(scope, receive, sending)
            return
        problem = Problem(
            429,
            f"More than {_words(self._rate)}: wait {wait} s. Whoever runs this API can raise API_RATE_LIMIT.",
            headers={"Retry-After": str(wait)},
        )
        await answer(problem)(scope, receive, sending)

    async def _count(self, client: str) -> tuple[bool, _Headers, int]:
        if self._shared and self._link and self._link.is_well():
            try:
                return await run_in_threadpool(self._hit, self._shared, client)
            except (*ERRORS, ValueError, TypeError, ArithmeticError) as error:
                # The last three: something else than a count has its name.
                self._link.leave(error)
        return self._hit(self._here, client)

    def _hit(self, limiter: SlidingWindowCounterRateLimiter, client: str) -> tuple[bool, _Headers, int]:
        allowed = limiter.hit(self._rate, self._name, client)
        state = limiter.get_window_stats(self._rate, self._name, client)
        values = self._rate.amount, state.remaining if allowed else 0, math.ceil(state.reset_time)
        headers = [(name, b"%d" % value) for name, value in zip(_RAW_HEADERS, values, strict=True)]
        return allowed, headers, max(1, math.ceil(state.reset_time - time.time()))


def _client(scope: Scope, keys: tuple[str, ...]) -> str:
    """Who asks. Of a key only its hash gets to Redis."""
    key = key_of(Headers(scope=scope), keys)
    if key:
        return "key-" + hashlib.sha256(key.encode()).hexdigest()[:32]
    address = scope.get("client")
    return f"address-{_network(address[0]) if address else 'unknown'}"


def _network(address: str) -> str:
    """Of IPv6 the first half: the rest anybody chooses for themselves. What is no address is one client together."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def _shared(link: RedisLink) -> SlidingWindowCounterRateLimiter:
    pool = link.client.connection_pool
    return SlidingWindowCounterRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix="pipeline-health"))


def _words(rate: RateLimitItem) -> str:
    seconds = rate.get_expiry()
    return f"{rate.amount:,} requests in {seconds:,} s"
