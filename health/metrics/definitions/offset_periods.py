"""Periods in which a time zone keeps one offset from UTC. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from db.definitions.scope import Window
from db.definitions.time_buckets import SECONDS_PER_HOUR

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class OffsetPeriod:
    """A part of a window. `offset_seconds` is how far the zone is ahead of UTC in all of it."""

    window: Window
    offset_seconds: int

    @property
    def offset_hours(self) -> int | None:
        """The offset in hours; null where it is not a whole number of hours."""
        hours, rest = divmod(self.offset_seconds, SECONDS_PER_HOUR)
        return None if rest else hours


def offset_periods(window: Window, zone: ZoneInfo) -> list[OffsetPeriod]:
    """Splits the window where the zone changes its offset. Returns the periods in ascending order; together they are
    exactly the window, and neighbours have different offsets."""
    periods: list[OffsetPeriod] = []
    for since, until in _days(window):
        for part in _split_at_transition(since, until, zone):
            same = bool(periods) and periods[-1].offset_seconds == part.offset_seconds
            begin = periods.pop().window.since if same else part.window.since
            periods.append(OffsetPeriod(Window(begin, part.window.until), part.offset_seconds))
    return periods


def _days(window: Window) -> Iterator[tuple[datetime, datetime]]:
    """Steps of at most a day: no zone changes its offset twice within one."""
    since = window.since
    while since < window.until:
        until = min(since + _DAY, window.until)
        yield since, until
        since = until


def _split_at_transition(since: datetime, until: datetime, zone: ZoneInfo) -> list[OffsetPeriod]:
    """Splits at most a day at a change of the offset, which is found to the second by bisection."""
    first, last = _offset(since, zone), _offset(until, zone)
    if first == last:
        return [OffsetPeriod(Window(since, until), first)]
    low, high = since, until
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2 or 1)
        low, high = (middle, high) if _offset(middle, zone) == first else (low, middle)
    # Offsets change at whole seconds of UTC, whatever fraction of a second the window begins with.
    cut = high.replace(microsecond=0)
    parts = [OffsetPeriod(Window(since, cut), first), OffsetPeriod(Window(cut, until), last)]
    return [part for part in parts if part.window.since < part.window.until]


def _offset(time: datetime, zone: ZoneInfo) -> int:
    return int((time.astimezone(zone).utcoffset() or timedelta()).total_seconds())
