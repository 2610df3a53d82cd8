"""An HTTP server that gives the recorded answers of GitHub that lie beside this checkout, as they are.

They are not part of the project (their licences differ), so tests that need them say so and are skipped elsewhere.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).parents[3] / "shared" / "recorded"
MISSING = f"the recorded answers of GitHub are not in {FOLDER}"


class Recordings:
    """Answers by path, without the query."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []

    def json(self, path: str, body: object) -> None:
        self.answers[path] = (200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    @contextmanager
    def serve(self) -> Iterator[str]:
        recordings = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                recordings.asked.append(self.path)
                missing = (404, {"Content-Type": "application/json"}, b'{"message": "Not Found", "status": "404"}')
                status, headers, body = recordings.answers.get(path, missing)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet: the test asks what was requested."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def load(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def exchanges(folder: Path) -> Iterator[tuple[str, int, dict[str, str], bytes]]:
    """The recorded GETs of a wiremock folder: path, status, headers, body."""
    for mapping in sorted((folder / "mappings").glob("*.json")):
        recorded = json.loads(mapping.read_text(encoding="utf-8"))
        request, response = recorded["request"], recorded["response"]
        if request.get("method") != "GET":
            continue
        body = b""
        if name := response.get("bodyFileName"):
            body = (folder / "__files" / name).read_bytes()
        elif text := response.get("body"):
            body = text.encode()
        headers = {
            k: v for k, v in response.get("headers", {}).items() if not re.match("(?i)content-length|transfer", k)
        }
        yield urlsplit(request["url"]).path, response["status"], headers, body
