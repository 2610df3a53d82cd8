"""Fetching many things at once. Threads only fetch; whoever called stores."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from collector.github.errors import GitHubError
from collector.work import current, part_of, waiting

WORKERS = 8
T = TypeVar("T")
R = TypeVar("R")


def fan_out(
    fetch: Callable[[T], R], wanted: Iterable[T], *, stop: threading.Event, workers: int = WORKERS
) -> Iterator[tuple[T, R | GitHubError]]:
    """Pairs of what was wanted and what came, as they come. After `stop` is set nothing new is asked for."""
    parent, queue = current(), iter(wanted)

    def piece(item: T) -> R:
        with part_of(parent):
            return fetch(item)

    with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        running: dict[Future[R], T] = {pool.submit(piece, item): item for item in islice(queue, workers)}
        while running:
            with waiting():
                done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                item = running.pop(future)
                if not stop.is_set():
                    running.update((pool.submit(piece, following), following) for following in islice(queue, 1))
                error = future.exception()
                if error is None:
                    yield item, future.result()
                elif isinstance(error, GitHubError):
                    yield item, error
                else:
                    raise error
