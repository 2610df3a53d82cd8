"""A local HTTP server that stands for Slack."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "ok"

    def answer(self, status: int, headers: dict[str, str] | None = None, body: str = "ok") -> None:
        self.status, self.headers, self.body = status, headers or {}, body

    def text(self, index: int) -> str:
        """What a person reads: the texts of all blocks, one a line."""
        return "\n".join(each["text"] for each in self.elements(index))

    def elements(self, index: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for block in self.bodies[index]["blocks"]:
            found += [block["text"]] if "text" in block else block.get("fields") or block["elements"]
        return found


@contextmanager
def slack_stand_in() -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if received.status == 200:
                received.bodies.append(json.loads(body))
            self.send_response(received.status)
            for name, value in received.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(received.body.encode())

        def log_message(self, *_: object) -> None:
            """Quiet: the test asks what was received."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    received.url = f"http://127.0.0.1:{server.server_port}/services/T0/B0/hooks"
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
