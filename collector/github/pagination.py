"""Fetching many things at once. Threads only fetch; whoever called stores.

Walking through lists, page by page.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from collector.github.client import MAX_ATTEMPTS, GitHubClient, GitHubResponse
from collector.github.errors import GitHubError, InvalidResponse
from collector.github.payloads import InvalidPayload, Payload, parse_payload
from core.work import current_task, subtask_of, waiting_for_subtasks

WORKERS = 8
T = TypeVar("T")
R = TypeVar("R")


def fan_out(
    fetch: Callable[[T], R], items: Iterable[T], *, stop: threading.Event, workers: int = WORKERS
) -> Iterator[tuple[T, R | GitHubError]]:
    """Pairs of what was wanted and what came, as they come. After `stop` is set nothing new is asked for."""
    parent, queue = current_task(), iter(items)

    def piece(item: T) -> R:
        with subtask_of(parent):
            return fetch(item)

    with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        running: dict[Future[R], T] = {pool.submit(piece, item): item for item in islice(queue, workers)}
        while running:
            with waiting_for_subtasks():
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


PER_PAGE = 100
_MIN_PER_PAGE = 10
# A 5xx at this size is asked for again so often before the size is halved.
_MAX_SERVER_ERRORS = 2
P = TypeVar("P", bound=Payload)


@dataclass(frozen=True)
class ResultPage(Generic[P]):
    """`unreadable` has one line for each item whose shape was not what the API promises."""

    items: list[P]
    etag: str | None = None
    total_count: int | None = None
    not_modified: bool = False
    invalid_items: list[str] = field(default_factory=list)
    next_url: str | None = None


def pages(
    client: GitHubClient, path: str, key: str | None, model: type[P], *, params: dict[str, Any] | None = None,
    etag: str | None = None, per_page: int = PER_PAGE, cache: MutableMapping[str, ResultPage[P]] | None = None,
) -> Iterator[ResultPage[P]]:  # fmt: skip
    """Pages of the list under `key` (the answer itself where key is null), following Link headers verbatim.

    A list that answers 5xx is asked again for half as many items a page, down to 10: big runs do that. The smaller
    page begins at or before the place where the larger one would have, so items may come twice, but none is left out.
    In `memory` pages are kept by their address: a page that did not change since then costs nothing, and comes whole.
    """
    size, page = per_page, 1
    following: str | None = None
    while True:
        url = following or f"{path}?{urlencode({**(params or {}), 'per_page': size, 'page': page}, doseq=True)}"
        tries = _MAX_SERVER_ERRORS if size > _MIN_PER_PAGE else MAX_ATTEMPTS
        known = cache.get(url) if cache is not None else None
        try:
            answer = client.get(url, etag=known.etag if known else None if following else etag, max_attempts=tries)
        except InvalidResponse as error:
            if not error.server_side or size <= _MIN_PER_PAGE:
                raise
            before, size = (page - 1) * size, max(size // 2, _MIN_PER_PAGE)
            page, following = before // size + 1, None
            continue
        found = known if known and answer.not_modified else _page(answer, key, model)
        if cache is not None and found.etag and not found.not_modified:
            cache[url] = found
        yield found
        if found.next_url is None:
            return
        following, page = found.next_url, page + 1


def _page(answer: GitHubResponse, key: str | None, model: type[P]) -> ResultPage[P]:
    if answer.not_modified:
        return ResultPage([], answer.etag, not_modified=True)
    listed = answer.data
    if key:
        listed = answer.data.get(key) if isinstance(answer.data, dict) else None
    if not isinstance(listed, list):
        raise InvalidResponse(f"GitHub answered without the list {key!r}")
    items: list[P] = []
    invalid_items: list[str] = []
    for item in listed:
        try:
            items.append(parse_payload(model, item))
        except InvalidPayload as error:
            invalid_items.append(str(error))
    total = answer.data.get("total_count") if isinstance(answer.data, dict) else None
    return ResultPage(
        items=items,
        etag=answer.etag,
        total_count=total if isinstance(total, int) else None,
        invalid_items=invalid_items,
        next_url=answer.next_url,
    )
