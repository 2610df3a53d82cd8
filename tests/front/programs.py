"""API and dashboard as processes of their own, and requests to them byte by byte."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.notify.servers import free_port
from tests.programs import ROOT, Program, start

__all__ = ["ROOT"]
API = ("api",)
DASHBOARD = ("streamlit", "run", "app/main.py", "--server.port", "{port}", "--server.address", "127.0.0.1")


@dataclass
class Server:
    port: int
    process: Program
    log: Path
    module: str

    @property
    def most_memory(self) -> int:
        """In bytes, the most that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    @property
    def own(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@contextmanager
def serving(command: tuple[str, ...], folder: Path, *, descriptors: int = 1024, **environment: str) -> Iterator[Server]:
    port = free_port()
    module, *words = (each.format(port=port) for each in command)
    log = folder / f"server-{port}.log"
    with log.open("w") as out:
        process = start(
            module, *words, environment={"API_PORT": str(port), **environment}, log=out, descriptors=descriptors
        )
        found = Server(port, process, log, module)
        try:
            _wait(found)
            yield found
        finally:
            process.close()


def _wait(server: Server) -> None:
    for _ in range(600):
        assert server.process.poll() is None, server.log.read_text()
        try:
            if ask(server, "GET", "/health/live").status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(server.log.read_text())


def head(server: Server, method: str, path: str, headers: Mapping[str, str] | None = None) -> bytes:
    sent = {"Host": f"127.0.0.1:{server.port}", **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def ask(
    server: Server, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"",
    seconds: float = 20,
) -> Answer:  # fmt: skip
    sized = {"Content-Length": str(len(body))} if body else {}
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        # It may be answered before everything is sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head(server, method, path, sized | dict(headers or {})) + body)
        return read(connection)


def read(connection: socket.socket) -> Answer:
    """Null status where it was closed without an answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = _more(connection)
        if not piece:
            return Answer(0)
        data += piece
    top, _, body = data.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines[1:])}
    size = int(headers.get("content-length", "0"))
    while len(body) < size and (piece := _more(connection)):
        body += piece
    return Answer(int(lines[0].split()[1]), headers, body)


def _more(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def handshake(server: Server, headers: Mapping[str, str] | None = None, path: str = "/_stcore/stream") -> Answer:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "streamlit",
    }  # fmt: skip
    return ask(server, "GET", path, {**upgrade, **(headers or {})})
