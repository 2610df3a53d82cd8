"""A small real HTTP server that answers as a test says, and counts what reaches it."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """Header names in lower case; `at` in seconds of time.monotonic. `path` has the query."""

    method: str
    path: str
    headers: dict[str, str]
    at: float


@dataclass
class Reply:
    """`cut`: the connection ends after so many bytes of the body. `headers` may hold a Content-Length of its own."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    cut: int | None = None


def as_json(content: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "application/json", **named}, json.dumps(content).encode())


class StandIn:
    """`respond` says what is answered; it is called in a thread of the request's own."""

    def __init__(self, respond: Callable[[Asked], Reply]) -> None:
        self.respond, self.asked = respond, list[Asked]()
        self.at_once = self.highest_at_once = self.connections = 0
        self._lock = threading.Lock()

    @property
    def paths(self) -> list[str]:
        return [each.path for each in self.asked]

    def most_in(self, seconds: float) -> int:
        """The most requests that arrived in any span of this length."""
        times = sorted(each.at for each in self.asked)
        return max(sum(first <= at < first + seconds for at in times) for first in times)

    def span(self) -> float:
        """Seconds between the first request and the last."""
        times = [each.at for each in self.asked]
        return max(times) - min(times)

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            self.at_once += 1
            self.highest_at_once = max(self.highest_at_once, self.at_once)
        try:
            return self.respond(asked)
        finally:
            with self._lock:
                self.at_once -= 1

    @contextmanager
    def serve(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[str]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else an answer's head and body go apart, and the second waits 40 ms for the first.
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                with stand_in._lock:
                    stand_in.connections += 1

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = stand_in.answer(Asked(self.command, self.path, headers, time.monotonic()))
                self.send_response_only(reply.status)
                named = {"Date": self.date_time_string(), "Content-Length": str(len(reply.body)), **reply.headers}
                for name, value in named.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body[: reply.cut])
                self.close_connection = self.close_connection or reply.cut is not None

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                """Quiet: the test asks what was requested."""

        server = _Server((host, 0), Handler)
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://{host}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Else some of many that connect at once wait for a second, until they knock again.
    request_queue_size = 200


def limit_headers(remaining: int = 4999, *, limit: int = 5000, reset: float = 4102444800) -> dict[str, str]:
    """What GitHub says of the hourly limit with each answer; `reset` in seconds of the epoch, far away."""
    named = {"limit": limit, "remaining": remaining, "used": limit - remaining, "reset": int(reset)}
    return {f"x-ratelimit-{name}": str(value) for name, value in named.items()}
