"""How much work of one kind is under way at once. What waits for others (a lock of the database, a mail server) or
takes much memory would otherwise take all threads, and with them the answers that cost nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Problem, answer
from front.origins import SAFE_METHODS

# One test message in so many seconds for each channel.
SPACING_SECONDS = 60.0


class Pool:
    """Room for `most` units of work at once; nobody waits for it. From any thread."""

    def __init__(self, name: str, most: int, *, retry_seconds: int) -> None:
        self._name, self._most, self._retry = name, most, retry_seconds
        self._used = 0
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, units: int = 1) -> Iterator[None]:
        """Raises Problem where there is no room."""
        self.take(units)
        try:
            yield
        finally:
            self.give(units)

    def take(self, units: int) -> None:
        with self._lock:
            if self._used + units > self._most:
                raise Problem(
                    503,
                    f"Too many {self._name} are under way; try again in {self._retry} s.",
                    headers={"Retry-After": str(self._retry)},
                )
            self._used += units

    def give(self, units: int) -> None:
        with self._lock:
            self._used -= units


class MessageTimes:
    """When a test message went to each channel."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, channels: list[str]) -> None:
        """Raises Problem where one of them had a test message within SPACING_SECONDS, and notes none then."""
        now = time.monotonic()
        with self._lock:
            waits = {each: self._sent.get(each, float("-inf")) + SPACING_SECONDS - now for each in channels}
            latest = max(waits, key=lambda each: waits[each])
            if waits[latest] > 0:
                seconds = int(waits[latest]) + 1
                raise Problem(
                    429,
                    f"channel: {latest} had a test message within the last minute; wait {seconds} s.",
                    headers={"Retry-After": str(seconds)},
                )
            self._sent |= dict.fromkeys(channels, now)


class Kind(NamedTuple):
    """`whole`: the room is held until the answer is sent, not only until it begins."""

    pool: Pool
    units: int
    whole: bool = False


class Loads:
    """The pools of one process, and the kind of each request."""

    def __init__(self) -> None:
        self.writes = Pool("changes", 4, retry_seconds=2)
        sends = Pool("test messages", 2, retry_seconds=5)
        figures = Pool("long questions", 16, retry_seconds=2)
        exports = Pool("exports", 4, retry_seconds=10)
        self._write = Kind(self.writes, 1)
        self._kinds = {
            ("POST", "/api/alerts/test"): Kind(sends, 1),
            ("POST", "/api/alerts/rules/replay"): Kind(figures, 8),
            ("GET", "/api/metrics/groups"): Kind(figures, 4),
            ("GET", "/api/metrics/series"): Kind(figures, 2),
            ("GET", "/api/export/runs"): Kind(exports, 1, whole=True),
        }

    def kind(self, method: str, path: str) -> Kind | None:
        """Null for what is cheap. Deliveries of webhooks have a writer of their own."""
        known = self._kinds.get((method, path))
        if known or method in SAFE_METHODS or not path.startswith("/api/") or path.startswith("/api/webhooks/"):
            return known
        return self._write


class Limited:
    """Refuses at once what finds no room."""

    def __init__(self, app: ASGIApp, *, loads: Loads) -> None:
        self._app, self._loads = app, loads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._loads.kind(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if kind is None:
            await self._app(scope, receive, send)
            return
        try:
            kind.pool.take(kind.units)
        except Problem as problem:
            await answer(problem)(scope, receive, send)
            return
        held = True

        async def sending(message: Message) -> None:
            nonlocal held
            if held and not kind.whole:
                held = False
                kind.pool.give(kind.units)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            if held:
                kind.pool.give(kind.units)
