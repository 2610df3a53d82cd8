"""What stands in for Slack's Web API and for whoever takes webhooks: real HTTP servers on this machine."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "xoxb-s3cr3t-token"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, data: Any, status: int = 200, **headers: str) -> "Answer":
        return cls(status, json.dumps(data).encode(), headers)

    @classmethod
    def error(cls, word: str) -> "Answer":
        """As Slack refuses: with a 200."""
        return cls.json({"ok": False, "error": word})


@contextmanager
def _serving(answer: Callable[[BaseHTTPRequestHandler, bytes], Answer]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = answer(self, raw)
            try:
                self.send_response(found.status)
                for name, value in found.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(found.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(found.body)
            except OSError:
                self.close_connection = True  # who asked has gone

        do_GET = do_HEAD = do_POST

        def log_message(self, *_: Any) -> None:
            """Quiet: the test asks what was received."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class SlackApi:
    """A workspace with one channel, as people see it: `messages` by their ts, `threads` by the ts of the opening.
    `instead` answers a method otherwise; `down` all of them."""

    url: str = ""
    channel: str = "C0ALERTS"
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    threads: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    instead: dict[str, Answer] = field(default_factory=dict)
    down: Answer | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, method: str, authorization: str | None, asked: dict[str, Any]) -> Answer:
        self.calls.append((method, asked))
        if self.down or method in self.instead:
            return self.down or self.instead[method]
        if authorization != f"Bearer {TOKEN}":
            return Answer.error("invalid_auth")
        if method == "auth.test":
            return Answer.json({"ok": True, "user": "health", "team": "Acme"})
        if asked.get("channel") not in (self.channel, "#alerts"):
            return Answer.error("channel_not_found")
        return self._update(asked) if method == "chat.update" else self._post(asked)

    def _post(self, asked: dict[str, Any]) -> Answer:
        ts = f"1763467200.{len(self.calls):06d}"
        opening = asked.get("thread_ts")
        if opening is None:
            self.messages[ts] = asked
        elif opening in self.messages:
            self.threads.setdefault(opening, []).append(asked)
        else:
            return Answer.error("thread_not_found")
        return Answer.json({"ok": True, "channel": self.channel, "ts": ts})

    def _update(self, asked: dict[str, Any]) -> Answer:
        if asked["ts"] not in self.messages:
            return Answer.error("message_not_found")
        self.messages[asked["ts"]] = asked
        return Answer.json({"ok": True, "channel": self.channel, "ts": asked["ts"]})

    def read(self) -> list[str]:
        """The channel as a person reads it, oldest first, without the threads."""
        return [as_read(each) for each in self.messages.values()]

    def headlines(self) -> list[str]:
        return [text.splitlines()[0] for text in self.read()]

    def replies(self) -> list[str]:
        return [as_read(each) for thread in self.threads.values() for each in thread]


def as_read(message: dict[str, Any]) -> str:
    """The texts of all blocks, one a line."""
    found: list[str] = []
    for block in message["blocks"]:
        parts = [block["text"]] if "text" in block else block.get("fields") or block["elements"]
        found += [part["text"] for part in parts]
    return "\n".join(found)


@contextmanager
def slack_api() -> Iterator[SlackApi]:
    slack = SlackApi()

    def answer(handler: BaseHTTPRequestHandler, raw: bytes) -> Answer:
        asked = json.loads(raw) if raw.startswith(b"{") else {}
        return slack.answer(handler.path.rpartition("/")[2], handler.headers.get("Authorization"), asked)

    with _serving(answer) as port:
        slack.url = f"http://127.0.0.1:{port}/api/"
        yield slack


@dataclass(frozen=True)
class Posted:
    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


@dataclass
class Hook:
    """Whoever takes webhooks; `seconds` is how long it takes to answer."""

    url: str = ""
    answer: Answer = field(default_factory=lambda: Answer(204, b""))
    seconds: float = 0.0
    posted: list[Posted] = field(default_factory=list)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [each.body for each in self.posted]


@contextmanager
def hook() -> Iterator[Hook]:
    found = Hook()

    def answer(handler: BaseHTTPRequestHandler, raw: bytes) -> Answer:
        time.sleep(found.seconds)
        found.posted.append(Posted(handler.command, handler.path, dict(handler.headers.items()), raw))
        return found.answer

    with _serving(answer) as port:
        found.url = f"http://127.0.0.1:{port}/hooks/s3cr3t-path?token=s3cr3t-query"
        yield found
