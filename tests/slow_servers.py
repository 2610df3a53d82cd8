"""Servers that answer byte by byte or without end: real sockets."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

# What a connection is sent, piece by piece, after the pause in seconds before it.
Pieces = Iterable[tuple[float, bytes]]


def drip(text: bytes, pause: float = 0.05) -> Pieces:
    return ((pause, bytes([byte])) for byte in text)


def endless(piece: bytes) -> Pieces:
    return ((0.0, piece) for _ in itertools.count())


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
