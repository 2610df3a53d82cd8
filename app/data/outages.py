"""Outages of the database: pages show the results of the last successful reads and since when the outage lasts."""

import inspect
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from app.data.viewer import current_visibility
from db.definitions.scope import Window
from db.visibility import visibility_key

log = logging.getLogger(__name__)
_Query = TypeVar("_Query", bound=Callable[..., Any])
# Stale results of each query: at most so many combinations of arguments, and periods of each.
_MAX_QUERIES, _MAX_PERIODS = 64, 4
_MAX_DRIFT = timedelta(minutes=15)
# The time after a failure during which no query waits for the database.
_RETRY_SECONDS = 2.0
_DOWN_MESSAGE = "The database is not responding. See the dashboard log for details."


class Unavailable(Exception):
    """The data cannot be read; the message is one line for users."""


class DatabaseDown(Unavailable):
    """The database is not responding. Only the log has the reason, which contains the address of the database."""

    def __init__(self) -> None:
        super().__init__(_DOWN_MESSAGE)


@dataclass(frozen=True)
class Outage:
    """`last_success_at`: when the database answered last; null if it never did."""

    since: datetime
    last_success_at: datetime | None


class OutageTracker:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: datetime | None = None
        self._last_success_at: datetime | None = None
        self._failed_at = float("-inf")

    def current(self) -> Outage | None:
        with self._lock:
            return Outage(self._since, self._last_success_at) if self._since else None

    def record_success(self) -> None:
        with self._lock:
            if self._since:
                log.info("The database is available again.")
            self._since, self._last_success_at = None, datetime.now(UTC)
            self._failed_at = float("-inf")

    def record_failure(self, reason: str) -> DatabaseDown:
        """Logs one line for each outage."""
        with self._lock:
            if self._since is None:
                log.warning("%s", reason)
                self._since = datetime.now(UTC)
            self._failed_at = time.monotonic()
        return DatabaseDown()

    def check(self) -> None:
        """Raises DatabaseDown shortly after a failure: each of a page's dozen queries would wait for its timeout."""
        with self._lock:
            failed_recently = time.monotonic() - self._failed_at < _RETRY_SECONDS
        if failed_recently:
            raise DatabaseDown

    def reset(self) -> None:
        with self._lock:
            self._since = self._last_success_at = None
            self._failed_at = float("-inf")
        for results in _stale_results:
            results.clear()


outages = OutageTracker()
_stale_results: list[OrderedDict[Any, Any]] = []
_stale_lock = threading.Lock()


def current_outage() -> Outage | None:
    """Null while the database answers."""
    return outages.current()


def serve_stale(query: _Query) -> _Query:
    """A decorator: during an outage the query returns its last result for the same arguments, which must be hashable,
    and for the same visible repositories. Raises DatabaseDown if there is none.

    The version of the data and the clock advance between two reads of a page. Arguments are the same if they differ
    only in `version`, in `marks` and in points in time of up to `_MAX_DRIFT`; windows must have the same length.
    """
    results: OrderedDict[Any, list[_StaleResult]] = OrderedDict()
    _stale_results.append(results)
    signature = inspect.signature(query)

    @wraps(query)
    def query_or_stale(*args: Any, **kwargs: Any) -> Any:
        arguments, moments = _result_key(signature.bind(*args, **kwargs).arguments)
        key = visibility_key(current_visibility()), arguments
        try:
            value = query(*args, **kwargs)
        except DatabaseDown:
            with _stale_lock:
                stale = next((result for result in results.get(key, ()) if result.matches(moments)), None)
            if stale is None:
                raise
            return stale.value
        with _stale_lock:
            others = [result for result in results.pop(key, ()) if not result.matches(moments)]
            results[key] = [_StaleResult(moments, value), *others][:_MAX_PERIODS]
            while len(results) > _MAX_QUERIES:
                results.popitem(last=False)
        return value

    # The method of the cache below that callers use.
    query_or_stale.clear = getattr(query, "clear", None)  # type: ignore[attr-defined]
    return cast(_Query, query_or_stale)


@dataclass(frozen=True)
class _StaleResult:
    moments: tuple[datetime, ...]
    value: Any

    def matches(self, moments: tuple[datetime, ...]) -> bool:
        return all(abs(own - other) <= _MAX_DRIFT for own, other in zip(self.moments, moments, strict=True))


def _result_key(arguments: Mapping[str, Any]) -> tuple[Any, tuple[datetime, ...]]:
    """(arguments that must be equal, points in time that may drift). Versions of the data and of marks belong to
    neither: with them, old results would remain."""
    equal: list[Any] = []
    moments: list[datetime] = []
    for name, value in arguments.items():
        if name in ("version", "marks"):
            continue
        if isinstance(value, Window):
            equal.append((name, value.span))
            moments.append(value.until)
        elif isinstance(value, datetime):
            equal.append((name,))
            moments.append(value)
        else:
            equal.append((name, value))
    return tuple(equal), tuple(moments)
