"""Due times of cron schedules with time zones. Pure.

An entry has `cron` (POSIX) and an optional `timezone` (IANA, default UTC), as `on.schedule` of GitHub Actions
(docs.github.com, "Events that trigger workflows", schedule). A time that a change to daylight saving time skips moves
to the next valid time; of a repeated hour the first pass counts, so that each time is due once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

_MINUTE = timedelta(minutes=1)


def last_due(lines: Iterable[Any], before: datetime) -> datetime | None:
    """The latest time (UTC) before `before` that matches one of the lines; null without one. A line is a text, in UTC,
    or a mapping of `cron` and `timezone`; invalid lines are skipped."""
    return max((due for line in lines if (due := _last_due_of_line(line, before))), default=None)


def invalid_lines(lines: Iterable[Any]) -> list[str]:
    """One message per invalid line."""
    return [reason for line in lines if (reason := _line_error(line))]


def cron_of(line: Any) -> str:
    """The cron expression of a line."""
    return str(line.get("cron")) if isinstance(line, dict) else str(line)


def _line_error(line: Any) -> str | None:
    if _zone_of(line) is None:
        return f"{cron_of(line)!r}: the time zone {line.get('timezone')!r} is not known"
    try:
        CronSim(cron_of(line), datetime(2000, 1, 1))
    except CronSimError as error:
        return f"{cron_of(line)!r} is not a cron expression ({error})"
    return None


def _last_due_of_line(line: Any, before: datetime) -> datetime | None:
    zone = _zone_of(line)
    if zone is None:
        return None
    try:
        for wall in CronSim(cron_of(line), _latest_wall_time(before, zone), reverse=True):
            if (due := _instant(wall, zone)) < before:
                return due
    except CronSimError:
        return None
    return None


def _zone_of(line: Any) -> ZoneInfo | None:
    """Null for an unknown time zone."""
    name = line.get("timezone", "UTC") if isinstance(line, dict) else "UTC"
    return ZoneInfo(name) if isinstance(name, str) and name in _known_zones() else None


@lru_cache(maxsize=1)
def _known_zones() -> frozenset[str]:
    """IANA names, without further files in the zone directories of some systems."""
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def _latest_wall_time(before: datetime, zone: ZoneInfo) -> datetime:
    """The latest wall time of the zone whose instant may lie before `before`. In the second pass of a repeated hour
    that is the end of the first pass, all of whose instants lie before."""
    local = before.astimezone(zone)
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    repeated = first - second if local.fold and first and second else timedelta(0)
    return (local + repeated).replace(tzinfo=None, fold=0)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant (UTC) of a wall time; for a skipped wall time, the instant of the next valid one."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    while moment.astimezone(zone).replace(tzinfo=None) != wall:
        wall += _MINUTE
        moment = wall.replace(tzinfo=zone).astimezone(UTC)
    return moment
