"""Walking through lists, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from collector.github.client import Answer, Client
from collector.github.errors import BadAnswer
from collector.github.payloads import Payload, read

PER_PAGE = 100
_SMALLEST_PAGE = 10
P = TypeVar("P", bound=Payload)


@dataclass(frozen=True)
class Page(Generic[P]):
    """`unreadable` has one line for each item whose shape was not what the API promises."""

    items: list[P]
    etag: str | None = None
    total_count: int | None = None
    not_modified: bool = False
    unreadable: list[str] = field(default_factory=list)


def pages(
    client: Client, path: str, key: str | None, model: type[P], *, params: dict[str, Any] | None = None,
    etag: str | None = None,
) -> Iterator[Page[P]]:  # fmt: skip
    """Pages of the list under `key` (the answer itself where key is null), following Link headers verbatim.

    A list that answers 5xx at 100 items a page is asked again for half as many, down to 10: big runs do that.
    """
    size, page, asked = PER_PAGE, 1, params or {}
    next_url: str | None = None
    while True:
        try:
            if next_url:
                answer = client.get(next_url, tries=2)
            else:
                answer = client.get(path, params={**asked, "per_page": size, "page": page}, etag=etag, tries=2)
        except BadAnswer as error:
            if not error.server_side or size <= _SMALLEST_PAGE:
                raise
            # Half the size keeps the place: page 3 of 100 begins where page 5 of 50 does.
            size, page = size // 2, (page - 1) * 2 + 1
            next_url = None
            continue
        yield _page(answer, key, model)
        if answer.next_url is None or answer.not_modified:
            return
        next_url, page = answer.next_url, page + 1


def _page(answer: Answer, key: str | None, model: type[P]) -> Page[P]:
    if answer.not_modified:
        return Page([], answer.etag, not_modified=True)
    listed = answer.data
    if key:
        listed = answer.data.get(key) if isinstance(answer.data, dict) else None
    if not isinstance(listed, list):
        raise BadAnswer(f"GitHub answered without the list {key!r}")
    results = [read(model, item) for item in listed]
    total = answer.data.get("total_count") if isinstance(answer.data, dict) else None
    return Page(
        items=[item for item in results if not isinstance(item, str)],
        etag=answer.etag,
        total_count=total if isinstance(total, int) else None,
        unreadable=[item for item in results if isinstance(item, str)],
    )
