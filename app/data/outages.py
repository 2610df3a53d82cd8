"""What pages show while the database is away: the figures that were read last, and since when."""

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

from db.definitions.scope import Window

log = logging.getLogger(__name__)
_Query = TypeVar("_Query", bound=Callable[..., Any])
# Questions to one function whose answers are kept beyond their time in the cache, and periods of each.
_MAX_QUERIES, _MAX_PERIODS = 64, 4
_MAX_DRIFT = timedelta(minutes=15)
# So long after a failure nobody else waits for the database.
_RETRY_SECONDS = 2.0


class Unavailable(Exception):
    """The data cannot be read now; the message is one line for people."""


class DatabaseDown(Unavailable):
    """The database does not answer. Why stands in the log, with its address; viewers are not told."""


@dataclass(frozen=True)
class Outage:
    """`figures_of`: when the database answered last; null where it never did."""

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
                log.info("The database answers again.")
            self._since, self._last_success_at = None, datetime.now(UTC)
            self._failed_at = float("-inf")

    def record_failure(self, reason: str) -> DatabaseDown:
        """One line in the log for each outage."""
        with self._lock:
            if self._since is None:
                log.warning("%s", reason)
                self._since = datetime.now(UTC)
            self._failed_at = time.monotonic()
        return DatabaseDown("The database does not answer. The log of the dashboard says why.")

    def check(self) -> None:
        """Raises Away right after a failure: a page asks a dozen questions, and each would wait for its own."""
        with self._lock:
            waits = time.monotonic() - self._failed_at < _RETRY_SECONDS
        if waits:
            raise DatabaseDown("The database does not answer. The log of the dashboard says why.")

    def reset(self) -> None:
        with self._lock:
            self._since = self._last_success_at = None
            self._failed_at = float("-inf")
        for last in _stale_results:
            last.clear()


outages = OutageTracker()
_stale_results: list[OrderedDict[Any, Any]] = []
_stale_lock = threading.Lock()


def current_outage() -> Outage | None:
    """Null while the database answers."""
    return outages.current()


def serve_stale(query: _Query) -> _Query:
    """While the database is away, what the same question was answered last; raises Away where it never was. Its
    arguments must be hashable.

    The version of the data and the clock move on between two reads of a page: an answer to an older version, for a
    period of the same length that ended up to `_DRIFT` earlier, is one to the same question."""
    last: OrderedDict[Any, list[_StaleResult]] = OrderedDict()
    _stale_results.append(last)
    signature = inspect.signature(query)

    @wraps(query)
    def answer(*args: Any, **named: Any) -> Any:
        key, moments = _result_key(signature.bind(*args, **named).arguments)
        try:
            found = query(*args, **named)
        except DatabaseDown:
            with _stale_lock:
                near = next((each for each in last.get(key, ()) if each.matches(moments)), None)
            if near is None:
                raise
            return near.value
        with _stale_lock:
            others = [each for each in last.pop(key, ()) if not each.matches(moments)]
            last[key] = [_StaleResult(moments, found), *others][:_MAX_PERIODS]
            while len(last) > _MAX_QUERIES:
                last.popitem(last=False)
        return found

    # Of the cache below, what callers use.
    answer.clear = getattr(query, "clear", None)  # type: ignore[attr-defined]
    return cast(_Query, answer)


@dataclass(frozen=True)
class _StaleResult:
    moments: tuple[datetime, ...]
    value: Any

    def matches(self, moments: tuple[datetime, ...]) -> bool:
        pairs = zip(self.moments, moments, strict=True)
        return all(abs(mine - asked) <= _MAX_DRIFT for mine, asked in pairs)


def _result_key(arguments: Mapping[str, Any]) -> tuple[Any, tuple[datetime, ...]]:
    """What is asked, without the version; and its points in time, apart, as they may drift."""
    same: list[Any] = []
    moments: list[datetime] = []
    for name, value in arguments.items():
        if name == "version":
            continue
        if isinstance(value, Window):
            same.append((name, value.span))
            moments.append(value.until)
        elif isinstance(value, datetime):
            same.append((name,))
            moments.append(value)
        else:
            same.append((name, value))
    return tuple(same), tuple(moments)
