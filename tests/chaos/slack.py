"""A Slack that can be made to wait: before it takes a message, or between taking it and saying so."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_ALERT = re.compile(r"[?&]alert=(\d+)|&amp;alert=(\d+)")


class Hold(Enum):
    NOT = "not"
    BEFORE_TAKING = "before taking"
    BEFORE_ANSWERING = "before answering"


class Taken(NamedTuple):
    """`at`: seconds of time.monotonic(). `alert`: the id in its link, 0 where it has none."""

    at: float
    alert: int
    over: bool
    text: str


@dataclass
class Slack:
    """`holding` is set while a message is held. What is held when its sender dies was taken only if it was held
    before the answer."""

    url: str = ""
    hold: Hold = Hold.NOT
    taken: list[Taken] = field(default_factory=list)
    holding: threading.Event = field(default_factory=threading.Event)
    _let_go: threading.Event = field(default_factory=threading.Event)

    def counts(self) -> Counter[tuple[int, bool]]:
        """How often each message was taken, by alert and whether it told the end."""
        return Counter((each.alert, each.over) for each in list(self.taken))

    def let_go(self, *, lost: bool) -> None:
        """Whoever is held goes on; with `lost` without having been taken, as its sender is dead."""
        self._lost, self.hold = lost, Hold.NOT
        self._let_go.set()
        self.holding.clear()

    def wait_until_holding(self, hold: Hold) -> None:
        self._let_go.clear()
        self._lost, self.hold = False, hold

    def take(self, body: dict[str, Any]) -> bool:
        """False where it was not taken."""
        hold = self.hold
        if hold is Hold.BEFORE_TAKING and self._held():
            return False
        self.taken.append(_read(body))
        if hold is Hold.BEFORE_ANSWERING:
            self._held()
        return True

    def _held(self) -> bool:
        self.holding.set()
        self._let_go.wait(60)
        return self._lost

    _lost: bool = False


def _read(body: dict[str, Any]) -> Taken:
    found = _ALERT.search(json.dumps(body))
    number = next((int(each) for each in found.groups() if each), 0) if found else 0
    parts: list[str] = []
    for block in body["blocks"]:
        parts += [
            each["text"] for each in ([block["text"]] if "text" in block else block.get("fields") or block["elements"])
        ]
    return Taken(time.monotonic(), number, parts[0].startswith("✅"), "\n".join(parts))


@contextmanager
def slack() -> Iterator[Slack]:
    made = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not made.take(body):
                self.close_connection = True
                return
            try:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
            except OSError:
                # Its sender was killed meanwhile.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Quiet: the test asks what was taken."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/services/T0/B0/s3cr3t-hook"
    try:
        yield made
    finally:
        made.let_go(lost=True)
        server.shutdown()
        server.server_close()
        thread.join()
