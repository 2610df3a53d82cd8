"""Search over all stored logs, and what it covers. Results are cached for a minute, whatever data arrives: a search
takes up to seconds, and pages are rendered again with every new data."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import BoundedSemaphore

from app.data.caching import cache_resource
from app.data.connection import read_session
from app.data.outages import Unavailable, serve_stale
from db.definitions.scope import Scope, Window
from health.log_search.coverage import Coverage, log_coverage
from health.log_search.query import LogQuery
from health.log_search.search import LogMatch, LogSearch, LogSearchRequest, SkippedLog

_TTL_SECONDS = 60
# Searches use the processor, which all pages share.
_MAX_SEARCHES, _MAX_WAIT_SECONDS = 2, 6.0
_slots = BoundedSemaphore(_MAX_SEARCHES)


@contextmanager
def search_slot() -> Iterator[None]:
    """One of the searches that run at the same time. Raises Unavailable if too many are in progress."""
    if not _slots.acquire(timeout=_MAX_WAIT_SECONDS):
        raise Unavailable("Too many searches are in progress; try again in a moment.")
    try:
        yield
    finally:
        _slots.release()


@dataclass(frozen=True)
class Terms:
    """What is searched for. `text` is a literal text, or a regular expression if `regex` is set."""

    text: str
    regex: bool
    case: bool


@dataclass(frozen=True)
class ResultPage:
    """The fields of LogSearch after its results."""

    items: list[LogMatch]
    next: str | None
    is_partial: bool
    read: int
    unread: int
    excluded: int
    unindexed: int
    unreadable: list[SkippedLog]
    unfinished: list[SkippedLog]


@serve_stale
@cache_resource(ttl=_TTL_SECONDS, max_entries=64)
def search_logs(
    terms: Terms, scope: Scope, window: Window, jobs: tuple[str, ...], classes: tuple[str, ...], cursor: str | None
) -> ResultPage:
    """Raises InvalidQuery, InvalidCursor, and Unavailable if too many searches are in progress."""
    query = LogQuery(terms.text, is_expression=terms.regex, case_sensitive=terms.case)
    request = LogSearchRequest(query, scope, window, jobs, cursor=cursor, classes=classes)
    with search_slot(), read_session() as session:
        search = LogSearch(session, request)
        items = list(search.results())
    return ResultPage(
        items,
        search.next,
        search.is_partial,
        search.read,
        search.unread,
        search.excluded,
        search.unindexed,
        search.unreadable,
        search.unfinished,
    )


@serve_stale
@cache_resource(ttl=_TTL_SECONDS, max_entries=64)
def coverage(
    scope: Scope, window: Window, jobs: tuple[str, ...], classes: tuple[str, ...], now: datetime
) -> Coverage | None:
    """Null if counting takes too long."""
    with read_session() as session:
        return log_coverage(session, scope, window, jobs, now, classes)
