"""Dates as typed text, such as `yesterday 14-16`, `tuesday` or `1 Nov to 9 Nov`. Pure."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.filters.days import BadDates, Dates, parse_dates

EXAMPLES = "yesterday 14-16, 24 Nov, tuesday, or 1 Nov to 9 Nov"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_TIMES = re.compile(r"(?:^|[ ,])(\d\d?)(?::(\d\d))? ?h? ?(?:-|–|to) ?(\d\d?)(?::(\d\d))? ?h?$", re.ASCII)
_BETWEEN_DAYS = re.compile(r"\.\.| - | – | to ")
_DAY_AND_MONTH = re.compile(r"(\d\d?) ([a-z]{3,9})(?: (\d{4}))?", re.ASCII)
_MONTH_AND_DAY = re.compile(r"([a-z]{3,9}) (\d\d?)(?:,? (\d{4}))?", re.ASCII)
_ONE_DAY = timedelta(days=1)
# The longest range whose last day is the next one after the first instead of the latest one, in days: of weekdays, and
# of days without a year.
_MAX_RANGES = (7, 183)
# 29 February exists every four years, but not in 2100.
_MAX_YEARS = 8
_MAX_LENGTH = 60


def parse_time_text(text: str, now: datetime, zone: ZoneInfo) -> Dates:
    """Whole days are UTC days; times are those of one day in `zone`, of today without a day. A weekday is the latest
    one before today, a day without a year the latest one up to today; the last day of a range is the next such day if
    it would precede the first one. Raises BadDates."""
    words = " ".join(text.lower().split())
    if len(words) > _MAX_LENGTH:
        raise _bad(text)
    try:
        times = _TIMES.search(words)
        today = now.astimezone(zone if times else UTC).date()
        named = words[: times.start()].strip(" ,") if times else words
        parts = [part.strip() for part in _BETWEEN_DAYS.split(named)] if named else ["today"]
        if len(parts) > (1 if times else 2) or not words:
            raise ValueError(text)
        first = _day(parts[0], today)
        dates = _hours(first, times, zone) if times else Dates.days(first, _last_day(parts[-1], first, today))
    except (ValueError, OverflowError):
        raise _bad(text) from None
    return parse_dates(dates.query_value)


def _hours(day: date, times: re.Match[str], zone: ZoneInfo) -> Dates:
    """An end before the beginning is on the next day; 24 is midnight."""
    begin, end = (timedelta(hours=int(times[hour]), minutes=int(times[hour + 1] or 0)) for hour in (1, 3))
    if max(begin, end) > _ONE_DAY:
        raise ValueError(times[0])
    if end <= begin:
        end += _ONE_DAY
    midnight = datetime.combine(day, time())
    since, until = ((midnight + offset).replace(tzinfo=zone).astimezone(UTC) for offset in (begin, end))
    return Dates(since, until)


def _day(words: str, today: date) -> date:
    words = words.removeprefix("last ")
    if words in ("today", "yesterday"):
        return today if words == "today" else today - _ONE_DAY
    for weekday, name in enumerate(_WEEKDAYS):
        if words in (name, name[:3]):
            return today - timedelta(days=(today.weekday() - weekday - 1) % 7 + 1)
    if match := _DAY_AND_MONTH.fullmatch(words):
        return _dated(int(match[1]), match[2], match[3], today)
    if match := _MONTH_AND_DAY.fullmatch(words):
        return _dated(int(match[2]), match[1], match[3], today)
    return date.fromisoformat(words)


def _last_day(words: str, first: date, today: date) -> date:
    last = _day(words, today)
    if last >= first or words.startswith(("last ", "today", "yesterday")):
        return last
    following = (_day(words, first + timedelta(days=days)) for days in _MAX_RANGES)
    return next((day for day in following if day >= first), last)


def _dated(day: int, month: str, year: str | None, today: date) -> date:
    number = next((number for number, name in enumerate(_MONTHS, start=1) if name.startswith(month)), 0)
    if year or not number:
        return date(int(year or 0), number, day)
    for earlier in range(_MAX_YEARS + 1):
        with suppress(ValueError):
            dated = date(today.year - earlier, number, day)
            if dated <= today:
                return dated
    raise ValueError(f"{day} {month}")


def _bad(text: str) -> BadDates:
    shown = text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "…"
    return BadDates(f"{shown} is not a time. Examples: {EXAMPLES}.")
