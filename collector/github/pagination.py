"""Parallel requests, and the pages of a list."""

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
PER_PAGE = 100
_MIN_PER_PAGE = 10
# Attempts after a 5xx before the page size is halved.
_MAX_SERVER_ERRORS = 2
P = TypeVar("P", bound=Payload)


def fan_out(
    fetch: Callable[[T], R], items: Iterable[T], *, stop: threading.Event, workers: int = WORKERS
) -> Iterator[tuple[T, R | GitHubError]]:
    """Pairs of an item and its result or error, in the order in which they finish. The threads only fetch; the caller
    stores. After `stop` is set, no further item is started."""
    parent, queue = current_task(), iter(items)

    def fetch_one(item: T) -> R:
        with subtask_of(parent):
            return fetch(item)

    with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        running: dict[Future[R], T] = {pool.submit(fetch_one, item): item for item in islice(queue, workers)}
        while running:
            with waiting_for_subtasks():
                done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                item = running.pop(future)
                if not stop.is_set():
                    running.update((pool.submit(fetch_one, following), following) for following in islice(queue, 1))
                error = future.exception()
                if error is None:
                    yield item, future.result()
                elif isinstance(error, GitHubError):
                    yield item, error
                else:
                    raise error


@dataclass(frozen=True)
class ResultPage(Generic[P]):
    """`invalid_items`: one line for each item that does not have the documented form."""

    items: list[P]
    etag: str | None = None
    total_count: int | None = None
    not_modified: bool = False
    invalid_items: list[str] = field(default_factory=list)
    next_url: str | None = None


def pages(
    client: GitHubClient,
    path: str,
    key: str | None,
    model: type[P],
    *,
    params: dict[str, Any] | None = None,
    etag: str | None = None,
    per_page: int = PER_PAGE,
    cache: MutableMapping[str, ResultPage[P]] | None = None,
) -> Iterator[ResultPage[P]]:
    """Pages of the list under `key` (null: the response is the list), following Link headers verbatim.

    After repeated 5xx, which big runs cause, the page size is halved, down to 10. The smaller page begins at or before
    the position of the larger one, so that items may repeat, but none is skipped. `cache` keeps pages by URL: an
    unchanged page costs no request of the hourly limit and is returned from the cache.
    """
    size, page = per_page, 1
    following: str | None = None
    while True:
        url = following or f"{path}?{urlencode({**(params or {}), 'per_page': size, 'page': page}, doseq=True)}"
        attempts = _MAX_SERVER_ERRORS if size > _MIN_PER_PAGE else MAX_ATTEMPTS
        cached = cache.get(url) if cache is not None else None
        try:
            response = client.get(
                url, etag=cached.etag if cached else None if following else etag, max_attempts=attempts
            )
        except InvalidResponse as error:
            if not error.server_side or size <= _MIN_PER_PAGE:
                raise
            before, size = (page - 1) * size, max(size // 2, _MIN_PER_PAGE)
            page, following = before // size + 1, None
            continue
        result = cached if cached and response.not_modified else _page(response, key, model)
        if cache is not None and result.etag and not result.not_modified:
            cache[url] = result
        yield result
        if result.next_url is None:
            return
        following, page = result.next_url, page + 1


def _page(response: GitHubResponse, key: str | None, model: type[P]) -> ResultPage[P]:
    if response.not_modified:
        return ResultPage([], response.etag, not_modified=True)
    listed = response.data
    if key:
        listed = response.data.get(key) if isinstance(response.data, dict) else None
    if not isinstance(listed, list):
        raise InvalidResponse(f"GitHub's response has no list {key!r}")
    items: list[P] = []
    invalid_items: list[str] = []
    for item in listed:
        try:
            items.append(parse_payload(model, item))
        except InvalidPayload as error:
            invalid_items.append(str(error))
    total = response.data.get("total_count") if isinstance(response.data, dict) else None
    return ResultPage(
        items=items,
        etag=response.etag,
        total_count=total if isinstance(total, int) else None,
        invalid_items=invalid_items,
        next_url=response.next_url,
    )
