"""Serving the simulator: for tests in a thread, for people as a program with a memory of when it was on."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from demo.live import Span, slot_at
from demo.world import World, utc_now

_VERSION, _KEPT_SPANS = 2, 200
# Slots are written down this long before they are shown: even one that is killed keeps its word.
_AHEAD = timedelta(seconds=60)


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """The app over real HTTP on a free port of loopback; yields the base URL."""
    listener = tcp_socket("127.0.0.1")
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.002)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class Serving(uvicorn.Server):
    """A server that does something beside answering, in the same loop: the two never see half of each other's work."""

    def __init__(self, config: uvicorn.Config, beside: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__(config)
        self._beside = beside

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        task = asyncio.ensure_future(self._beside()) if self._beside else None
        try:
            await super().serve(sockets)
        finally:
            if task:
                task.cancel()


def tcp_socket(host: str) -> socket.socket:
    """asyncio switches Nagle's delay off only where the protocol is named: 40 ms an answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)


class Memory:
    """When the account began, and the spans of live slots since. Without a path nothing is remembered; a file that is
    gone, broken or of another version begins a new account."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.start, self.spans = self._read()

    def world(self) -> World:
        return World.demo(start=self.start, spans=self.spans)

    def note(self, world: World, *, last: bool = False) -> None:
        """Reserves the next minute of slots, or with `last` ends the span here."""
        if self._path is None or world.account is None:
            return
        now, span = world.clock(), world.account.span
        end = max(slot_at(now if last else now + _AHEAD) + 1, span.first)
        kept = [*self.spans, Span(span.first, end, span.index)][-_KEPT_SPANS:]
        data = {
            "version": _VERSION,
            "start": self.start.isoformat(),
            "spans": [[each.first, each.end, each.index] for each in kept],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".tmp")
        fresh.write_text(json.dumps(data), encoding="utf-8")
        fresh.replace(self._path)

    def _read(self) -> tuple[datetime, list[Span]]:
        try:
            data: Any = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
            spans = [Span(int(first), int(end), int(index)) for first, end, index in data["spans"]]
            start = datetime.fromisoformat(data["start"])
            if data["version"] == _VERSION and start.tzinfo is not None:
                return start, spans
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return utc_now(), []
