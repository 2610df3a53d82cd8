"""An ASGI application behind a real server, in a thread of the test's own process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import uvicorn

from tests.notify.servers import free_port


@contextmanager
def served(app: Any, *, lifespan: Literal["auto", "off"] = "auto") -> Iterator[int]:
    """The port on which it is served."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan=lifespan, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(10)
