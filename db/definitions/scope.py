"""Which runs a figure is about.

A span of time that a figure is about, and how people write one.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from db.enums import Interval


@dataclass(frozen=True)
class Scope:
    """Values of one field are alternatives, fields narrow each other; an empty field does not filter.
    A repository is owner/name; a workflow is its name or its id. `own_branches` leaves out runs on a branch that has
    the name of the repository's default branch and is another one, as a fork's `main`: of `main`, the default branch of
    its repository, what is left are the runs on the default branch."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    conclusions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    own_branches: bool = False

    def for_sequences(self) -> "Scope":
        """Without what would hide the other side of a failure and its recovery."""
        return replace(self, conclusions=(), statuses=())


DEFAULT_SPAN = timedelta(days=30)
_RELATIVE = re.compile(r"(\d{1,6})\s*([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
INTERVAL_LENGTHS = {
    Interval.HOUR: timedelta(hours=1),
    Interval.DAY: timedelta(days=1),
    Interval.WEEK: timedelta(weeks=1),
}
_WEEK = timedelta(weeks=1)
_EARLIEST, _LATEST = datetime(2008, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """From `since` (included) to `until` (left out); both in UTC."""

    since: datetime
    until: datetime

    @property
    def span(self) -> timedelta:
        return self.until - self.since

    def before(self) -> "Window":
        """The previous period: the same weekdays and hours, by the fewest whole weeks earlier with which both do not
        overlap. Seven days are compared with the seven before, 24 hours with those of a week ago, 30 days with the 30
        that begin 35 days earlier."""
        weeks = self.weeks_before
        return Window(max(self.since - weeks * _WEEK, _EARLIEST), max(self.until - weeks * _WEEK, _EARLIEST))

    @property
    def weeks_before(self) -> int:
        """How many weeks earlier the previous period is."""
        return max(-(-self.span // _WEEK), 1)

    def buckets(self, interval: Interval) -> list[datetime]:
        """Starts of the hours, days or ISO weeks (UTC) that the window touches, in order."""
        step = INTERVAL_LENGTHS[interval]
        start = bucket_start(self.since, interval)
        found = []
        while start < self.until:
            found.append(start)
            start += step
        return found


def bucket_start(moment: datetime, interval: Interval) -> datetime:
    """The start of the hour, day or ISO week (Monday) in UTC that holds the moment."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if interval is Interval.HOUR:
        return hour
    day = hour.replace(hour=0)
    return day if interval is Interval.DAY else day - timedelta(days=day.weekday())


def parse_time(value: str, now: datetime) -> datetime:
    """ISO 8601 from 2008 (when GitHub began) to 2100, or a span before now such as 90m, 24h, 30d, 4w, which ends in
    2008 at the earliest. A time without a zone is UTC. Raises ValueError with what is allowed."""
    text = value.strip()
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative:
            return max(now - timedelta(**{_UNITS[relative[2]]: int(relative[1])}), _EARLIEST)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no time; write 2026-01-31T08:00:00Z, or 24h, 30d before now") from None
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError(f"{text[:40]!r} is out of range; write a time from 2008 to 2100, or 24h, 30d before now")
    return moment


def make_window(since: str | None, until: str | None, now: datetime) -> Window:
    """The window that `since` and `until` name; the last 30 days where they are silent."""
    end = parse_time(until, now) if until else now
    start = parse_time(since, now) if since else end - DEFAULT_SPAN
    if start >= end:
        raise ValueError(f"since ({start:%Y-%m-%dT%H:%M:%SZ}) must lie before until ({end:%Y-%m-%dT%H:%M:%SZ})")
    return Window(start, end)
