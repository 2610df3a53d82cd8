"""The dashboard in a real browser, served by a real Streamlit on a real database."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.app.seeding import HOSTILE, RERUN, SECRET_LINE, Seeded, heartbeat, run, store
from tests.e2e.conftest import Tab, opened
from tests.e2e.lines import SlowLine

if TYPE_CHECKING:
    from playwright import sync_api


def test_charts_are_drawn(tab: Tab) -> None:
    tab.go("/")
    tab.page.locator(".js-plotly-plot .main-svg").nth(3).wait_for(timeout=15_000)
    assert tab.page.locator(".js-plotly-plot").count() == 4


def test_filter_is_in_the_url_and_survives_reload_and_pages(tab: Tab) -> None:
    tab.go("/")
    assert "?" not in tab.page.url
    tab.page.get_by_text("7d", exact=True).click()
    tab.page.wait_for_url("**/?period=7d")
    tab.page.reload()
    tab.settle()
    tab.see("vs 7d, 1 week earlier")
    tab.go("/runs?period=7d&repo=acme%2Fapi")
    tab.page.reload()
    tab.settle()
    tab.see("in the last 7d")
    assert "repo=acme%2Fapi" in tab.page.url


def test_back_button_reverts_a_filter(wide: Tab) -> None:
    wide.go("/?repo=acme%2Fapi")
    wide.go("/?repo=acme%2Fapi&period=7d")
    wide.see("vs 7d, 1 week earlier")
    wide.page.go_back()
    wide.see("vs 30d, 5 weeks earlier")
    assert "period" not in wide.page.url


def test_filters_apply_to_other_pages(tab: Tab) -> None:
    tab.go("/?repo=acme%2Fapi&period=90d")
    if tab.page.viewport_size and tab.page.viewport_size["width"] < 700:
        tab.page.locator("[data-testid=stExpandSidebarButton]").click()
    tab.page.get_by_role("link", name="Runs", exact=True).click()
    tab.see("in the last 90d")
    tab.page.wait_for_url(lambda url: "repo=acme%2Fapi" in url and "period=90d" in url, timeout=10_000)


def test_three_clicks_lead_from_failing_branch_to_log_line_and_back(tab: Tab) -> None:
    tab.go("/failures")
    tab.page.evaluate("window.sameDocument = true")
    tab.page.get_by_role("link", name=SECRET_LINE).click()
    tab.see("Matched log line" if tab.wide else "Runs")
    tab.page.locator("[data-table=cause-runs]").get_by_role("link").first.click()
    tab.see("View on GitHub")
    tab.page.get_by_role("region", name="Why it failed").get_by_role("link").first.click()
    tab.page.locator(".ph-lv-row[data-line='61']").wait_for(timeout=15_000)
    assert "/log?run_id=" in tab.page.url
    assert tab.page.evaluate("window.sameDocument")
    tab.page.go_back()
    tab.see("View on GitHub")
    tab.page.go_back()
    tab.page.wait_for_url("**/failures?cause=*")


def test_late_response_after_back_does_not_navigate_forward(desktop: "sync_api.BrowserContext", address: str) -> None:
    with opened(desktop, address, alone=True) as tab:
        line = SlowLine(tab.page)
        tab.go("/failures?cause=f")
        tab.page.locator("[data-table=cause-runs]").get_by_role("link").first.click()
        tab.see("View on GitHub")
        tab.settle()
        line.hold()
        tab.page.get_by_role("region", name="Why it failed").get_by_role("link").first.click()
        tab.page.wait_for_url("**/log?**")
        line.wait()
        tab.page.evaluate("history.back()")
        line.release()
        tab.settle()
        assert tab.page.url.endswith("/run?run_id=9001")
        tab.page.evaluate("history.back()")
        tab.page.wait_for_url("**/failures?cause=f")
        tab.see("Matched log line")


def test_failing_workflow_links_to_its_run(wide: Tab) -> None:
    wide.go("/")
    wide.page.get_by_role("link", name="is failing on main").first.click()
    wide.see("View on GitHub")
    assert "/run?run_id=8002" in wide.page.url


def test_sort_order_of_a_table_survives_reruns(wide: Tab, seeded: Seeded) -> None:
    wide.go("/runs?repo=acme%2Fapi&period=90d")
    durations = (
        "[...document.querySelectorAll('[data-table=runs] tbody tr')].map(r => Number(r.cells[6].dataset.value))"
    )
    wide.page.get_by_role("button", name="Duration").click()
    wide.page.locator("[data-table=runs] th[aria-sort=descending]").wait_for(timeout=15_000)
    first = wide.page.evaluate(durations)
    assert first == sorted(first, reverse=True)
    heartbeat(seeded.engine, seeded.now, demo=True)
    wide.page.wait_for_timeout(7_000)
    again = wide.page.evaluate(durations)
    assert again == sorted(again, reverse=True)


def test_selected_runs_are_compared(desktop: "sync_api.BrowserContext", address: str) -> None:
    from playwright.sync_api import expect

    with opened(desktop, address) as tab:
        tab.go("/runs?repo=acme%2Fapi")
        boxes = tab.page.locator("input.ph-pick")
        boxes.nth(1).check()
        tab.settle()
        place = boxes.nth(3).bounding_box()
        boxes.nth(3).check()
        # The link takes the place of the hint: nothing moves below the pointer.
        assert boxes.nth(3).bounding_box() == place
        assert tab.page.url.count("selected=") == 1
        tab.page.reload()
        tab.settle()
        expect(boxes.nth(3)).to_be_checked()
        assert [boxes.nth(index).is_checked() for index in range(5)] == [False, True, False, True, False]
        tab.page.get_by_role("link", name="Compare 2 runs").click()
        tab.see("Compare runs")
        tab.page.locator("[data-table=compared] tbody tr").first.wait_for()
        tab.settle()
        assert tab.page.locator("[data-table=compared] tbody tr").count() == 1
        assert "selected" not in tab.page.url


def test_keyboard_shortcuts_change_pages_and_focus_search(desktop: "sync_api.BrowserContext", address: str) -> None:
    with opened(desktop, address) as tab:
        tab.go("/")
        tab.page.keyboard.press("g")
        tab.page.keyboard.press("r")
        tab.see("newest first")
        tab.settle()
        tab.page.keyboard.press("/")
        assert tab.page.evaluate("document.activeElement.placeholder") == "Title, branch, commit, actor or #number"
        tab.page.evaluate("document.activeElement.blur()")
        tab.page.keyboard.press("?")
        tab.page.get_by_role("dialog", name="Keyboard shortcuts").get_by_text("Failures").wait_for()
        tab.page.keyboard.press("g")
        tab.page.keyboard.press("f")
        assert tab.page.url.endswith("/runs")
        entries = tab.page.evaluate("history.length")
        tab.page.keyboard.press("Escape")
        tab.page.keyboard.press("g")
        tab.page.keyboard.press("r")
        assert tab.page.evaluate("history.length") == entries
        assert tab.page.get_by_role("dialog", name="Keyboard shortcuts").count() == 0


def test_point_of_the_chart_opens_its_run(desktop: "sync_api.BrowserContext", address: str) -> None:
    with opened(desktop, address) as tab:
        tab.go("/workflow?id=20&period=90d")
        point = tab.page.locator("[class*=st-key-chart-dots] .scatterlayer path.point").first
        for _ in range(5):
            place = point.bounding_box(timeout=15_000)
            assert place
            # Plotly listens to the plot as a whole, not to its points; the page may still be growing above it.
            tab.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
            tab.page.wait_for_timeout(500)
            tab.page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
            tab.page.wait_for_timeout(1_000)
            if "/run?" in tab.page.url:
                break
        assert "/run?run_id=2" in tab.page.url


def test_times_are_in_the_time_zone_of_the_viewer(browser: "sync_api.Browser", address: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Asia/Tokyo")
    try:
        with opened(context, address) as tab:
            tab.go("/runs?repo=acme%2Fapi")
            tab.see("times in Asia/Tokyo")
            shown = tab.page.locator("[data-table=runs] tbody time").first
            utc = datetime.strptime(shown.get_attribute("data-tip") or "", "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
            assert shown.inner_text() == f"{utc + timedelta(hours=9):%d %b, %H:%M}"
    finally:
        context.close()


def test_hostile_names_are_text(wide: Tab) -> None:
    wide.go(f"/run?run_id={RERUN}")
    wide.page.get_by_role("heading", name=HOSTILE).wait_for()
    assert wide.page.locator("img[src=x], a[href*='evil.example']").count() == 0


def test_attempt_is_in_the_url(wide: Tab) -> None:
    wide.go(f"/run?run_id={RERUN}")
    choice = wide.page.get_by_test_id("stButtonGroup")
    choice.get_by_text("Attempt 1").click()
    wide.page.wait_for_url("**attempt=1")
    wide.page.reload()
    wide.settle()
    assert wide.page.get_by_text("Reused from an earlier attempt").count() == 0
    choice.get_by_text("Attempt 2").click()
    wide.see("Reused from an earlier attempt")
    wide.page.get_by_role("region", name="Attempts").get_by_role("link", name="Attempt 1").click()
    wide.page.wait_for_url("**attempt=1")
    wide.page.locator(".ph-tile", has_text="Jobs").get_by_text("2").wait_for()
    wide.page.go_back()
    wide.see("Reused from an earlier attempt")


def test_fonts_are_self_hosted(wide: Tab) -> None:
    wide.go(f"/run?run_id={RERUN}")
    loaded = "[...document.fonts].filter(f => f.status == 'loaded').map(f => f.family.replaceAll('\"', ''))"
    wide.page.wait_for_function(f"['Inter', 'JetBrains Mono'].every(name => {loaded}.includes(name))", timeout=15_000)


def test_new_runs_appear_without_moving_open_or_scrolled_parts(
    desktop: "sync_api.BrowserContext", address: str, seeded: Seeded
) -> None:
    from playwright.sync_api import expect

    with opened(desktop, address) as tab:
        tab.go("/?repo=acme%2Fapi&period=7d")
        value = tab.page.locator(".ph-tile[data-figure=runs] b")
        before = int(value.inner_text().replace(",", ""))
        tab.page.get_by_role("button", name="Custom").click()
        menu = tab.page.get_by_text("Date range (UTC)")
        menu.wait_for()
        scroll = "document.querySelector('[data-testid=stMain]').scrollTop"
        tab.page.evaluate(f"{scroll} = 120")
        store(seeded.engine, 2, run(2_500 + before, seeded.now - timedelta(hours=30), repo=2))
        heartbeat(seeded.engine, seeded.now, demo=True)
        expect(value).to_have_text(str(before + 1), timeout=10_000)
        assert menu.is_visible()
        assert tab.page.evaluate(scroll) == 120
