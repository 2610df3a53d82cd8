"""Dates as typed text."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app import session
from app.filters.days import BadDates
from app.filters.time_text import parse_time_text
from tests.app.conftest import Open
from tests.app.reading import everything
from tests.app.seeding import Seeded

# A Wednesday; in Berlin it is already Thursday.
NOW = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("yesterday", "2026-11-17..2026-11-17"),
        (" Last  TUESDAY ", "2026-11-17..2026-11-17"),
        ("wed", "2026-11-11..2026-11-11"),
        ("24 Dec", "2025-12-24..2025-12-24"),
        ("1 nov to november 9", "2026-11-01..2026-11-09"),
        ("2026-11-01 – 3 Nov 2026", "2026-11-01..2026-11-03"),
        ("2026-11-01..2026-11-03", "2026-11-01..2026-11-03"),
        ("yesterday 14-16", "2026-11-18T13:00..2026-11-18T15:00"),
        ("2026-11-03, 9:30 to 10h", "2026-11-03T08:30..2026-11-03T09:00"),
        ("23 - 1", "2026-11-19T22:00..2026-11-20T00:00"),
        ("3 Nov 22–24", "2026-11-03T21:00..2026-11-03T23:00"),
        ("29 feb", "2024-02-29..2024-02-29"),
        # The last day is not over, or has not begun.
        ("1 Nov to 31 Dec", "2026-11-01..2026-12-31"),
        ("17 Nov to 20 Nov", "2026-11-17..2026-11-20"),
        ("monday to wednesday", "2026-11-16..2026-11-18"),
        ("friday to tuesday", "2026-11-13..2026-11-17"),
    ],
)
def test_days_are_of_utc_and_times_of_the_viewers_zone(text: str, query: str) -> None:
    assert parse_time_text(text, NOW, BERLIN).query_value == query


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "31 Feb",
        "9 Nov to 1 Nov",
        "decoy 1",
        "mayo 3",
        "monday to last friday",
        "1 Nov to 2 Nov 14-16",
        "14-25",
        "3 Nov to",
        "x" * 900,
        "1 Nov 9999",
    ],
)
def test_other_text_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadDates) as error:
        parse_time_text(text, NOW, BERLIN)
    assert (
        "Examples: " in str(error.value) or "ends before it begins" in str(error.value) or "outside" in str(error.value)
    )
    assert len(str(error.value)) < 200


def test_typed_time_selects_the_runs_of_these_hours(seeded: Seeded, open_page: Open) -> None:
    day = (seeded.now.astimezone(session.UTC) - timedelta(days=3)).date()
    page = open_page("runs")
    page.text_input(key="dates-text").set_value(f"{day} 0-24").run()
    assert page.query_params["dates"] == f"{day}..{day}"
    assert f"in {day:%d %b} ·" in everything(page)
    page.text_input(key="dates-text").set_value(f"{day} 6-18").run()
    assert page.query_params["dates"] == f"{day}T06:00..{day}T18:00"
    page.text_input(key="dates-text").set_value("soon").run()
    assert any("soon is not a time" in text.value for text in page.text)
    assert page.query_params["dates"] == f"{day}T06:00..{day}T18:00"
