"""Hours of the week or of the day, `hours=Mon-14` or `hours=14` in the URL, as parts of a window. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from db.definitions.scope import Window
from health.metrics.definitions.offset_periods import OffsetPeriod, offset_periods

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NAMES = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_PATTERN = re.compile(rf"(?:({'|'.join(WEEKDAYS)})-)?(\d\d?)(Z?)", re.ASCII | re.IGNORECASE)
_MONDAY, _HOUR = datetime(1970, 1, 5, tzinfo=UTC), timedelta(hours=1)
# Each part is a range of an index; more parts would make one query slow.
MAX_PARTS = 60
_MAX_SHOWN = 40
_UTC_ZONE = ZoneInfo("UTC")


class BadHours(ValueError):
    """A text that names no hour; the message is a sentence with the reason."""


@dataclass(frozen=True)
class Hours:
    """An hour of the week, or of every day if `weekday` is null (0 is Monday); in UTC or in the viewer's zone."""

    weekday: int | None
    hour: int
    utc: bool = False

    @property
    def query_value(self) -> str:
        day = "" if self.weekday is None else f"{WEEKDAYS[self.weekday]}-"
        return f"{day}{self.hour:02d}{'Z' if self.utc else ''}"

    def __str__(self) -> str:
        day = "daily" if self.weekday is None else _NAMES[self.weekday]
        return f"{day} {self.hour:02d}:00–{(self.hour + 1) % 24:02d}:00{' UTC' if self.utc else ''}"

    def parts(self, window: Window, zone: ZoneInfo, limit: int = MAX_PARTS) -> tuple[Window, ...]:
        """The parts of the window in these hours, the newest first, at most `limit`. Exact across changes of the
        zone's offset: an hour that a clock repeats is included twice, one that it omits is not included."""
        parts: list[Window] = []
        for period in reversed(offset_periods(window, _UTC_ZONE if self.utc else zone)):
            for part in self._parts_of(period):
                if len(parts) == limit:
                    return tuple(parts)
                parts.append(part)
        return tuple(parts)

    def _parts_of(self, period: OffsetPeriod) -> Iterator[Window]:
        offset, window = timedelta(seconds=period.offset_seconds), period.window
        step = timedelta(days=1 if self.weekday is None else 7)
        origin = _MONDAY + timedelta(days=self.weekday or 0, hours=self.hour) - offset
        start = origin + (window.until - origin) // step * step
        while start + _HOUR > window.since:
            part = Window(max(start, window.since), min(start + _HOUR, window.until))
            if part.since < part.until:
                yield part
            start -= step


def parse_hours(text: str) -> Hours:
    """Raises BadHours."""
    match = _PATTERN.fullmatch(text)
    if match is None or int(match[2]) > 23:
        shown = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
        raise BadHours(
            f"hours={shown} is invalid: expected an hour of one weekday (Mon-14) or of every day (14); append Z for "
            "UTC."
        )
    weekday = WEEKDAYS.index(match[1].capitalize()) if match[1] else None
    return Hours(weekday, int(match[2]), bool(match[3]))
