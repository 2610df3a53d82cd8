"""Charts lead on: clicks on marks, drags along the time axis, the legend, the crosshair and the menu of a chart."""

from collections.abc import Callable
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.app.seeding import RERUN, Seeded, heartbeat, run, store
from tests.e2e.conftest import Tab, opened

if TYPE_CHECKING:
    from playwright import sync_api

# The centre of the first drawn mark of a chart, in the window. A bar counts from 6 pixels on.
_MARK = """([key, marks]) => {
    document.querySelector(`.st-key-chart-${key}`)?.scrollIntoView({ block: 'center' })
    const box = [...document.querySelectorAll(`.st-key-chart-${key} ${marks}`)].map(e => e.getBoundingClientRect())
        .find(b => b.height >= 4 && b.width >= 4)
    return box && [box.x + box.width / 2, box.y + box.height / 2]
}"""
_CELL = """() => {
    const plot = document.querySelector('.st-key-chart-heat .js-plotly-plot')
    if (!plot?._fullLayout?.xaxis) return null
    plot.scrollIntoView({ block: 'center' })
    const [{ z, x, y }] = plot.data
    const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect()
    const row = z.findIndex(values => values.some(value => value !== null)), column = z[row].findIndex(v => v !== null)
    return [box.x + xaxis._offset + xaxis.d2p(x[column]), box.y + yaxis._offset + yaxis.d2p(y[row])]
}"""
_AREA = """key => {
    const plot = document.querySelector(`.st-key-chart-${key} .js-plotly-plot[data-prepared]`)
    if (!plot) return null
    plot.scrollIntoView({ block: 'center' })
    const { xaxis, yaxis } = plot._fullLayout
    const box = plot.getBoundingClientRect()
    return [box.x + xaxis._offset, xaxis._length, box.y + yaxis._offset + yaxis._length / 2]
}"""
_HIDDEN = """() => document.querySelector('.st-key-chart-outcomes .js-plotly-plot')._fullData
    .filter(trace => trace.visible === 'legendonly').map(trace => trace.name)"""


def _query(tab: Tab) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.page.url).query)


def _click(tab: Tab, place: Callable[[], list[float]], url: str) -> None:
    """Plotly finds the mark of the last movement, and the page may still be growing above the chart."""
    for _ in range(5):
        x, y = place()
        tab.page.mouse.move(x - 3, y - 1)
        tab.page.mouse.move(x, y)
        tab.page.wait_for_timeout(300)
        tab.page.mouse.click(x, y)
        for _ in range(20):
            if fnmatch(tab.page.url, url):
                return
            tab.page.wait_for_timeout(200)
    raise AssertionError(f"{url} was not opened; the page is {tab.page.url}")


def _drawn(tab: Tab) -> None:
    tab.page.locator(".st-key-chart-outcomes .js-plotly-plot[data-prepared]").wait_for(timeout=60_000)


def _mark(tab: Tab, key: str, marks: str) -> Callable[[], list[float]]:
    return lambda: tab.page.wait_for_function(_MARK, arg=[key, marks], timeout=60_000).json_value()


def test_marks_of_charts_open_what_is_behind_them(desktop: "sync_api.BrowserContext", address: str) -> None:
    with opened(desktop, address) as tab:
        tab.go("/?period=90d")
        tab.page.evaluate("window.sameDocument = true")
        _click(tab, _mark(tab, "outcomes", ".barlayer .point path"), "*/runs[?]*")
        tab.see("newest first")
        assert set(_query(tab)) == {"period", "conclusion", "dates"}
        assert _query(tab)["conclusion"] == ["success"]
        tab.page.go_back()
        _drawn(tab)
        assert set(_query(tab)) == {"period"}, "the dates of a bar are those of its runs only"
        _click(tab, lambda: tab.page.wait_for_function(_CELL).json_value(), "*/runs[?]*hours=*")
        tab.see("newest first")
        assert "conclusion" not in _query(tab)
        tab.page.go_back()
        _drawn(tab)
        point = _mark(tab, "success-rate", ".scatterlayer path.point")
        # A rate of 100% lies on the edge of the plot.
        _click(tab, lambda: [point()[0], point()[1] + 8], "*/runs[?]*dates=*")
        tab.see("newest first")
        assert {"conclusion", "hours"}.isdisjoint(_query(tab)), "the filters of the visit before are not added"
        assert tab.page.evaluate("window.sameDocument")
        tab.go(f"/run?run_id={RERUN}")
        _click(tab, _mark(tab, "timeline", ".barlayer .trace:last-child .point path"), "*/log[?]run_id=*&job_id=*")
        tab.see("View on GitHub")


def test_a_drag_selects_the_period_and_a_double_click_goes_back(
    desktop: "sync_api.BrowserContext", address: str
) -> None:
    with opened(desktop, address) as tab:
        tab.go("/?period=7d")
        left, width, y = tab.page.wait_for_function(_AREA, arg="outcomes", timeout=60_000).json_value()
        tab.page.mouse.move(left + width * 0.4, y)
        tab.page.mouse.down()
        tab.page.mouse.move(left + width * 0.5, y, steps=4)
        tab.page.mouse.move(left + width * 0.65, y, steps=4)
        assert tab.page.locator(".ph-band").count() == 1
        tab.page.mouse.up()
        tab.page.wait_for_url("**/?*dates=*", timeout=30_000)
        first, last = _query(tab)["dates"][0].split("..")
        assert first < last
        tab.see("per hour")
        tab.settle()
        left, width, y = tab.page.wait_for_function(_AREA, arg="success-rate", timeout=60_000).json_value()
        tab.page.mouse.dblclick(left + width * 0.5, y)
        tab.page.wait_for_url(lambda url: "dates" not in url, timeout=30_000)
        tab.see("vs 7d, 1 week earlier")
        tab.page.wait_for_timeout(1_000)
        assert "/runs" not in tab.page.url


def test_hidden_series_stay_hidden_and_charts_share_a_time_line(
    desktop: "sync_api.BrowserContext", address: str, seeded: Seeded
) -> None:
    with opened(desktop, address) as tab:
        tab.go("/")
        entry = tab.page.locator(".st-key-chart-outcomes .legend .traces", has_text="Failed").locator(".legendtoggle")
        entry.click(timeout=60_000)
        tab.page.wait_for_function(f"({_HIDDEN})().includes('Failed')")
        plot = tab.page.locator(".st-key-chart-outcomes .js-plotly-plot")
        plot.evaluate("plot => { plot.dataset.old = 'yes' }")
        store(seeded.engine, 2, run(2990, seeded.now - timedelta(minutes=1), repo=2, branch="series"))
        heartbeat(seeded.engine, seeded.now, demo=True)
        tab.page.locator(".st-key-chart-outcomes .js-plotly-plot:not([data-old])").wait_for(timeout=30_000)
        tab.page.wait_for_function(f"({_HIDDEN})().includes('Failed')", timeout=30_000)
        x, y = _mark(tab, "success-rate", ".scatterlayer path.point")()
        tab.page.mouse.move(x - 3, y + 8)
        tab.page.mouse.move(x, y + 8)
        tab.page.locator(".st-key-chart-outcomes .ph-crosshair:not([hidden])").wait_for(state="attached")
        assert tab.page.locator(".st-key-chart-success-rate .ph-crosshair:not([hidden])").count() == 0
        tab.page.mouse.move(2, 2)
        tab.page.wait_for_function("!document.querySelector('.ph-crosshair:not([hidden])')")
        assert _query(tab)["hidden"] == ["outcomes.Failed"]
        tab.page.reload()
        tab.page.locator(".st-key-chart-outcomes .js-plotly-plot[data-prepared]").wait_for(timeout=60_000)
        tab.page.wait_for_function(f"({_HIDDEN})().includes('Failed')", timeout=30_000)
        entry.click(timeout=60_000)
        tab.page.wait_for_url(lambda url: "hidden" not in url)


def test_chart_menu_works_by_keyboard(desktop: "sync_api.BrowserContext", address: str, tmp_path: Path) -> None:
    with opened(desktop, address) as tab:
        tab.go("/?period=7d")
        menu = tab.page.locator(".st-key-chart-outcomes .ph-tools summary")
        menu.focus(timeout=60_000)
        tab.page.keyboard.press("Enter")
        tab.page.keyboard.press("Tab")
        tab.page.keyboard.press("Enter")
        dialog = tab.page.get_by_role("dialog", name="Runs by outcome over time")
        dialog.get_by_role("link").first.wait_for()
        assert "/runs?period=7d&conclusion=" in (dialog.get_by_role("link").first.get_attribute("href") or "")
        tab.page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        for name, begin in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            menu.click()
            with tab.page.expect_download() as started:
                tab.page.locator(".st-key-chart-outcomes").get_by_role("button", name=f"Save as {name}").click()
            saved = tmp_path / name
            started.value.save_as(saved)
            assert started.value.suggested_filename == f"runs-by-outcome-over-time.{name.lower()}"
            assert saved.read_bytes().startswith(begin)
        assert "Runs by outcome over time" in (tmp_path / "SVG").read_text("utf-8")
        assert "title" not in tab.page.evaluate(
            "Object.keys(document.querySelector('.st-key-chart-outcomes .js-plotly-plot').layout)"
        )
