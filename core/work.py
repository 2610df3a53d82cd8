"""Tracks the running tasks of this process and when each of them last made progress.

A heartbeat that a separate thread sends shows that the process runs, not that its work progresses. It therefore
includes the task without progress for the longest time. A task is one run of a job, or one of its parallel subtasks;
each response, page or log that it processes counts as progress."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from core.clock import uptime


@dataclass(eq=False)
class TrackedTask:
    """`started_at`: start of the task, or of the task that started it, in seconds of core.clock.uptime.
    `progressed_at`: its latest progress, in seconds of time.monotonic. `waiting_children`: while it waits for subtasks,
    those are monitored instead of it."""

    name: str
    tracker: "TaskTracker"
    started_at: float
    progressed_at: float = field(default_factory=time.monotonic)
    waiting_children: int = 0


_current_task: ContextVar[TrackedTask | None] = ContextVar("task", default=None)


class TaskTracker:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._tasks: set[TrackedTask] = set()
        self._lock = threading.Lock()

    @contextmanager
    def track(self, name: str, parent: TrackedTask | None = None) -> Iterator[TrackedTask]:
        """Tracks the block, in this thread, as a task of that name. `parent` is the task that started it, if any."""
        task = TrackedTask(name, self, parent.started_at if parent else uptime())
        with self._lock:
            self._tasks.add(task)
        token = _current_task.set(task)
        try:
            yield task
        finally:
            _current_task.reset(token)
            with self._lock:
                self._tasks.discard(task)

    def stalest(self) -> tuple[str, float] | None:
        """Name of the task without progress for the longest time, and that time in seconds; null without a task."""
        with self._lock:
            tasks = [task for task in self._tasks if not task.waiting_children]
        stalest = min(tasks, key=lambda task: task.progressed_at, default=None)
        return (stalest.name, time.monotonic() - stalest.progressed_at) if stalest else None


def current_task() -> TrackedTask | None:
    """The task of this thread; null outside of a tracked block."""
    return _current_task.get()


def report_progress() -> None:
    """Records progress of the task of this thread."""
    task = _current_task.get()
    if task is not None:
        task.progressed_at = time.monotonic()


@contextmanager
def waiting_for_subtasks() -> Iterator[None]:
    """Marks the task of this thread as waiting for its subtasks within the block."""
    task = _current_task.get()
    if task is None:
        yield
        return
    task.waiting_children += 1
    try:
        yield
    finally:
        task.progressed_at = time.monotonic()
        task.waiting_children -= 1


@contextmanager
def subtask_of(parent: TrackedTask | None) -> Iterator[None]:
    """Tracks the block as a subtask of `parent`, which may belong to another thread; does nothing without one."""
    if parent is None:
        yield
        return
    with parent.tracker.track(parent.name, parent):
        yield
