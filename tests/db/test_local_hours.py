"""Failure rates by the hour of the week on a viewer's clock, against a count run by run."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from db.definitions.scope import Scope, Window
from db.engine import session_scope
from health.metrics import service
from health.metrics.definitions.offset_periods import offset_periods
from health.metrics.queries import local_hours
from tests.builders import add_repository, run, store_runs
from tests.builders import roll_up as make_roll_ups
from tests.kept import Kept

ZONES = ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC", "America/St_Johns"]
SINCE, UNTIL = datetime(2026, 9, 20, 3, 17, tzinfo=UTC), datetime(2026, 11, 20, 9, 41, tzinfo=UTC)
MOMENTS = [SINCE + timedelta(minutes=37 * number) for number in range(2_300)]


def _fill(engine: Engine) -> None:
    add_repository(engine)
    records = [
        run(number, created_at=moment, conclusion="failure" if number % 7 < 2 else "success")
        for number, moment in enumerate(MOMENTS, 1)
    ]
    store_runs(engine, *records)
    make_roll_ups(engine, UNTIL)


def _counted(zone: ZoneInfo, window: Window) -> list[tuple[int, int, int, int]]:
    decided: Counter[tuple[int, int]] = Counter()
    failed: Counter[tuple[int, int]] = Counter()
    for number, moment in enumerate(MOMENTS, 1):
        if window.since <= moment < window.until:
            local = moment.astimezone(zone)
            decided[local.weekday(), local.hour] += 1
            failed[local.weekday(), local.hour] += number % 7 < 2
    cells = [(day, hour) for day in range(7) for hour in range(24)]
    return [(day, hour, decided[day, hour], failed[day, hour]) for day, hour in cells]


def test_each_run_counts_in_the_hour_that_the_clock_showed(engine: Engine, kept: Kept) -> None:
    kept.fill(engine, _fill)
    for zone in map(ZoneInfo, ZONES):
        for window in (Window(SINCE, UNTIL), Window(SINCE + timedelta(days=20), UNTIL - timedelta(days=15, hours=3))):
            with session_scope(engine) as session:
                found = service.local_weekday_hours(session, Scope(), window, zone)
            assert found is not None
            cells = [(cell.weekday, cell.hour, cell.decided, cell.failure) for cell in found]
            assert cells == _counted(zone, window), (zone, window)


def test_where_hours_of_a_zone_cannot_be_told_there_are_none(
    engine: Engine, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.fill(engine, _fill)
    monkeypatch.setattr(local_hours, "MAX_ROWS", 100)
    window = Window(SINCE, UNTIL)
    with session_scope(engine) as session:
        assert service.local_weekday_hours(session, Scope(), window, ZoneInfo("Asia/Kolkata")) is None
        assert service.local_weekday_hours(session, Scope(), window, ZoneInfo("Europe/Berlin")) is not None


@pytest.mark.parametrize(
    ("name", "offsets"),
    [
        ("America/New_York", [-4, -5]), ("Europe/Berlin", [2, 1]), ("Asia/Kolkata", [5.5]),
        ("Australia/Lord_Howe", [10.5, 11]),
    ],
)  # fmt: skip
def test_a_window_is_cut_where_the_clock_is_set(name: str, offsets: list[float]) -> None:
    found = offset_periods(Window(SINCE, UNTIL), ZoneInfo(name))
    assert [each.offset_seconds / 3600 for each in found] == offsets
    assert (found[0].window.since, found[-1].window.until) == (SINCE, UNTIL)
    assert all(one.window.until == other.window.since for one, other in pairwise(found))


def test_a_window_that_begins_within_a_second_is_cut_in_the_same_place() -> None:
    window = Window(
        datetime(2026, 10, 25, 0, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, 0, 1, tzinfo=UTC)
    )
    found = offset_periods(window, ZoneInfo("Europe/Berlin"))
    assert [each.window.since for each in found] == [window.since, datetime(2026, 10, 25, 1, tzinfo=UTC)]
