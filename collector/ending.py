"""The end of the program in every state: threads that hang are not waited for."""

import logging
import os
import sys
import threading
import time

from collector.work import Work

log = logging.getLogger(__name__)
# Containers are killed ten seconds after they were asked to end.
GRACE_SECONDS = 9.5


def end_in_time(stop: threading.Event, work: Work) -> None:
    """From now on the process ends no later than GRACE_SECONDS after `stop` was set, with 1 where it had to be broken
    off. The thread does nothing else, so that no work can keep it from doing that."""

    def watch() -> None:
        stop.wait()
        time.sleep(GRACE_SECONDS)
        leave(1, work)

    threading.Thread(target=watch, name="end", daemon=True).start()


def leave(code: int, work: Work) -> None:
    """Ends the process at once where threads would be waited for; what they are at is said in one line. Returns where
    there are none."""
    own = (threading.main_thread(), threading.current_thread())
    if all(each.daemon for each in threading.enumerate() if each not in own) and own[0] is own[1]:
        return
    oldest = work.oldest()
    if oldest:
        log.warning("ending although %s is under way, for %.0f s without progress", *oldest)
    else:
        log.warning("ending although not all threads came to their end")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Not sys.exit: the interpreter waits for the threads of every pool.
    os._exit(code)
