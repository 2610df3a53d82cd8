from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from streamlit.proto.SelectWidgetFilterMode_pb2 import SelectWidgetFilterMode
from streamlit.testing.v1 import AppTest

from app.filters.days import parse_dates
from app.widgets.cells import Cell
from app.widgets.exports import as_csv
from app.widgets.table import Column, table_html
from db.definitions.scope import Window
from db.models import Run
from tests.app.conftest import Open
from tests.app.reading import everything, html, markdown, tiles
from tests.app.seeding import Seeded


def test_chosen_days_are_both_included(seeded: Seeded, open_page: Open) -> None:
    day = (seeded.now - timedelta(days=10)).date()
    page = open_page("runs", dates=f"{day}..{day}")
    assert f"in {day:%d %b} ·" in everything(page)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    created = [seeded.now - timedelta(hours=8 * k + 30) for k in range(180)]
    expected = 2 * sum(midnight <= moment < midnight + timedelta(days=1) for moment in created)
    assert f"{expected} in {day:%d %b}" in everything(page)


@pytest.mark.parametrize(
    ("dates", "why"),
    [
        ("2026-13-01..2026-13-02", "a day that does not exist"),
        ("2026-01-05..2026-01-01", "ends before it begins"),
        ("x", "is invalid"),
        ("0001-01-01..0001-01-02", "is outside of 2000 to 2099"),
    ],
)
def test_invalid_dates_keep_the_period_and_are_reported(seeded: Seeded, open_page: Open, dates: str, why: str) -> None:
    page = open_page(period="7d", dates=dates)
    assert "vs 7d, 1 week earlier" in everything(page)
    assert why in _warned(page)
    next(button for button in page.button if button.label == "Back to the period").click().run()
    assert why not in _warned(page)
    assert "dates" not in page.query_params


def _warned(page: AppTest) -> str:
    return "\n".join(element.value.replace("\\", "") for element in page.warning)


def test_invalid_period_is_reported(seeded: Seeded, open_page: Open) -> None:
    page = open_page(period="5y")
    assert "period=5y is invalid (expected 24h, 7d, 30d, 90d, 1y)" in _warned(page)
    page.segmented_control(key="period").set_value("7d").run()
    assert not page.warning


@pytest.mark.parametrize("ahead", [0, 5])
def test_days_that_begin_today_are_today_up_to_now(seeded: Seeded, open_page: Open, ahead: int) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    page = open_page("runs", dates=f"{today:%Y-%m-%d}..{today + timedelta(days=ahead):%Y-%m-%d}")
    with seeded.engine.connect() as connection:
        expected = connection.execute(select(func.count()).select_from(Run).where(Run.created_at >= today)).scalar()
    assert f"{expected} in {today:%d %b}" in everything(page) or (
        not expected and "No matching runs" in everything(page)
    )
    assert ("includes future days" in _warned(page)) == bool(ahead)


@pytest.mark.parametrize("page", ["", "runs", "workflow", "failures", "search", "flaky", "cost"])
def test_future_dates_show_no_runs_and_no_error(seeded: Seeded, open_page: Open, page: str) -> None:
    first = (seeded.now + timedelta(days=5)).date()
    found = open_page(page, dates=f"{first}..{first + timedelta(days=1)}")
    assert "is in the future" in _warned(found)
    assert not tiles(found)


def test_chosen_days_end_at_now_and_begin_at_midnight() -> None:
    now = datetime(2026, 3, 4, 0, 3, tzinfo=UTC)
    today = parse_dates("2026-03-04..2026-03-04")
    assert today.window(now) == Window(datetime(2026, 3, 4, tzinfo=UTC), now)
    assert parse_dates("2026-03-02..2026-03-03").window(now) == Window(
        datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
    )
    assert parse_dates("2026-03-03..2026-03-09").window(now).until == now
    assert parse_dates("2026-03-05..2026-03-09").window(now).span == timedelta(0)


def test_clearing_dates_restores_the_period(seeded: Seeded, open_page: Open) -> None:
    day = (seeded.now - timedelta(days=3)).date()
    page = open_page(dates=f"{day}..{day}")
    assert "vs 1 day, 1 week earlier" in everything(page)
    next(button for button in page.button if button.label == "Back to the period").click().run()
    assert "dates" not in page.query_params
    assert "vs 30d, 5 weeks earlier" in everything(page)


def test_periods_are_unmarked_while_dates_are_set(seeded: Seeded, open_page: Open) -> None:
    day = (seeded.now - timedelta(days=3)).date()
    page = open_page(period="90d", dates=f"{day}..{day}")
    periods = page.segmented_control(key="period-instead")
    assert periods.value is None
    periods.set_value("7d").run()
    assert (page.query_params["period"], "dates" in page.query_params) == ("7d", False)
    assert page.segmented_control(key="period").value == "7d"
    assert "vs 7d, 1 week earlier" in everything(page)


def test_filter_matches_abbreviations_and_enter_selects_one_option(seeded: Seeded, open_page: Open) -> None:
    chosen = open_page().multiselect(key="repo").proto
    assert SelectWidgetFilterMode.Name(chosen.filter_mode) == "FILTER_MODE_FUZZY"
    assert chosen.select_all == 0


def test_kiosk_mode_has_figures_and_fields_and_no_controls(seeded: Seeded, open_page: Open) -> None:
    page = open_page(wall=1)
    assert not page.multiselect
    assert not tiles(page)
    told = "\n".join(html(page))
    assert told.count('class="ph-field ph-') == 4
    assert "acme/web · CI is failing on main" in told


def test_interval_depends_on_the_length_of_the_period(seeded: Seeded, open_page: Open) -> None:
    # In the last minute of an hour the period ends with a whole hour, and nothing is hatched.
    assert "per week" in everything(open_page(period="1y"))
    assert "per hour" in everything(open_page(period="24h"))


def test_csv_has_plain_values_and_no_formulas() -> None:
    columns = [Column("Name"), Column("Seconds", "right")]
    rows = [(Cell("<b>x</b>", "=HYPERLINK(1)"), Cell("1m", 60.0)), (Cell("-", None), Cell("–", None))]
    assert as_csv(columns, rows).splitlines() == ["Name,Seconds", "'=HYPERLINK(1),60.0", ","]


def test_cell_values_are_escaped_in_attributes() -> None:
    shown = table_html("t", [Column('"><script>')], [(Cell("x", '" onmouseover="alert(1)'),)], "c")
    assert "<script>" not in shown
    assert 'data-value="&quot; onmouseover=&quot;alert(1)"' in shown


def test_period_without_runs_shows_empty_state(seeded: Seeded, open_page: Open) -> None:
    assert "No matching runs" in markdown(open_page(dates="2020-01-01..2020-01-02"))


NAMED_PAGES = ["", "workflow", "runs", "failures", "search", "flaky", "cost"]


@pytest.mark.parametrize("page", NAMED_PAGES)
def test_unmonitored_repository_is_no_all_clear(seeded: Seeded, open_page: Open, page: str) -> None:
    found = open_page(page, repo="acme/nope")
    assert "acme/nope is not monitored" in markdown(found).replace("\\", "")
    assert "Nothing needs attention" not in everything(found)
    assert not tiles(found)


@pytest.mark.parametrize("page", NAMED_PAGES)
def test_a_workflow_that_does_not_exist_is_no_all_clear(seeded: Seeded, open_page: Open, page: str) -> None:
    found = open_page(page, repo="acme/web", workflow="Nightly")
    assert "Workflow Nightly not found" in markdown(found).replace("\\", "")
    assert "Nothing needs attention" not in everything(found)


def test_kiosk_mode_applies_the_filters_of_the_url(seeded: Seeded, open_page: Open) -> None:
    assert "\n".join(html(open_page(wall=1, repo="acme/api"))).count('class="ph-field ph-') == 2
    assert "acme/nope is not monitored" in "\n".join(html(open_page(wall=1, repo="acme/nope")))


def test_known_names_beside_unknown_ones_are_shown(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", repo=["ACME/Web", "acme/nope"])
    assert "acme/nope is not monitored and is ignored." in _warned(page)
    assert "change 8000" in everything(page)


def test_conclusion_options_are_words(seeded: Seeded, open_page: Open) -> None:
    offered = open_page("runs").multiselect(key="conclusion").options
    assert {"Startup failure", "Timed out", "Action required", "Failed", "Success"} <= set(offered)
    assert not [each for each in offered if "_" in each]
