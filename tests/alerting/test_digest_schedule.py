"""When weekly digests are due, and what week they are about."""

from datetime import UTC, date, datetime, timedelta

import pytest

from health.digest.schedule import (
    DigestSettings,
    InvalidDigestSettings,
    due_week,
    latest_week,
    parse_settings,
    week_window,
)

BERLIN = DigestSettings("monday", 9, "Europe/Berlin", ("ops",))
WEEK = date(2026, 11, 16)


@pytest.mark.parametrize(
    ("now", "week"),
    [
        ("2026-11-23T07:59:59", None),
        ("2026-11-23T08:00:00", WEEK),
        ("2026-11-24T08:00:00", WEEK),
        ("2026-11-26T07:59:59", WEEK),
        ("2026-11-26T08:00:00", None),
        ("2026-11-30T07:59:59", None),
        ("2026-11-30T08:00:00", WEEK + timedelta(days=7)),
    ],
)
def test_a_digest_is_due_from_its_hour_on_for_three_days(now: str, week: date | None) -> None:
    assert due_week(BERLIN, datetime.fromisoformat(now).replace(tzinfo=UTC)) == week


def test_a_digest_of_sunday_night_is_due_after_midnight() -> None:
    settings = DigestSettings("sunday", 23, "UTC")
    assert due_week(settings, datetime(2026, 11, 29, 23, tzinfo=UTC)) == WEEK
    assert due_week(settings, datetime(2026, 11, 30, 0, 30, tzinfo=UTC)) == WEEK
    assert due_week(settings, datetime(2026, 11, 29, 22, 59, tzinfo=UTC)) is None


def test_the_hour_is_that_of_the_time_zone_also_when_clocks_change() -> None:
    """On 29 March 2026 the clocks of Berlin are set forward."""
    assert due_week(BERLIN, datetime(2026, 3, 23, 7, 30, tzinfo=UTC)) is None, "8:30 in winter"
    assert due_week(BERLIN, datetime(2026, 3, 30, 7, 30, tzinfo=UTC)) == date(2026, 3, 23), "9:30 in summer"
    window = week_window(date(2026, 3, 23), BERLIN.zone)
    assert (window.since, window.until) == (
        datetime(2026, 3, 22, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )
    skipped = DigestSettings("sunday", 2, "Europe/Berlin")
    assert due_week(skipped, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)) is not None, "2:00 does not exist on that day"


def test_the_last_full_week_is_that_of_the_time_zone() -> None:
    late_on_sunday = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
    assert latest_week(BERLIN.zone, late_on_sunday) == date(2026, 11, 23), "Monday in Berlin"
    assert latest_week(DigestSettings().zone, late_on_sunday) == WEEK


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"weekday": "mon"}, "weekday"),
        ({"weekday": 1}, "weekday"),
        ({"hour": 24}, "hour"),
        ({"hour": True}, "hour"),
        ({"hour": "9"}, "hour"),
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"all": "ops"}, "all"),
        ({"all": [1]}, "all"),
    ],
)
def test_a_wrong_setting_names_the_field(value: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidDigestSettings) as error:
        parse_settings(value)
    assert error.value.field == field


def test_settings_are_stored_as_they_are_written() -> None:
    written = {"weekday": "Friday", "hour": 16, "time_zone": "Europe/Berlin", "all": ["ops", "ops"]}
    settings = parse_settings(written)
    assert settings == DigestSettings("friday", 16, "Europe/Berlin", ("ops",))
    assert parse_settings(settings.to_dict()) == settings
    assert parse_settings({}) == DigestSettings()
