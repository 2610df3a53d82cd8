"""Stretches of time in which a time zone keeps one offset from UTC. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from db.metrics.window import Window

_HOUR = 3600
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Stretch:
    """`offset_seconds`: how far the clock of the zone is ahead of UTC."""

    window: Window
    offset_seconds: int

    @property
    def whole_hours(self) -> int | None:
        """Null where the offset is no whole number of hours."""
        hours, rest = divmod(self.offset_seconds, _HOUR)
        return None if rest else hours


def stretches(window: Window, zone: ZoneInfo) -> list[Stretch]:
    """Together exactly the window, oldest first; cut where the clock of the zone is set. Neighbours differ."""
    found: list[Stretch] = []
    for since, until in _days(window):
        for part in _halved(since, until, zone):
            same = bool(found) and found[-1].offset_seconds == part.offset_seconds
            begin = found.pop().window.since if same else part.window.since
            found.append(Stretch(Window(begin, part.window.until), part.offset_seconds))
    return found


def _days(window: Window) -> Iterator[tuple[datetime, datetime]]:
    """No zone sets its clock twice within so short a time."""
    since = window.since
    while since < window.until:
        until = min(since + _DAY, window.until)
        yield since, until
        since = until


def _halved(since: datetime, until: datetime, zone: ZoneInfo) -> list[Stretch]:
    """The part of a day before a change of the clock and the one after it, cut to the second."""
    first, last = _offset(since, zone), _offset(until, zone)
    if first == last:
        return [Stretch(Window(since, until), first)]
    low, high = since, until
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2 or 1)
        low, high = (middle, high) if _offset(middle, zone) == first else (low, middle)
    # Clocks are set at whole seconds of UTC, whatever fraction the window begins with.
    cut = high.replace(microsecond=0)
    parts = [Stretch(Window(since, cut), first), Stretch(Window(cut, until), last)]
    return [part for part in parts if part.window.since < part.window.until]


def _offset(moment: datetime, zone: ZoneInfo) -> int:
    return int((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds())
