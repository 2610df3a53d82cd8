"""Selected days, `dates=2026-11-01..2026-11-09` in the URL: UTC days, both included. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from db.definitions.scope import Window

_PATTERN = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", re.ASCII)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
_MAX_SHOWN = 60


class BadDays(ValueError):
    """A text that names no days; the message is a sentence with the reason."""


@dataclass(frozen=True)
class Days:
    """The first and the last day, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        """`1 Nov – 9 Nov`, with years if they differ."""
        if self.first.year != self.last.year:
            return f"{self.first:%d %b %Y} – {self.last:%d %b %Y}"
        return f"{self.first:%d %b} – {self.last:%d %b}"

    @property
    def query_value(self) -> str:
        return f"{self.first}..{self.last}"

    def started(self, today: date) -> "Days | None":
        """The days up to today; null if the first day is in the future."""
        return Days(self.first, min(self.last, today)) if self.first <= today else None

    def includes_today(self, today: date) -> bool:
        return self.first <= today <= self.last

    def window(self, now: datetime) -> Window:
        """From the first midnight to the end of the last day, at most to `now`. Empty if the days are in the future."""
        since, until = (datetime.combine(day, time(), UTC) for day in (self.first, self.last + timedelta(days=1)))
        return Window(since, max(min(until, now), since))


def parse_days(text: str) -> Days:
    """Raises BadDays."""
    match = _PATTERN.fullmatch(text)
    shown = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
    if not match:
        raise BadDays(f"dates={shown} is invalid: expected two days, such as 2026-11-01..2026-11-09.")
    try:
        first, last = date.fromisoformat(match[1]), date.fromisoformat(match[2])
    except ValueError:
        raise BadDays(f"dates={shown} contains a day that does not exist.") from None
    if first > last:
        raise BadDays(f"dates={shown} ends before it begins.")
    if first < _EARLIEST or last >= _LATEST:
        raise BadDays(f"dates={shown} is outside of {_EARLIEST.year} to {_LATEST.year - 1}.")
    return Days(first, last)


def future_note(days: Days, today: date) -> str | None:
    """A sentence about days in the future; null if there are none."""
    if days.first > today:
        return f"{days} is in the future (today is {today:%d %b %Y}, UTC): there are no runs to show."
    if days.last > today:
        return f"{days} includes future days: figures end now, {today:%d %b %Y} (UTC)."
    return None
