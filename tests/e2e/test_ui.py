"""The dashboard in a real browser, served by a real Streamlit on a real database."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.app.seeding import HOSTILE, RERUN, Seeded, heartbeat, run, store
from tests.e2e.conftest import Tab

if TYPE_CHECKING:
    from playwright import sync_api


@pytest.mark.parametrize(
    ("path", "text"),
    [("/", "Failure rate by hour"), ("/runs", "newest first"), (f"/run?run_id={RERUN}", "lines before"),
     ("/collector", "Every run created since"),
     ("/run", "No run chosen"), ("/run?run_id=5", "is not known"), ("/?branch=nope", "Nothing matches")],
)  # fmt: skip
def test_every_page_opens_without_a_complaint_and_fits(tab: Tab, path: str, text: str) -> None:
    tab.go(path)
    tab.see(text)
    assert tab.overflow <= 0
    assert "Pipeline Health" in tab.page.title()


def test_charts_are_drawn(tab: Tab) -> None:
    tab.go("/")
    tab.page.locator(".js-plotly-plot .main-svg").nth(3).wait_for(timeout=15_000)
    assert tab.page.locator(".js-plotly-plot").count() == 4


def test_a_filter_goes_into_the_address_and_survives_reload_and_pages(tab: Tab) -> None:
    tab.go("/")
    assert "?" not in tab.page.url
    tab.page.get_by_text("7d", exact=True).click()
    tab.page.wait_for_url("**/?period=7d")
    tab.page.reload()
    tab.settle()
    tab.see("vs 7d before")
    tab.go("/runs?period=7d&repo=acme%2Fapi")
    tab.page.reload()
    tab.settle()
    tab.see("in the last 7d")
    assert "repo=acme%2Fapi" in tab.page.url


def test_the_back_button_takes_a_filter_back(tab: Tab) -> None:
    tab.go("/?repo=acme%2Fapi")
    tab.go("/?repo=acme%2Fapi&period=7d")
    tab.see("vs 7d before")
    tab.page.go_back()
    tab.see("vs 30d before")
    assert "period" not in tab.page.url


def test_filters_follow_to_the_other_pages(tab: Tab) -> None:
    tab.go("/?repo=acme%2Fapi&period=90d")
    if tab.page.viewport_size and tab.page.viewport_size["width"] < 700:
        tab.page.locator("[data-testid=stExpandSidebarButton]").click()
    tab.page.get_by_role("link", name="Runs", exact=True).click()
    tab.see("in the last 90d")
    tab.page.wait_for_url(lambda url: "repo=acme%2Fapi" in url and "period=90d" in url, timeout=10_000)


def test_a_broken_pipeline_leads_to_its_run(tab: Tab) -> None:
    tab.go("/")
    tab.page.get_by_role("link", name="is broken on main").first.click()
    tab.see("View on GitHub")
    assert "/run?run_id=8002" in tab.page.url


def test_hostile_names_are_text(tab: Tab) -> None:
    tab.go(f"/run?run_id={RERUN}")
    tab.page.get_by_role("heading", name=HOSTILE).wait_for()
    assert tab.page.locator("img[src=x], a[href*='evil.example']").count() == 0


def test_an_attempt_is_kept_in_the_address(tab: Tab) -> None:
    tab.go(f"/run?run_id={RERUN}")
    tab.page.get_by_text("Attempt 1").click()
    tab.page.wait_for_url("**attempt=1")
    tab.page.reload()
    tab.settle()
    assert tab.page.get_by_text("Carried over").count() == 0
    tab.page.get_by_text("Attempt 2").click()
    tab.see("Carried over from an earlier attempt")


def test_the_fonts_are_our_own(tab: Tab) -> None:
    tab.go(f"/run?run_id={RERUN}")
    loaded = "[...document.fonts].filter(f => f.status == 'loaded').map(f => f.family.replaceAll('\"', ''))"
    tab.page.wait_for_function(f"['Inter', 'JetBrains Mono'].every(name => {loaded}.includes(name))", timeout=15_000)


def test_new_runs_appear_by_themselves(tab: Tab, seeded: Seeded) -> None:
    from playwright.sync_api import expect

    tab.go("/?repo=acme%2Fapi&period=7d")
    value = tab.page.locator(".ph-tile[data-figure=runs] b")
    before = _steady(tab, value)
    number = 3_000 + before
    store(seeded.engine, 2, run(number, seeded.now - timedelta(hours=30), repo=2))
    heartbeat(seeded.engine, seeded.now, demo=True)
    expect(value).to_have_text(str(before + 1), timeout=20_000)


def _steady(tab: Tab, value: "sync_api.Locator") -> int:
    """The number once it stands still: a busy machine may still be drawing the page it comes from."""
    seen = ""
    while seen != value.inner_text():
        seen = value.inner_text()
        tab.page.wait_for_timeout(2_500)
    return int(seen.replace(",", ""))
