"""Selected dates, `dates=2026-11-01..2026-11-09` in the URL: UTC days, both included; or times of them,
`dates=2026-11-03T10:00..2026-11-03T14:00`, of which the second one is not included. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from core.formatting import pluralize
from db.definitions.scope import Window

_PATTERNS = (
    re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", re.ASCII),
    re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)Z?\.\.(\d{4}-\d\d-\d\dT\d\d:\d\d)Z?", re.ASCII),
)
_ONE_DAY = timedelta(days=1)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
_MAX_SHOWN = 60


class BadDates(ValueError):
    """A text that names no dates; the message is a sentence with the reason."""


@dataclass(frozen=True)
class Dates:
    """From `since` (inclusive) to `until` (exclusive), both in UTC and of whole minutes."""

    since: datetime
    until: datetime

    @classmethod
    def days(cls, first: date, last: date) -> "Dates":
        """Whole days, both included."""
        return cls(_midnight(first), _midnight(last + _ONE_DAY))

    def __str__(self) -> str:
        return self.text(UTC)

    def text(self, zone: tzinfo) -> str:
        """`1 Nov – 9 Nov` or `1 Nov` for whole days, with years if they differ. Times are in `zone`:
        `3 Nov 10:00 – 14:00`."""
        if self.whole_days:
            year = "" if self.first.year == self.last.year else " %Y"
            first, last = f"{self.first:%d %b{year}}", f"{self.last:%d %b{year}}"
            return first if first == last else f"{first} – {last}"
        begin, end = self.since.astimezone(zone), self.until.astimezone(zone)
        shown = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%d %b %H:%M}"
        return f"{begin:%d %b %H:%M} – {shown}"

    @property
    def first(self) -> date:
        return self.since.date()

    @property
    def last(self) -> date:
        """The last day of which a part is included."""
        return (self.until - timedelta(microseconds=1)).date()

    @property
    def whole_days(self) -> bool:
        return self.since.time() == self.until.time() == time()

    @property
    def query_value(self) -> str:
        if self.whole_days:
            return f"{self.first}..{self.last}"
        return f"{self.since:%Y-%m-%dT%H:%M}..{self.until:%Y-%m-%dT%H:%M}"

    @property
    def length_text(self) -> str:
        """`1 day`, `4 hours` or `90 minutes`."""
        minutes = round((self.until - self.since) / timedelta(minutes=1))
        for length, unit in ((1440, "day"), (60, "hour")):
            if minutes % length == 0:
                return pluralize(minutes // length, unit)
        return pluralize(minutes, "minute")

    def started(self, today: date) -> "Dates | None":
        """The dates up to the end of today; null if the first day is in the future."""
        return Dates(self.since, min(self.until, _midnight(today + _ONE_DAY))) if self.first <= today else None

    def includes(self, now: datetime) -> bool:
        return self.since <= now < self.until

    def window(self, now: datetime) -> Window:
        """The dates up to `now`. Empty if they are in the future."""
        return Window(self.since, max(min(self.until, now), self.since))


def parse_dates(text: str) -> Dates:
    """Raises BadDates."""
    days, times = (pattern.fullmatch(text) for pattern in _PATTERNS)
    match = days or times
    shown = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
    if not match:
        raise BadDates(
            f"dates={shown} is invalid: expected two days, such as 2026-11-01..2026-11-09, or two times in UTC, "
            "such as 2026-11-03T10:00..2026-11-03T14:00."
        )
    try:
        since, until = (datetime.fromisoformat(part).replace(tzinfo=UTC) for part in match.groups())
    except ValueError:
        raise BadDates(f"dates={shown} contains a {'day' if days else 'time'} that does not exist.") from None
    if since > until or (times and since == until):
        raise BadDates(f"dates={shown} ends before it begins." if since > until else f"dates={shown} is empty.")
    if since.date() < _EARLIEST or until.date() >= _LATEST:
        raise BadDates(f"dates={shown} is outside of {_EARLIEST.year} to {_LATEST.year - 1}.")
    return Dates.days(since.date(), until.date()) if days else Dates(since, until)


def future_note(dates: Dates, now: datetime) -> str | None:
    """A sentence about dates in the future; null if there are none. The rest of today is not in the future."""
    if dates.since > now:
        return f"{dates} is in the future (today is {now:%d %b %Y}, UTC): there are no runs to show."
    if dates.last > now.date():
        return f"{dates} includes future days; figures run up to now, {now:%d %b %Y} (UTC)."
    return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
