import re
from datetime import timedelta

from app.components.runs import runs_export
from app.data.connection import utc_now
from app.data.runs import run_page
from app.widgets.exports import as_csv
from db.definitions.scope import Scope, Window
from tests.app.conftest import Open
from tests.app.reading import html, markdown, table
from tests.app.seeding import HOSTILE, RERUN, RUNNING, Seeded


def test_the_newest_runs_come_first_and_link_to_their_page(seeded: Seeded, open_page: Open) -> None:
    first = table(open_page("runs"), "runs")[0]
    assert first["Run"].links == [f"run?run_id={RUNNING}"]
    assert first["Status"].text == "● Running"
    assert first["Duration"].text.endswith("…")
    # As in the order by the database: a run without a duration comes last.
    assert first["Duration"].value in ("", None)


def test_a_workflow_in_the_list_leads_to_its_page(seeded: Seeded, open_page: Open) -> None:
    assert table(open_page("runs"), "runs")[0]["Workflow"].links == ["workflow?id=10"]


def test_titles_stay_text(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs")
    assert HOSTILE in {row["Run"].value for row in table(page, "runs")}
    assert not any("<script>alert" in block for block in html(page))


def test_times_are_shown_with_utc_on_hover(seeded: Seeded, open_page: Open) -> None:
    body = next(block for block in html(open_page("runs")) if 'data-table="runs"' in block)
    assert re.search(r'<time title="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC">\d\d \w{3}, \d\d:\d\d</time>', body)


def test_url_filters_apply_to_the_list(seeded: Seeded, open_page: Open) -> None:
    rows = table(open_page("runs", repo=["acme/web"], conclusion=["failure"], actor=["bob"]), "runs")
    assert {row["Started by"].text for row in rows} == {"bob"}
    assert len(rows) == 3


def test_an_invalid_result_is_ignored(seeded: Seeded, open_page: Open) -> None:
    runs = table(open_page("runs"), "runs")
    page = open_page("runs", conclusion=["foo"], status=["bar"])
    assert len(table(page, "runs")) == len(runs)
    rows = table(open_page("runs", conclusion=["failure", "foo"]), "runs")
    assert {row["Status"].text for row in rows} == {"✕ Failed"}


def test_search_finds_a_run_by_its_number(seeded: Seeded, open_page: Open) -> None:
    rows = table(open_page("runs", q=f"#{RERUN}"), "runs")
    assert [row["Run"].links for row in rows] == [[f"run?run_id={RERUN}"]]


def test_pages_older_and_newer_lead_through_all_runs(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", period="90d")
    first = _links(page)
    _press(page, "Older")
    second = _links(page)
    assert len(first) == len(second) == 50
    assert not set(first) & set(second)
    assert "Page 2" in markdown(page)
    _press(page, "Newer")
    assert _links(page) == first


def test_new_filter_resets_the_page(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", period="90d")
    _press(page, "Older")
    page.multiselect(key="repo").set_value(["acme/api"]).run()
    assert "Page 1" in markdown(page)


def test_search_without_matches_shows_empty_state(seeded: Seeded, open_page: Open) -> None:
    assert "No matching runs" in markdown(open_page("runs", q="no such thing"))


def test_csv_of_runs_has_all_fields_and_no_formulas(seeded: Seeded, open_page: Open) -> None:
    open_page("runs")
    page, _ = run_page(Scope(), Window(seeded.now - timedelta(days=90), utc_now()), "", None, 0)
    written = as_csv(*runs_export([page.items[0].__class__(**(vars(page.items[0]) | {"title": "=1+1"}))]))
    head, row = written.splitlines()
    assert head.startswith("id,repo,workflow,run_number,attempt,title")
    assert f"{RUNNING},acme/web,CI,{RUNNING},1,'=1+1" in row


def _links(page: object) -> list[str]:
    return [row["Run"].links[0] for row in table(page, "runs")]  # type: ignore[arg-type]


def _press(page: object, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()  # type: ignore[attr-defined]
