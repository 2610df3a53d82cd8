"""Tables in a real browser: order, pages and columns in the URL, and files."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from tests.app.seeding import RERUN, Seeded
from tests.e2e.conftest import Tab, opened

if TYPE_CHECKING:
    from playwright import sync_api

VALUES = "[...document.querySelectorAll('[data-table=runs] tbody tr')].map(row => row.cells[6].dataset.value)"


def test_order_page_and_columns_of_runs_survive_reload_and_back(wide: Tab) -> None:
    page = wide.page
    wide.go("/runs?period=90d")
    entries = page.evaluate("history.length")
    page.get_by_role("button", name="Duration").click()
    wide.see("longest first")
    page.locator("[data-table=runs] th[aria-sort=descending]").wait_for()
    assert "sort=runs.-duration" in page.url
    assert page.evaluate("history.length") == entries
    wide.settle()
    first = page.evaluate(VALUES)
    page.get_by_role("button", name="Next").click()
    wide.see("Page 2")
    wide.settle()
    second = page.evaluate(VALUES)
    assert max(map(float, filter(None, second))) <= min(map(float, filter(None, first)))
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Branch").uncheck()
    page.keyboard.press("Escape")
    head = page.locator("[data-table=runs] th[data-key=branch]")
    assert head.is_hidden()
    page.reload()
    wide.settle()
    assert page.evaluate(VALUES) == second
    assert head.is_hidden()
    for expected in ("sort=runs.-duration", "page=runs.2.", "columns=runs.-branch"):
        assert expected in page.url
    # A filter that the server writes into the URL keeps what the browser has written.
    page.get_by_text("30d", exact=True).click()
    page.wait_for_url(lambda url: "period=90d" not in url)
    wide.settle()
    assert "sort=runs.-duration" in page.url
    assert "columns=runs.-branch" in page.url
    page.go_back()
    wide.see("in the last 90d")
    assert "sort=runs.-duration" in page.url


def test_browser_sorts_short_tables_and_the_url_reproduces_it(wide: Tab) -> None:
    names = (
        "[...document.querySelectorAll('[data-table=all-workflows] tbody tr')].map(row => row.cells[0].dataset.value)"
    )
    wide.go("/workflow")
    own = wide.page.evaluate(names)
    head = wide.page.locator("[data-table=all-workflows]").get_by_role("button", name="Workflow")
    head.click()
    head.click()
    assert wide.page.evaluate(names) == sorted(own, reverse=True)
    assert wide.page.url.endswith("?sort=all-workflows.-workflow")
    wide.page.reload()
    wide.settle()
    assert wide.page.evaluate(names) == sorted(own, reverse=True)
    head.click()
    wide.page.wait_for_function(f"JSON.stringify({names}) === {json.dumps(json.dumps(own, separators=(',', ':')))}")
    assert "sort" not in wide.page.url
    wide.page.locator("select.ph-order").select_option("-runs")
    wide.page.locator("[data-table=all-workflows] th[aria-sort=descending]").wait_for()
    assert "sort=all-workflows.-runs" in wide.page.url


def test_hidden_columns_can_be_shown_on_a_phone(phone: "sync_api.BrowserContext", address: str) -> None:
    with opened(phone, address) as tab:
        tab.go("/workflow")
        head = tab.page.locator("[data-table=all-workflows] th[data-key=failed]")
        assert head.is_hidden()
        tab.page.get_by_role("button", name="Columns").click()
        tab.page.get_by_role("checkbox", name="Failed").check()
        assert head.is_visible()
        large_only = tab.page.locator("[data-table=all-workflows] th[data-key=without-infrastructure]")
        choice = tab.page.get_by_role("checkbox", name="Without infrastructure")
        assert (large_only.is_hidden(), choice.is_checked()) == (True, False)
        choice.check()
        assert large_only.is_visible()
        choice.uncheck()
        assert tab.overflow <= 0
        # The browser stores the choice.
        tab.go("/workflow")
        assert head.is_visible()
        assert "columns=all-workflows.failed" in tab.page.url


def test_columns_of_similar_tables_are_chosen_together_and_change_no_saved_view(wide: Tab) -> None:
    page = wide.page
    wide.go("/compare?runs=1000,8002")
    page.get_by_role("button", name="Columns").nth(1).click()
    page.get_by_role("dialog", name="Columns").get_by_role("checkbox", name="#1000").uncheck()
    page.keyboard.press("Escape")
    heads = [page.locator(f"[data-table={name}] th[data-key=run-1]") for name in ("steps-0", "runner-steps-0")]
    shown = "th => getComputedStyle(th).display"
    assert [head.evaluate(shown) for head in heads] == ["none", "none"]
    assert "columns=compared-steps.-run-1" in page.url
    # The stored choice applies to a saved view, whose link stays as it is.
    wide.go("/compare?runs=1000,8002&saved=1")
    assert [head.evaluate(shown) for head in heads] == ["none", "none"]
    assert "columns=" not in page.url
    wide.go("/workflow?find=no-such-workflow")
    wide.see("No workflow with runs in this period matches the search")
    assert page.locator("button.ph-columns").count() == 1
    assert page.locator("button.ph-columns").is_hidden()


def test_files_contain_all_rows_with_units(wide: Tab, seeded: Seeded) -> None:
    wide.go("/cost?period=90d")
    wide.page.locator(".st-key-export-spend").get_by_role("button").click()
    head, *rows = csv.reader(io.StringIO(_download(wide, "CSV").read_text("utf-8")))
    assert head[:5] == ["Repository", "Cost (USD)", "Price unknown (min)", "Share (share)", "Change (share)"]
    assert sorted(row[0] for row in rows) == ["acme/api", "acme/web"]
    assert all(len(value) < 12 for row in rows for value in row[1:])
    assert len(json.loads(_download(wide, "JSON").read_text("utf-8"))) == len(rows)
    assert pq.read_table(_download(wide, "Parquet")).column_names == head
    # With a search, a file has the matching rows, and another one all rows.
    wide.go("/workflow?find=API")
    wide.page.locator(".st-key-export-workflows").get_by_role("button").click()
    matching, every = (
        json.loads(_download(wide, f"JSON, {rows} rows").read_text("utf-8")) for rows in ("matching", "all")
    )
    assert {row["Workflow"].partition(" / ")[0] for row in matching} == {"acme/api"}
    assert {row["Workflow"].partition(" / ")[0] for row in every} >= {"acme/api", "acme/web"}


def _download(tab: Tab, name: str) -> Path:
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name=name, exact=True).click()
    return Path(download.value.path())


def test_sections_that_the_user_opens_are_in_the_url(wide: Tab) -> None:
    wide.go(f"/run?run_id={RERUN}&attempt=1")
    sections = wide.page.locator("[data-testid=stExpander] details")
    states = sections.evaluate_all("all => all.map(details => details.open)")
    assert set(states) == {True, False}
    for section in sections.all():
        section.locator("summary").click()
    wide.page.wait_for_url(lambda url: url.partition("open=")[2].count("job-") == len(states))
    wide.page.reload()
    wide.settle()
    assert sections.evaluate_all("all => all.map(details => details.open)") == [not state for state in states]
    for section in sections.all():
        section.locator("summary").click()
    wide.page.wait_for_url(lambda url: "open=" not in url)
