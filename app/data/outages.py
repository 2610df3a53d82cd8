"""What pages show while the database is away: the figures that were read last, and since when."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar, cast

log = logging.getLogger(__name__)
_Ask = TypeVar("_Ask", bound=Callable[..., Any])
# The answers of one function that are kept beyond their time in the cache.
_MOST = 64
# So long after a failure nobody else waits for the database.
_PAUSE_SECONDS = 2.0


class Unavailable(Exception):
    """The data cannot be read now; the message is one line for people."""


class Away(Unavailable):
    """The database does not answer. Why stands in the log, with its address; viewers are not told."""


@dataclass(frozen=True)
class Outage:
    """`figures_of`: when the database answered last; null where it never did."""

    since: datetime
    figures_of: datetime | None


class Outages:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: datetime | None = None
        self._answered_at: datetime | None = None
        self._failed_at = float("-inf")

    def current(self) -> Outage | None:
        with self._lock:
            return Outage(self._since, self._answered_at) if self._since else None

    def answered(self) -> None:
        with self._lock:
            if self._since:
                log.info("The database answers again.")
            self._since, self._answered_at = None, datetime.now(UTC)
            self._failed_at = float("-inf")

    def failed(self, why: str) -> Away:
        """One line in the log for each outage."""
        with self._lock:
            if self._since is None:
                log.warning("%s", why)
                self._since = datetime.now(UTC)
            self._failed_at = time.monotonic()
        return Away("The database does not answer. The log of the dashboard says why.")

    def check(self) -> None:
        """Raises Away right after a failure: a page asks a dozen questions, and each would wait for its own."""
        with self._lock:
            waits = time.monotonic() - self._failed_at < _PAUSE_SECONDS
        if waits:
            raise Away("The database does not answer. The log of the dashboard says why.")

    def reset(self) -> None:
        with self._lock:
            self._since = self._answered_at = None
            self._failed_at = float("-inf")
        for last in _kept:
            last.clear()


outages = Outages()
_kept: list[OrderedDict[Any, Any]] = []
_kept_lock = threading.Lock()


def outage() -> Outage | None:
    """Null while the database answers."""
    return outages.current()


def lasting(ask: _Ask) -> _Ask:
    """While the database is away, what the same question was answered last; raises Away where it never was. Its
    arguments must be hashable."""
    last: OrderedDict[Any, Any] = OrderedDict()
    _kept.append(last)

    @wraps(ask)
    def answer(*args: Any, **named: Any) -> Any:
        key = (args, tuple(sorted(named.items())))
        try:
            found = ask(*args, **named)
        except Away:
            with _kept_lock:
                if key in last:
                    return last[key]
            raise
        with _kept_lock:
            last[key] = found
            last.move_to_end(key)
            while len(last) > _MOST:
                last.popitem(last=False)
        return found

    # Of the cache below, what callers use.
    answer.clear = getattr(ask, "clear", None)  # type: ignore[attr-defined]
    return cast(_Ask, answer)
