"""A UTC clock that ignores jumps of the system clock unless a reference clock confirms them.

Schedules and timeouts compare stored timestamps, most of them from GitHub, with the current time. A system clock that
jumps forward would make everything due at once, one that jumps back would make nothing due for that long. Therefore the
system clock is used only while it agrees with a monotonic clock."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

log = logging.getLogger(__name__)
# Smaller steps are followed: NTP corrects an inaccurate clock by such steps.
MAX_STEP = timedelta(minutes=1)


# CLOCK_BOOTTIME exists on Linux. On macOS CLOCK_MONOTONIC includes suspended time (clock_gettime(3)), which
# time.monotonic() does not.
_SUSPEND_AWARE_CLOCK: int | None = getattr(
    time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None) if sys.platform == "darwin" else None
)


def _wall() -> datetime:
    return datetime.now(UTC)


def uptime() -> float:
    """Monotonic seconds since an arbitrary moment, including time in which the machine is suspended, where the system
    supports it."""
    return time.monotonic() if _SUSPEND_AWARE_CLOCK is None else time.clock_gettime(_SUSPEND_AWARE_CLOCK)


class CollectorClock:
    """Returns the current time in UTC when called. Safe to use from several threads. `wall` is the system clock,
    `monotonic` returns seconds that never decrease."""

    def __init__(self, wall: Callable[[], datetime] = _wall, monotonic: Callable[[], float] = uptime) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._lock = threading.Lock()
        self._anchor = wall(), monotonic()
        self._reference: tuple[datetime, float] | None = None
        self._reported: timedelta | None = None

    def __call__(self) -> datetime:
        with self._lock:
            wall, seconds = self._wall(), self._monotonic()
            expected = _extrapolate(self._anchor, seconds)
            ahead = wall - expected
            if abs(ahead) > MAX_STEP and not self._is_confirmed(wall, expected, seconds):
                self._report(ahead)
                return expected
            self._anchor, self._reported = (wall, seconds), None
            return wall

    def observe_reference(self, moment: datetime) -> None:
        """Records the current time of another clock, such as the Date header of a response."""
        with self._lock:
            self._reference = moment, self._monotonic()

    def _is_confirmed(self, wall: datetime, expected: datetime, seconds: float) -> bool:
        """True where the reference clock is closer to `wall` than to `expected`, and without a reference clock."""
        if self._reference is None:
            return True
        reference = _extrapolate(self._reference, seconds)
        return abs(wall - reference) < abs(expected - reference)

    def _report(self, ahead: timedelta) -> None:
        """Logs each jump once."""
        if self._reported is None or abs(ahead - self._reported) > MAX_STEP:
            direction = "ahead" if ahead > timedelta(0) else "back"
            log.error(
                "This machine's clock jumped %s by %s, and GitHub's clock did not: the jump is ignored. Synchronize "
                "the clock, for example by NTP.",
                direction,
                _format_span(abs(ahead)),
            )
            self._reported = ahead


def _extrapolate(anchor: tuple[datetime, float], seconds: float) -> datetime:
    """The current time, from a time and the monotonic seconds at which it was read."""
    return anchor[0] + timedelta(seconds=seconds - anchor[1])


def _format_span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.1f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"


# The clock of this process.
utc_now = CollectorClock()
