"""Fetching many things at once. Threads only fetch; whoever called stores."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from collector.github.errors import GitHubError

WORKERS = 8
T = TypeVar("T")
R = TypeVar("R")


def fan_out(
    fetch: Callable[[T], R], wanted: Iterable[T], *, stop: threading.Event, workers: int = WORKERS
) -> Iterator[tuple[T, R | GitHubError]]:
    """Pairs of what was wanted and what came, as they come. After `stop` is set nothing new is asked for."""
    waiting = iter(wanted)
    with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        running: dict[Future[R], T] = {pool.submit(fetch, item): item for item in islice(waiting, workers)}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                item = running.pop(future)
                if not stop.is_set():
                    running.update((pool.submit(fetch, following), following) for following in islice(waiting, 1))
                error = future.exception()
                if error is None:
                    yield item, future.result()
                elif isinstance(error, GitHubError):
                    yield item, error
                else:
                    raise error
