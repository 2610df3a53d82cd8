"""Dates as typed text, such as `yesterday 14-16`, `tuesday` or `1 Nov to 9 Nov`. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.filters.days import BadDates, Dates, parse_dates

EXAMPLES = "yesterday 14-16, 24 Nov, tuesday, or 1 Nov to 9 Nov"
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIMES = re.compile(r"(?:^|[ ,])(\d\d?)(?::(\d\d))? ?h? ?(?:-|–|to) ?(\d\d?)(?::(\d\d))? ?h?$", re.ASCII)
_BETWEEN_DAYS = re.compile(r"\.\.| - | – | to ")
_DAY_AND_MONTH = re.compile(r"(\d\d?) ([a-z]{3,9})(?: (\d{4}))?", re.ASCII)
_MONTH_AND_DAY = re.compile(r"([a-z]{3,9}) (\d\d?)(?:,? (\d{4}))?", re.ASCII)
_ONE_DAY = timedelta(days=1)
_MAX_LENGTH = 60


def parse_time_text(text: str, now: datetime, zone: ZoneInfo) -> Dates:
    """Whole days are UTC days; times are those of one day in `zone`, of today without a day. A weekday is the latest
    one before today, a day without a year the latest one up to today. Raises BadDates."""
    words = " ".join(text.lower().split())
    if len(words) > _MAX_LENGTH:
        raise _bad(text)
    try:
        times = _TIMES.search(words)
        today = now.astimezone(zone if times else UTC).date()
        named = words[: times.start()].strip(" ,") if times else words
        days = [_day(part.strip(), today) for part in _BETWEEN_DAYS.split(named)] if named else [today]
        if len(days) > (1 if times else 2) or not words:
            raise ValueError(text)
        dates = _hours(days[0], times, zone) if times else Dates.days(days[0], days[-1])
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


def _dated(day: int, month: str, year: str | None, today: date) -> date:
    number = _MONTHS.index(month[:3]) + 1
    if year:
        return date(int(year), number, day)
    dated = date(today.year, number, day)
    return dated if dated <= today else date(today.year - 1, number, day)


def _bad(text: str) -> BadDates:
    shown = text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "…"
    return BadDates(f"{shown} is not a time. Examples: {EXAMPLES}.")
