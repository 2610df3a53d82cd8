"""Servers that answer byte by byte or without end: real sockets."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

# What a connection is sent, piece by piece, after the pause in seconds before it.
Pieces = Iterable[tuple[float, bytes]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def drip(text: bytes, pause: float = 0.05) -> Pieces:
    return ((pause, bytes([byte])) for byte in text)


def endless(piece: bytes) -> Pieces:
    return ((0.0, piece) for _ in itertools.count())


def after_head(head: bytes, rest: Callable[[], Pieces]) -> Callable[[], Pieces]:
    return lambda: itertools.chain([(0.0, head)], rest())


ANSWERS = {
    "a head that drips": lambda: drip(HEAD + b"X: " + b"x" * 1000),
    "a head without end": lambda: itertools.chain([(0.0, HEAD)], endless(b"X: " + b"x" * 60_000 + b"\r\n")),
    "a body that drips": after_head(HEAD + b"Content-Length: 900\r\n\r\n", lambda: drip(b" " * 900)),
    "a body until the end that drips": after_head(HEAD + b"\r\n", lambda: drip(b" " * 900)),
    "a body without end": after_head(HEAD + b"\r\n", lambda: endless(b" " * 60_000)),
    "chunks that drip": after_head(CHUNKED, lambda: drip(b"1\r\n \r\n" * 200)),
    "chunks without end": after_head(CHUNKED, lambda: endless(b"1000\r\n" + b" " * 4096 + b"\r\n")),
    "the size of a chunk without end": after_head(CHUNKED, lambda: endless(b"0" * 60_000)),
    "trailers without end": after_head(CHUNKED + b"0\r\n", lambda: endless(b"X: " + b"x" * 60_000 + b"\r\n")),
}


@contextmanager
def serving(answer: Callable[[], Pieces], *, greets: bool = False) -> Iterator[int]:
    """The port of a server that sends this to everybody who said something; `greets`: or nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve(taken: socket.socket) -> None:
        with taken, suppress(OSError):
            if not greets:
                taken.recv(65_536)
            for pause, piece in answer():
                if ended.is_set():
                    return
                if pause:
                    time.sleep(pause)
                taken.sendall(piece)

    def accept() -> None:
        with suppress(OSError):
            while True:
                taken, _ = listener.accept()
                threading.Thread(target=serve, args=(taken,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        listener.close()
