"""The time buckets of a chart with the dates that select each of them in the URL."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.filters.days import Dates
from app.frames.trends import UTC, axis_time
from db.definitions.scope import INTERVAL_LENGTHS, Window
from db.enums import Interval

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Buckets:
    """`at`: positions on the axis, in order; `dates`: values of the parameter `dates`. `centred`: bars and points are
    drawn around the start of their bucket, not after it."""

    at: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    centred: bool = True


def buckets(
    window: Window, interval: Interval, now: datetime, zone: ZoneInfo = UTC, *, centred: bool = True
) -> Buckets:
    """The dates are those of the part of a bucket that is in the window, so that its runs are those of its mark; the
    current bucket includes the runs that it will have."""
    starts = window.buckets(interval)
    return Buckets(
        [axis_time(start, zone) for start in starts],
        [bucket_dates(start, interval, window, now).query_value for start in starts],
        centred,
    )


def bucket_dates(start: datetime, interval: Interval, window: Window, now: datetime) -> Dates:
    end = start + INTERVAL_LENGTHS[interval]
    since = _whole_minute(max(start, window.since))
    if window.until < end and window.until >= now:
        # Later days of the week would be reported as days in the future.
        today = (now - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        until = min(end, today + timedelta(days=1))
    else:
        until = min(end, window.until)
    return Dates(since, max(_whole_minute(until), since + _MINUTE))


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
