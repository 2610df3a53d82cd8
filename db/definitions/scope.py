"""Filters of runs and time windows, and the parser of times in requests."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from db.enums import Interval

# Between the labels of a job in the name of a runner.
LABEL_SEPARATOR = ", "


@dataclass(frozen=True)
class Scope:
    """Filter of runs. Values of one field are combined with OR, fields with AND; an empty field does not filter. A
    repository is owner/name; a workflow is its name or its id; a runner is the labels of a job, joined by
    LABEL_SEPARATOR, and selects the runs with such a job. A class is that of the first failure cause of a job, and
    selects the failed runs whose latest attempt has such a failed or cancelled job. `own_branches` excludes runs on a
    branch of another repository that has the name of the default branch, such as the `main` of a fork."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    conclusions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    runners: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    own_branches: bool = False

    def for_sequences(self) -> "Scope":
        """The scope without conclusions, statuses, outcomes, runners and classes, which would hide one half of a
        failure and its recovery."""
        return replace(self, conclusions=(), statuses=(), outcomes=(), runners=(), classes=())


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
    """From `since` (inclusive) to `until` (exclusive); both in UTC."""

    since: datetime
    until: datetime

    @property
    def span(self) -> timedelta:
        return self.until - self.since

    def before(self) -> "Window":
        """The previous period: the same weekdays and hours, shifted back by the smallest number of weeks for which the
        two do not overlap. It is 7 days earlier for 7 days and for 24 hours, and 35 days earlier for 30 days."""
        weeks = self.weeks_before
        return Window(max(self.since - weeks * _WEEK, _EARLIEST), max(self.until - weeks * _WEEK, _EARLIEST))

    @property
    def weeks_before(self) -> int:
        """Number of weeks by which the previous period is earlier."""
        return max(-(-self.span // _WEEK), 1)

    def buckets(self, interval: Interval) -> list[datetime]:
        """Starts of the hours, days or ISO weeks (UTC) that the window touches, in order."""
        step = INTERVAL_LENGTHS[interval]
        start = bucket_start(self.since, interval)
        starts = []
        while start < self.until:
            starts.append(start)
            start += step
        return starts


def bucket_start(moment: datetime, interval: Interval) -> datetime:
    """The start of the hour, day or ISO week (Monday) in UTC that holds the moment."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if interval is Interval.HOUR:
        return hour
    day = hour.replace(hour=0)
    return day if interval is Interval.DAY else day - timedelta(days=day.weekday())


def parse_time(value: str, now: datetime) -> datetime:
    """Parses an ISO 8601 time from 2008 (the start of GitHub) to 2100, or a span before `now` such as 90m, 24h, 30d or
    4w, which is limited to 2008. A time without a zone is UTC. Raises ValueError with the accepted formats."""
    text = value.strip()
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative:
            return max(now - timedelta(**{_UNITS[relative[2]]: int(relative[1])}), _EARLIEST)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is not a time; write 2026-01-31T08:00:00Z, or 24h, 30d before now") from None
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError(f"{text[:40]!r} is out of range; write a time from 2008 to 2100, or 24h, 30d before now")
    return moment


def make_window(since: str | None, until: str | None, now: datetime) -> Window:
    """The window from `since` to `until`; the defaults are 30 days before the end, and now. Raises ValueError."""
    end = parse_time(until, now) if until else now
    start = parse_time(since, now) if since else end - DEFAULT_SPAN
    if start >= end:
        raise ValueError(f"since ({start:%Y-%m-%dT%H:%M:%SZ}) must be before until ({end:%Y-%m-%dT%H:%M:%SZ})")
    return Window(start, end)
