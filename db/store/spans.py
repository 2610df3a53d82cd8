"""Days (whole days since 1970) as conditions, and long lists in portions."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import or_

from db.metrics import tiles

_Each = TypeVar("_Each")


def created_on(model: Any, days: Sequence[int]) -> Any:
    return or_(*(
        (model.created_at >= tiles.start_of_day(span[0])) & (model.created_at < tiles.start_of_day(span[-1] + 1))
        for span in spans(days)
    ))  # fmt: skip


def spans(days: Iterable[int]) -> Iterator[list[int]]:
    """Days that follow each other."""
    span: list[int] = []
    for day in sorted(days):
        if span and day != span[-1] + 1:
            yield span
            span = []
        span.append(day)
    if span:
        yield span


def portions(listed: Sequence[_Each], size: int) -> Iterator[Sequence[_Each]]:
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
