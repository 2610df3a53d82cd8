"""What lies between a program and a server, and breaks: certificates, answers that end too early, too late or never."""

import gzip
import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit

_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"


class Fault(Enum):
    """What becomes of an answer. TOO_LONG and TOO_SHORT are of its Content-Length."""

    NONE = "none"
    REFUSED = "refused"
    RESET = "reset in the middle of the body"
    TOO_LONG = "Content-Length too long"
    TOO_SHORT = "Content-Length too short"
    DRIP = "one byte at a time"
    ENDLESS = "without end"
    PAGE = "502 with a page"
    CUT_GZIP = "gzip that is cut off"


class Wire:
    """`forwards` false: while it is failing the server is not asked, so that nothing is done twice. `context`: how it
    shows who it is; null for plain HTTP."""

    def __init__(self, upstream: str, *, forwards: bool = True) -> None:
        self._upstream, self._forwards = urlsplit(upstream), forwards
        self.fault = Fault.NONE
        self.context: ssl.SSLContext | None = None
        self.met = 0
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self._listener.getsockname()[1])

    @contextmanager
    def laid(self) -> Iterator["Wire"]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            # close() alone does not wake who waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        fault = self.fault
        with suppress(OSError, ValueError, http.client.HTTPException):
            if fault is Fault.REFUSED:
                self.met += 1
                _reset(taken)
                return
            wrapped = taken
            if self.context:
                try:
                    wrapped = self.context.wrap_socket(taken, server_side=True)
                except ssl.SSLError:
                    self.met += 1
                    raise
            with wrapped:
                asked = _asked(wrapped)
                if fault is Fault.NONE:
                    self._answer(wrapped, *self._ask(asked))
                else:
                    self.met += 1
                    answer = self._ask(asked) if self._forwards else (503, [], b"x" * 1_000)
                    self._spoil(wrapped, fault, *answer)
        with suppress(OSError):
            taken.close()

    def _ask(self, asked: tuple[str, str, dict[str, str], bytes]) -> tuple[int, list[tuple[str, str]], bytes]:
        method, path, headers, body = asked
        connection = http.client.HTTPConnection(str(self._upstream.hostname), self._upstream.port, timeout=30)
        headers = {name: value for name, value in headers.items() if name.lower() not in ("connection",)}
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, to: socket.socket, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        to.sendall(_head(status, headers, len(body)) + body)

    def _spoil(self, to: socket.socket, fault: Fault, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        body = body or b"{}"
        half = body[: len(body) // 2]
        if fault is Fault.RESET:
            to.sendall(_head(status, headers, len(body)) + half)
            _reset(to)
        elif fault is Fault.TOO_LONG:
            to.sendall(_head(status, headers, len(body) + 1_000) + body)
        elif fault is Fault.TOO_SHORT:
            to.sendall(_head(status, headers, len(half)) + body)
        elif fault is Fault.PAGE:
            to.sendall(_head(502, [("Content-Type", "text/html")], len(_PAGE)) + _PAGE)
        elif fault is Fault.CUT_GZIP:
            packed = gzip.compress(body)
            packed = packed[: len(packed) // 2]
            to.sendall(_head(status, [*headers, ("Content-Encoding", "gzip")], len(packed)) + packed)
        elif fault is Fault.DRIP:
            for byte in _head(status, headers, len(body)) + body:
                to.sendall(bytes([byte]))
                if self.fault is not fault or self._ended.wait(0.3):
                    return
        elif fault is Fault.ENDLESS:
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
            while self.fault is fault and not self._ended.is_set():
                to.sendall(b" " * 65_536)
                time.sleep(0.005)


def _asked(taken: socket.socket) -> tuple[str, str, dict[str, str], bytes]:
    taken.settimeout(30)
    text = b""
    while b"\r\n\r\n" not in text:
        piece = taken.recv(65_536)
        if not piece:
            raise ValueError("nothing was asked")
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(next((value for name, value in headers.items() if name.lower() == "content-length"), "0"))
    while len(body) < length:
        body += taken.recv(65_536)
    return method, path, headers, body


def _head(status: int, headers: list[tuple[str, str]], length: int) -> bytes:
    kept = [each for each in headers if each[0].lower() not in ("content-length", "connection", "transfer-encoding")]
    kept += [("Content-Length", str(length)), ("Connection", "close")]
    lines = "".join(f"{name}: {value}\r\n" for name, value in kept)
    return f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode("latin-1")


def _reset(taken: socket.socket) -> None:
    """As a machine that went away answers: RST instead of an orderly end."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    taken.close()
