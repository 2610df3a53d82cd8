"""A small real HTTP proxy: it forwards what it is asked in plain, and opens tunnels for TLS."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests


class Proxy:
    """`asked`: method and target as they came, `headers` of each; a tunnel's content stays hidden. What it is asked
    for under any name is on loopback."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    @contextmanager
    def serve(self) -> Iterator[str]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self) -> None:
                self._note()
                with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2])), timeout=10) as other:
                    self.send_response(200)
                    self.end_headers()
                    _tunnel(self.connection, other)
                self.close_connection = True

            def do_GET(self) -> None:
                self._note()
                asked = urlsplit(self.path)
                with requests.Session() as session:
                    session.trust_env = False
                    kept = {
                        name: value for name, value in self.headers.items() if name.lower() != "proxy-authorization"
                    }
                    answer = session.get(f"http://127.0.0.1:{asked.port}{asked.path}?{asked.query}", headers=kept)
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def _note(self) -> None:
                proxy.asked.append(f"{self.command} {self.path}")
                proxy.headers.append({name.lower(): value for name, value in self.headers.items()})

            def log_message(self, *_: object) -> None:
                """Quiet: the test asks what was requested."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _tunnel(one: socket.socket, other: socket.socket) -> None:
    """Until one of the two has ended."""
    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            data = ready.recv(65_536)
            if not data:
                return
            (other if ready is one else one).sendall(data)
