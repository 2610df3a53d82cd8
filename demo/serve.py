"""Serving the simulator: for tests in a thread, for people as a program with a memory of when it ran."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from demo.world import World, utc_now

Span = tuple[datetime, datetime]
_KEPT = 20


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """The app over real HTTP on a free port of loopback; yields the base URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class Memory:
    """The anchor of the history, and the spans in which the simulator ran: runs it once showed stay the same after
    a restart. A file that is gone or broken begins a new history."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.anchor, self.spans = self._read()
        self._started = utc_now()

    def note(self) -> None:
        if self._path is None:
            return
        spans = [*self.spans, (self._started, utc_now())][-_KEPT:]
        written = {"anchor": self.anchor.isoformat(), "spans": [[a.isoformat(), b.isoformat()] for a, b in spans]}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".tmp")
        fresh.write_text(json.dumps(written), encoding="utf-8")
        fresh.replace(self._path)

    def _read(self) -> tuple[datetime, list[Span]]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
            spans = [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in data["spans"]]
            return datetime.fromisoformat(data["anchor"]), spans
        except (OSError, ValueError, KeyError, TypeError):
            return utc_now(), []


def remembered_world(memory: Memory) -> World:
    return World.demo(anchor=memory.anchor, spans=memory.spans)
