from datetime import UTC, datetime, timedelta

import pytest
from streamlit.proto.SelectWidgetFilterMode_pb2 import SelectWidgetFilterMode

from app.components.cells import Cell
from app.components.table import Column, as_csv, table_html
from tests.app.conftest import Open
from tests.app.reading import everything, html, markdown, tiles
from tests.app.seeding import Seeded


def test_chosen_days_are_both_included(seeded: Seeded, open_page: Open) -> None:
    day = (seeded.now - timedelta(days=10)).date()
    page = open_page("runs", dates=f"{day}..{day}")
    assert f"{day:%d %b} – {day:%d %b}" in everything(page)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    created = [seeded.now - timedelta(hours=8 * k + 30) for k in range(180)]
    expected = 2 * sum(midnight <= moment < midnight + timedelta(days=1) for moment in created)
    assert f"{expected} in {day:%d %b}" in everything(page)


@pytest.mark.parametrize("dates", ["2026-13-01..2026-13-02", "2026-01-05..2026-01-01", "x", "0001-01-01..0001-01-02"])
def test_days_that_are_none_leave_the_period(seeded: Seeded, open_page: Open, dates: str) -> None:
    assert "vs 7d, 1 week earlier" in everything(open_page(period="7d", dates=dates))


def test_the_period_is_chosen_again_when_the_days_go(seeded: Seeded, open_page: Open) -> None:
    day = (seeded.now - timedelta(days=3)).date()
    page = open_page(dates=f"{day}..{day}")
    assert "vs 1 day, 1 week earlier" in everything(page)
    next(button for button in page.button if button.label == "Back to the period").click().run()
    assert "dates" not in page.query_params
    assert "vs 30d, 5 weeks earlier" in everything(page)


def test_no_period_is_marked_while_days_are_chosen_and_each_leads_back(seeded: Seeded, open_page: Open) -> None:
    day = (seeded.now - timedelta(days=3)).date()
    page = open_page(period="90d", dates=f"{day}..{day}")
    periods = page.segmented_control(key="period-instead")
    assert periods.value is None
    periods.set_value("7d").run()
    assert (page.query_params["period"], "dates" in page.query_params) == ("7d", False)
    assert page.segmented_control(key="period").value == "7d"
    assert "vs 7d, 1 week earlier" in everything(page)


def test_what_is_typed_into_a_filter_finds_what_contains_it(seeded: Seeded, open_page: Open) -> None:
    chosen = open_page().multiselect(key="repo").proto
    assert SelectWidgetFilterMode.Name(chosen.filter_mode) == "FILTER_MODE_CONTAINS"
    assert chosen.select_all == 0


def test_a_wall_has_figures_and_fields_and_no_controls(seeded: Seeded, open_page: Open) -> None:
    page = open_page(wall=1)
    assert not page.multiselect
    assert not tiles(page)
    told = "\n".join(html(page))
    assert told.count('class="ph-field ph-') == 4
    assert "CI is broken on main of acme/web" in told


def test_long_periods_are_shown_by_weeks_and_short_ones_by_hours(seeded: Seeded, open_page: Open) -> None:
    assert "by full week" in everything(open_page(period="1y"))
    assert "by full hour" in everything(open_page(period="24h"))


def test_a_table_as_a_file_has_plain_values_and_no_formula() -> None:
    columns = [Column("Name"), Column("Seconds", "right")]
    rows = [(Cell("<b>x</b>", "=HYPERLINK(1)"), Cell("1m", 60.0)), (Cell("-", None), Cell("–", None))]
    assert as_csv(columns, rows).splitlines() == ["Name,Seconds", "'=HYPERLINK(1),60.0", ","]


def test_values_of_cells_cannot_leave_their_attribute() -> None:
    shown = table_html("t", [Column('"><script>')], [(Cell("x", '" onmouseover="alert(1)'),)], "c")
    assert "<script>" not in shown
    assert 'data-value="&quot; onmouseover=&quot;alert(1)"' in shown


def test_nothing_is_asked_for_a_period_without_runs(seeded: Seeded, open_page: Open) -> None:
    assert "Nothing matches" in markdown(open_page(dates="2020-01-01..2020-01-02"))
