"""The end of the program in every state: threads that hang are not waited for.

What keeps a service going whatever happens in one portion of its work.
"""

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
# Containers are killed ten seconds after they were asked to end.
GRACE_SECONDS = 9.5


def enforce_shutdown_deadline(stop: threading.Event, work: TaskTracker) -> None:
    """From now on the process ends no later than GRACE_SECONDS after `stop` was set, with 1 where it had to be broken
    off. The thread does nothing else, so that no work can keep it from doing that."""

    def watch() -> None:
        stop.wait()
        time.sleep(GRACE_SECONDS)
        exit_process(1, work)

    threading.Thread(target=watch, name="end", daemon=True).start()


def exit_process(code: int, work: TaskTracker) -> None:
    """Ends the process at once where threads would be waited for; what they are at is said in one line. Returns where
    there are none."""
    own = (threading.main_thread(), threading.current_thread())
    if all(each.daemon for each in threading.enumerate() if each not in own) and own[0] is own[1]:
        return
    oldest = work.stalest()
    if oldest:
        log.warning("ending although %s is under way, for %.0f s without progress", *oldest)
    else:
        log.warning("ending although not all threads came to their end")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Not sys.exit: the interpreter waits for the threads of every pool.
    os._exit(code)


def log_and_continue(
    work: Callable[[], object], engine: Engine, task: str, tracker: TaskTracker | None = None
) -> Callable[[], None]:
    """Work that a service does again and again: what breaks it off is said in one line, and the next time comes. All
    lines of it carry the name of the task. With `under_way`, each time is a piece of work there."""

    def guard() -> None:
        with log_context(task=task), tracker.track(task) if tracker else nullcontext():
            try:
                work()
            except SQLAlchemyError as error:
                log.error("%s", describe_failure(engine, error))
            except LeaseExpired as error:
                log.warning("%s: %s; it runs again as planned", task, error)
            except Exception:
                log.exception("%s broke off; the next one starts as planned", task)

    return guard
