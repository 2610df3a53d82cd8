"""When scheduled runs are due, in the time zones of their lines."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.cron import invalid_lines, last_due


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def line(cron: str, zone: Any) -> dict[str, Any]:
    return {"cron": cron, "timezone": zone}


@pytest.mark.parametrize(
    ("cron", "zone", "before", "due"),
    [
        ("7 11 * * *", "Asia/Tokyo", "2026-11-18 12:00", "2026-11-18 02:07"),
        ("7 11 * * *", "Asia/Tokyo", "2026-11-18 02:07", "2026-11-17 02:07"),
        ("30 5 * * *", "Asia/Kathmandu", "2026-11-18 12:00", "2026-11-17 23:45"),
        ("0 22 * * *", "America/Los_Angeles", "2026-11-18 12:00", "2026-11-18 06:00"),
        # Friday in New York is Saturday in UTC.
        ("0 21 * * 5", "America/New_York", "2026-11-18 12:00", "2026-11-14 02:00"),
        # The first of a month in Auckland is the last day of the one before in UTC.
        ("0 1 1 * *", "Pacific/Auckland", "2026-11-18 12:00", "2026-10-31 12:00"),
        # Summer and winter time.
        ("0 9 * * *", "Europe/Berlin", "2026-07-01 12:00", "2026-07-01 07:00"),
        ("0 9 * * *", "Europe/Berlin", "2026-12-01 12:00", "2026-12-01 08:00"),
        # New York, 8 March 2026: 02:00 to 03:00 are skipped.
        ("30 2 * * *", "America/New_York", "2026-03-08 12:00", "2026-03-08 07:00"),
        ("30 2 * * *", "America/New_York", "2026-03-08 06:59", "2026-03-07 07:30"),
        ("30 2 * * *", "America/New_York", "2026-03-09 12:00", "2026-03-09 06:30"),
        # Berlin, 29 March 2026.
        ("59 2 * * 0", "Europe/Berlin", "2026-03-29 12:00", "2026-03-29 01:00"),
        # Half an hour is skipped on Lord Howe, 4 October 2026.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 20:00", "2026-10-03 15:30"),
        # New York, 1 November 2026: 01:00 to 02:00 come twice, and the first counts.
        ("30 1 * * *", "America/New_York", "2026-11-01 12:00", "2026-11-01 05:30"),
        ("30 1 * * *", "America/New_York", "2026-11-01 06:15", "2026-11-01 05:30"),
        ("30 1 * * *", "America/New_York", "2026-11-01 05:15", "2026-10-31 05:30"),
        ("*/20 1 * * *", "America/New_York", "2026-11-01 07:30", "2026-11-01 05:40"),
        ("0 * * * *", "America/New_York", "2026-11-01 08:30", "2026-11-01 08:00"),
        ("45 1 * * *", "America/New_York", "2026-11-01 06:10", "2026-11-01 05:45"),
    ],
)
def test_a_line_is_due_by_the_clock_of_its_zone(cron: str, zone: str, before: str, due: str) -> None:
    assert last_due([line(cron, zone)], utc(before)) == utc(due)


def test_the_latest_of_lines_with_different_zones_counts() -> None:
    lines = ["0 6 * * *", line("0 9 * * *", "Asia/Tokyo"), line("0 9 * * *", "Europe/Paris")]
    assert last_due(lines, utc("2026-11-18 12:00")) == utc("2026-11-18 08:00")
    assert last_due(lines, utc("2026-11-18 07:00")) == utc("2026-11-18 06:00")
    assert last_due(lines, utc("2026-11-18 05:00")) == utc("2026-11-18 00:00")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "Tokyo", "localtime", "../etc/passwd", "America", "UTC+2", "é"])
def test_a_line_whose_zone_is_none_is_left_out_and_told(zone: str) -> None:
    assert last_due([line("0 9 * * *", zone)], utc("2026-11-18 12:00")) is None
    assert last_due([line("0 9 * * *", zone), "0 3 * * *"], utc("2026-11-18 12:00")) == utc("2026-11-18 03:00")
    assert invalid_lines([line("0 9 * * *", zone), "0 3 * * *"]) == [
        f"'0 9 * * *': the time zone {zone!r} is not known"
    ]


def test_a_line_that_is_no_cron_line_is_told() -> None:
    (reason,) = invalid_lines(["61 * * * *", "0 3 * * *", line("0 3 * * *", "UTC")])
    assert "'61 * * * *' is not a cron expression" in reason


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"])
def test_daily_runs_of_a_year_are_due_once_a_day(zone: str) -> None:
    """Whatever the hour, and asked at any time of the day."""
    for hour in (0, 1, 2, 3, 23):
        lines, moment, found = [line(f"30 {hour} * * *", zone)], utc("2026-01-02 00:10"), set()
        while moment < utc("2027-01-02 00:10"):
            due = last_due(lines, moment)
            assert due is not None
            assert timedelta(0) < moment - due <= timedelta(hours=25)
            found.add(due)
            moment += timedelta(hours=7)
        days = {due.astimezone(ZoneInfo(zone)).date() for due in found}
        assert len(found) == len(days)
        assert len(days) in (365, 366)
