"""Threads of the service: errors that do not end it, and an end of the program that no thread can delay."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from collector.claims import LeaseExpired
from core.logging import log_context
from core.work import TaskTracker
from db.engine import describe_failure

log = logging.getLogger(__name__)
# Docker and Kubernetes kill a container ten seconds or more after SIGTERM.
GRACE_SECONDS = 9.5


def start_thread(work: Callable[[], object], name: str) -> threading.Thread:
    """A started daemon thread: it does not keep the program from ending."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def enforce_shutdown_deadline(stop: threading.Event, tracker: TaskTracker) -> None:
    """Ends the process, with exit code 1, GRACE_SECONDS after `stop` was set if it still runs then. A thread of its own
    waits for that, so that no task can delay it."""

    def watch() -> None:
        stop.wait()
        time.sleep(GRACE_SECONDS)
        exit_process(1, tracker)

    start_thread(watch, "shutdown-deadline")


def exit_process(code: int, tracker: TaskTracker) -> None:
    """Ends the process at once if threads are left that the interpreter would wait for, and logs the oldest task.
    Returns if there are none."""
    main, current = threading.main_thread(), threading.current_thread()
    others = [thread for thread in threading.enumerate() if thread not in (main, current)]
    if main is current and all(thread.daemon for thread in others):
        return
    oldest = tracker.stalest()
    if oldest:
        log.warning("exiting while %s is still running, %.0f s without progress", *oldest)
    else:
        log.warning("exiting while threads are still running")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Not sys.exit: the interpreter waits for the threads of every pool.
    os._exit(code)


def log_and_continue(
    work: Callable[[], object], engine: Engine, task: str, tracker: TaskTracker | None = None
) -> Callable[[], None]:
    """Wraps a periodic task: errors are logged and do not end the service. All log lines carry the name of the task.
    `tracker` records each run."""

    def guard() -> None:
        with log_context(task=task), tracker.track(task) if tracker else nullcontext():
            try:
                work()
            except SQLAlchemyError as error:
                log.error("%s", describe_failure(engine, error))
            except LeaseExpired as error:
                log.warning("%s: %s; the next run starts on schedule", task, error)
            except Exception:
                log.exception("%s failed; the next run starts on schedule", task)

    return guard
