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
class TrackedTask:
    """`stepped_at` in seconds of time.monotonic: its beginning, or its latest step. `waits`: for pieces of its own,
    which then count instead. `begun_at` in seconds of uptime(), as that of the piece that began it."""

    name: str
    tracker: "TaskTracker"
    started_at: float
    progressed_at: float = field(default_factory=time.monotonic)
    waiting_children: int = 0


_current_task: ContextVar[TrackedTask | None] = ContextVar("piece", default=None)


class TaskTracker:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._pieces: set[TrackedTask] = set()
        self._lock = threading.Lock()

    @contextmanager
    def track(self, name: str, parent: TrackedTask | None = None) -> Iterator[TrackedTask]:
        """What happens within, in this thread; begun by `parent`, or now."""
        made = TrackedTask(name, self, parent.started_at if parent else uptime())
        with self._lock:
            self._pieces.add(made)
        before = _current_task.set(made)
        try:
            yield made
        finally:
            _current_task.reset(before)
            with self._lock:
                self._pieces.discard(made)

    def stalest(self) -> tuple[str, float] | None:
        """Name of the piece whose latest step is the longest ago, and how many seconds; null where nothing is under
        way."""
        with self._lock:
            pieces = [each for each in self._pieces if not each.waiting_children]
        first = min(pieces, key=lambda each: each.progressed_at, default=None)
        return (first.name, time.monotonic() - first.progressed_at) if first else None


def current_task() -> TrackedTask | None:
    """The piece of this thread."""
    return _current_task.get()


def report_progress() -> None:
    """The work of this thread goes on."""
    piece = _current_task.get()
    if piece is not None:
        piece.progressed_at = time.monotonic()


@contextmanager
def waiting_for_subtasks() -> Iterator[None]:
    """The piece of this thread waits for others that it began."""
    piece = _current_task.get()
    if piece is None:
        yield
        return
    piece.waiting_children += 1
    try:
        yield
    finally:
        piece.progressed_at = time.monotonic()
        piece.waiting_children -= 1


@contextmanager
def subtask_of(parent: TrackedTask | None) -> Iterator[None]:
    """A piece of its own in this thread, begun by that one."""
    if parent is None:
        yield
        return
    with parent.tracker.track(parent.name, parent):
        yield
