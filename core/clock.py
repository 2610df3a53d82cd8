"""The collector's time: this machine's clock, whose jumps count only where GitHub's clock confirms them.

What is due, old or over is decided by comparing moments that were stored with the present one, and most of them come
from GitHub. A clock that jumps would make all of it due at once, or nothing for as long as it jumped back. Time that
has passed is therefore taken from a clock that nobody sets, and this machine's clock only as long as both agree."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)
# NTP steps by less than this where a clock runs badly; such steps are followed.
MAX_STEP = timedelta(minutes=1)


# Of Linux; on macOS CLOCK_MONOTONIC goes on as well (clock_gettime(3) there), which time.monotonic() does not.
_SUSPEND_AWARE_CLOCK: int | None = getattr(
    time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None) if sys.platform == "darwin" else None
)


def _wall() -> datetime:
    return datetime.now(UTC)


def uptime() -> float:
    """Seconds since some moment; they pass while the machine is suspended, too, where the system can tell."""
    return time.monotonic() if _SUSPEND_AWARE_CLOCK is None else time.clock_gettime(_SUSPEND_AWARE_CLOCK)


class CollectorClock:
    """Called, it returns the present moment in UTC. Safe to use from several threads. `wall` and `passed` can be
    replaced: this machine's clock, and seconds that only ever grow."""

    def __init__(self, wall: Callable[[], datetime] = _wall, monotonic: Callable[[], float] = uptime) -> None:
        self._wall, self._passed = wall, monotonic
        self._lock = threading.Lock()
        self._anchor = wall(), monotonic()
        self._witness: tuple[datetime, float] | None = None
        self._reported: timedelta | None = None

    def __call__(self) -> datetime:
        with self._lock:
            wall, passed = self._wall(), self._passed()
            expected = _extrapolate(self._anchor, passed)
            ahead = wall - expected
            if abs(ahead) > MAX_STEP and not self._is_confirmed(wall, expected, passed):
                self._report(ahead)
                return expected
            self._anchor, self._reported = (wall, passed), None
            return wall

    def observe_reference(self, moment: datetime) -> None:
        """What another clock, GitHub's, said just now."""
        with self._lock:
            self._witness = moment, self._passed()

    def _is_confirmed(self, wall: datetime, expected: datetime, passed: float) -> bool:
        """Without another clock, this machine's is the best one."""
        if self._witness is None:
            return True
        other = _extrapolate(self._witness, passed)
        return abs(wall - other) < abs(expected - other)

    def _report(self, ahead: timedelta) -> None:
        """Once for each jump."""
        if self._reported is None or abs(ahead - self._reported) > MAX_STEP:
            direction = "ahead" if ahead > timedelta(0) else "back"
            log.error("This machine's clock jumped %s by %s, and GitHub's did not: the collector goes on by the time "
                      "before. Set the clock, by NTP for example.", direction, _format_span(abs(ahead)))  # fmt: skip
            self._reported = ahead


def _extrapolate(known: tuple[datetime, float], passed: float) -> datetime:
    """The moment that it is now, by one that was known and the seconds since."""
    return known[0] + timedelta(seconds=passed - known[1])


def _format_span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.1f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"


# Of this process.
utc_now = CollectorClock()
