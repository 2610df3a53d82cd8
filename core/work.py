"""Which pieces of work are under way in this process, and since when the oldest made no progress.

A sign of life that is sent by a thread of its own says that the process runs, not that its work goes on: it therefore
tells of the oldest piece, too. A piece is one run of a job, or one of the things that a job fetches at once; each
answer, page or log is a step of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from core.clock import uptime


@dataclass(eq=False)
class Piece:
    """`stepped_at` in seconds of time.monotonic: its beginning, or its latest step. `waits`: for pieces of its own,
    which then count instead. `begun_at` in seconds of uptime(), as that of the piece that began it."""

    name: str
    work: "Work"
    begun_at: float
    stepped_at: float = field(default_factory=time.monotonic)
    waits: int = 0


_current: ContextVar[Piece | None] = ContextVar("piece", default=None)


class Work:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._pieces: set[Piece] = set()
        self._lock = threading.Lock()

    @contextmanager
    def piece(self, name: str, parent: Piece | None = None) -> Iterator[Piece]:
        """What happens within, in this thread; begun by `parent`, or now."""
        made = Piece(name, self, parent.begun_at if parent else uptime())
        with self._lock:
            self._pieces.add(made)
        before = _current.set(made)
        try:
            yield made
        finally:
            _current.reset(before)
            with self._lock:
                self._pieces.discard(made)

    def oldest(self) -> tuple[str, float] | None:
        """Name of the piece whose latest step is the longest ago, and how many seconds; null where nothing is under
        way."""
        with self._lock:
            pieces = [each for each in self._pieces if not each.waits]
        first = min(pieces, key=lambda each: each.stepped_at, default=None)
        return (first.name, time.monotonic() - first.stepped_at) if first else None


def current() -> Piece | None:
    """The piece of this thread."""
    return _current.get()


def step() -> None:
    """The work of this thread goes on."""
    piece = _current.get()
    if piece is not None:
        piece.stepped_at = time.monotonic()


@contextmanager
def waiting() -> Iterator[None]:
    """The piece of this thread waits for others that it began."""
    piece = _current.get()
    if piece is None:
        yield
        return
    piece.waits += 1
    try:
        yield
    finally:
        piece.stepped_at = time.monotonic()
        piece.waits -= 1


@contextmanager
def part_of(parent: Piece | None) -> Iterator[None]:
    """A piece of its own in this thread, begun by that one."""
    if parent is None:
        yield
        return
    with parent.work.piece(parent.name, parent):
        yield
