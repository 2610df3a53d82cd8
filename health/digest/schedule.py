"""When weekly digests are sent, and which week they are about. Pure.

A digest is about the last full week: Monday 00:00 to the next Monday 00:00 in the configured time zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db.definitions.scope import Window

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# A digest that could not be written for longer, because no collector ran, is left out: its news are old.
MAX_DELAY = timedelta(days=3)
_WEEK = timedelta(days=7)
UTC_ZONE = ZoneInfo("UTC")


class InvalidDigestSettings(ValueError):
    """`field` has an invalid value; the message says what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class DigestSettings:
    """The time of all digests, and the channels of the digest of all teams; without such a channel there is none.
    `weekday` is one of WEEKDAYS, `hour` is 0 to 23 in `time_zone`."""

    weekday: str = "monday"
    hour: int = 9
    time_zone: str = "UTC"
    all: tuple[str, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def to_dict(self) -> dict[str, Any]:
        return {"weekday": self.weekday, "hour": self.hour, "time_zone": self.time_zone, "all": list(self.all)}


def parse_settings(value: Mapping[str, Any]) -> DigestSettings:
    """The settings of the section `digest` of TEAMS_FILE, or of the stored setting. Raises InvalidDigestSettings."""
    weekday = value.get("weekday", "monday")
    if not isinstance(weekday, str) or weekday.lower() not in WEEKDAYS:
        raise InvalidDigestSettings("weekday", f"expected one of {', '.join(WEEKDAYS)}")
    hour = value.get("hour", 9)
    if isinstance(hour, bool) or not isinstance(hour, int) or not 0 <= hour <= 23:
        raise InvalidDigestSettings("hour", "expected a whole number from 0 to 23")
    zone = value.get("time_zone", "UTC")
    try:
        ZoneInfo(str(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidDigestSettings("time_zone", "expected a name such as Europe/Berlin or UTC") from None
    channels = value.get("all", [])
    if not isinstance(channels, list | tuple) or not all(isinstance(name, str) for name in channels):
        raise InvalidDigestSettings("all", "expected a list of names of channels")
    return DigestSettings(weekday.lower(), hour, str(zone), tuple(dict.fromkeys(channels)))


def due_week(settings: DigestSettings, now: datetime) -> date | None:
    """The Monday of the week whose digests are due at `now`, whether they were sent or not; null where none is due."""
    today = now.astimezone(settings.zone).date()
    this_week = today - timedelta(days=today.weekday())
    for monday in (this_week, this_week - _WEEK):
        day = monday + timedelta(days=WEEKDAYS.index(settings.weekday))
        planned = _local(day, settings.hour, settings.zone)
        if planned <= now < planned + MAX_DELAY:
            return monday - _WEEK
    return None


def latest_week(zone: ZoneInfo, now: datetime) -> date:
    """The Monday of the last full week."""
    today = now.astimezone(zone).date()
    return today - timedelta(days=today.weekday()) - _WEEK


def week_window(monday: date, zone: ZoneInfo) -> Window:
    """The week that begins on this Monday. It has 167 or 169 hours when clocks change."""
    return Window(_local(monday, 0, zone), _local(monday + _WEEK, 0, zone))


def _local(day: date, hour: int, zone: ZoneInfo) -> datetime:
    # A time that a clock change skips becomes the next valid time, a repeated one the first.
    return datetime.combine(day, time(hour), zone).astimezone(UTC)
