"""The frame of the pages in a real browser: titles, keyboard, explanations, themes, kiosk mode and print."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from db.collection.sync_state import record_heartbeat, sync_state
from db.engine import write_scope
from health.alerts.evaluation import Evaluator
from health.alerts.rules.rules import parse_threshold
from tests.app.seeding import RERUN, Seeded
from tests.e2e.conftest import Tab, opened

if TYPE_CHECKING:
    from playwright import sync_api

_GROUND = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
DARK, LIGHT = "rgb(15, 20, 27)", "rgb(255, 255, 255)"
# What print leaves out.
_CONTROLS = (
    "section[data-testid=stSidebar], header[data-testid=stHeader], button, input, [role=combobox],"
    "[data-baseweb=select], a.ph-skip, [data-testid=stLinkButton]"
)


def _tab_to(tab: Tab, wanted: Callable[[], bool], *, back: bool = False, limit: int = 150) -> None:
    for _ in range(limit):
        tab.page.keyboard.press("Shift+Tab" if back else "Tab")
        if wanted():
            return
    raise AssertionError("not reached by the Tab key")


def _focus(tab: Tab, script: str) -> Callable[[], bool]:
    return lambda: bool(tab.page.evaluate(f"(element => {script})(document.activeElement)"))


def test_titles_follow_the_history(wide: Tab) -> None:
    wide.go("/runs?repo=acme%2Fapi")
    assert wide.page.title() == "Runs · acme/api · Pipeline Health"
    wide.page.locator("[data-table=runs] tbody .ph-two a").first.click()
    wide.page.wait_for_function("document.title.startsWith('acme/api · CI #')")
    wide.settle()
    assert wide.page.locator("h1").count() == 1
    current = "a[data-testid=stSidebarNavLink][aria-current=true]"
    assert wide.page.locator(current).inner_text().endswith("Runs")
    wide.page.go_back()
    wide.page.wait_for_function("document.title === 'Runs · acme/api · Pipeline Health'")


def test_five_tasks_by_keyboard_alone(wide: Tab, seeded: Seeded) -> None:
    Evaluator(seeded.engine, parse_threshold("3"), ["slack"], "http://dash", lambda: seeded.now).run()
    keyboard = wide.page.keyboard
    wide.go("/")
    keyboard.press("Tab")
    assert wide.page.evaluate("document.activeElement.className") == "ph-skip"
    keyboard.press("Enter")
    # The failing run from the Overview, and the log of its job.
    _tab_to(wide, _focus(wide, "element.closest('.ph-need') && element.textContent.includes('failing')"))
    assert wide.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keyboard.press("Enter")
    wide.page.wait_for_url("**/run?run_id=8002*")
    wide.go(f"/run?run_id={RERUN}")
    _tab_to(wide, _focus(wide, "element.matches('a[href^=\"log?\"]')"))
    keyboard.press("Enter")
    wide.page.wait_for_url("**/log?**")
    # A repository as a filter, and two runs compared.
    wide.go("/runs")
    _tab_to(wide, _focus(wide, "element.getAttribute('aria-label') === 'Repository'"))
    keyboard.type("api")
    keyboard.press("Enter")
    wide.page.wait_for_url("**repo=acme%2Fapi*")
    wide.settle()
    keyboard.press("Escape")
    for _ in range(2):
        _tab_to(wide, _focus(wide, "element.matches('input.ph-pick') && !element.checked"))
        keyboard.press("Space")
    _tab_to(wide, _focus(wide, "element.matches('a[href^=\"compare\"]')"), back=True)
    keyboard.press("Enter")
    wide.see("Compare runs")
    # An alert acknowledged.
    wide.go("/alerts")
    _tab_to(wide, _focus(wide, "element.matches('button') && element.textContent.includes('Acknowledge')"))
    keyboard.press("Enter")
    wide.page.get_by_role("dialog").wait_for()
    _tab_to(wide, _focus(wide, "element.getAttribute('aria-label') === 'Your name'"))
    keyboard.type("ann")
    _tab_to(wide, _focus(wide, "element.matches('button') && element.textContent.includes('Acknowledge')"))
    keyboard.press("Enter")
    wide.page.get_by_text("1 acknowledged").wait_for(timeout=15_000)


def test_explanations_open_by_pointer_and_keyboard(wide: Tab) -> None:
    wide.go("/")
    tip = wide.page.get_by_role("tooltip")
    label = wide.page.locator(".ph-tile[data-figure=success_rate] .ph-label")
    label.hover()
    tip.wait_for()
    tip.hover()
    wide.page.wait_for_timeout(400)
    assert tip.is_visible()
    assert label.get_attribute("aria-describedby") == tip.get_attribute("id")
    wide.page.keyboard.press("Escape")
    assert not tip.is_visible()
    wide.page.mouse.move(5, 5)
    label.focus()
    tip.wait_for()
    wide.page.keyboard.press("Enter")
    assert not tip.is_visible()
    wide.page.keyboard.press("Enter")
    tip.wait_for()
    wide.page.keyboard.press("Tab")
    wide.page.locator("[data-table=workflows] tbody [data-tip][tabindex='0']").focus()
    first = tip.inner_text()
    wide.page.keyboard.press("ArrowRight")
    assert tip.inner_text() != first
    assert wide.page.locator("[data-table=workflows] tbody [data-tip][tabindex='0']").count() == 1
    link = "document.querySelectorAll('[data-table=workflows] tbody a')[1]"
    wide.page.evaluate(f"{link}.focus()")
    wide.page.evaluate("document.querySelector('[data-table=workflows]').outerHTML += ''")
    wide.page.wait_for_function(f"document.activeElement === {link}")


def test_explanations_open_by_touch(browser: "sync_api.Browser", address: str) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700}, has_touch=True, reduced_motion="reduce")
    try:
        with opened(context, address) as tab:
            tab.go("/")
            assert tab.overflow <= 0
            tab.page.locator(".ph-tile[data-figure=runs] .ph-label").tap()
            tab.page.get_by_role("tooltip").wait_for()
            tab.page.locator(".ph-tile[data-figure=runs] b").tap()
            assert not tab.page.get_by_role("tooltip").is_visible()
            tab.page.locator("[data-table=workflows] th button").first.tap()
            tab.page.wait_for_url("**sort=workflows.*")
            assert not tab.page.get_by_role("tooltip").is_visible()
            # With the colours of the system, signs that are masks keep theirs.
            tab.page.emulate_media(forced_colors="active")
            colour = "getComputedStyle(document.querySelector('.st-key-palette-compact .ph-search i')).backgroundColor"
            assert tab.page.evaluate(colour) != tab.page.evaluate(_GROUND)
    finally:
        context.close()


def test_theme_applies_to_all_pages_without_a_flash(wide: Tab) -> None:
    wide.go("/")
    assert wide.page.evaluate(_GROUND) == LIGHT
    legend = "document.querySelector('.js-plotly-plot .legendtext')"
    chart = f"({legend} ? getComputedStyle({legend}).fill : undefined)"
    wide.page.locator(".js-plotly-plot .legendtext").first.wait_for()
    before = wide.page.evaluate(chart)
    scale = "JSON.stringify(document.querySelector('.st-key-chart-heat .js-plotly-plot')?.data?.[0].colorscale)"
    wide.page.wait_for_function(scale)
    light_scale = wide.page.evaluate(scale)
    wide.page.get_by_role("button", name="Dark").click()
    # While Streamlit draws a chart anew, there is none.
    wide.page.wait_for_function(f"{_GROUND} === '{DARK}' && ![undefined, '{before}'].includes({chart})")
    assert wide.page.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"
    wide.page.wait_for_function(f"![undefined, '{light_scale}'].includes({scale})")
    wide.page.goto(f"{wide.address}/flaky", wait_until="commit")
    wide.page.wait_for_function("document.body")
    assert wide.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == DARK
    wide.settle()
    assert wide.page.evaluate(_GROUND) == DARK
    wide.page.get_by_role("button", name="System").click()
    wide.page.wait_for_function(f"{_GROUND} === '{LIGHT}'")
    wide.go("/flaky?theme=dark")
    assert wide.page.evaluate(_GROUND) == DARK
    wide.page.get_by_role("button", name="Light").click()
    wide.page.wait_for_function(f"!location.search && {_GROUND} === '{LIGHT}'")


def test_kiosk_mode_fits_rotates_and_is_left_by_escape(wide: Tab, seeded: Seeded) -> None:
    wide.go("/?repo=acme%2Fweb")
    wide.page.get_by_role("link", name="Kiosk mode").click()
    wide.page.wait_for_url("**wall=1*repo=acme%2Fweb*")
    wide.page.locator(".ph-field").first.wait_for()
    for width, height in ((1280, 720), (1920, 1080), (3840, 2160)):
        wide.page.set_viewport_size({"width": width, "height": height})
        wide.settle()
        below = "Math.max(...[...document.querySelectorAll('.ph-field')].map(e => e.getBoundingClientRect().bottom))"
        assert wide.page.evaluate(below) <= height
        assert wide.overflow <= 0
    # The end of a known cause is as large as the mark that contains it; the age beside the item is larger.
    sizes = """() => {
        const item = document.createElement('div');
        item.className = 'ph-need';
        item.innerHTML = '<b></b><div class="ph-why"><span class="ph-known"><time>a</time></span></div><time>b</time>';
        document.querySelector('.ph-wall').append(item);
        const parts = ['.ph-known', '.ph-known time', ':scope > time'].map(name => item.querySelector(name));
        const sizes = parts.map(part => parseFloat(getComputedStyle(part).fontSize));
        item.remove();
        return sizes;
    }"""
    mark, until, age = wide.page.evaluate(sizes)
    assert mark == until < age
    wide.page.set_viewport_size({"width": 1440, "height": 900})
    assert wide.page.locator("[data-clock]").inner_text().count(":") == 1
    wide.go("/?wall=1&rotate=5&theme=dark")
    assert wide.page.evaluate(_GROUND) == DARK
    shown = "document.querySelector('.ph-wall section:not([hidden])').dataset.view"
    view = wide.page.evaluate(shown)
    wide.page.wait_for_function(f"{shown} !== '{view}'", timeout=8_000)
    wide.page.keyboard.press("Escape")
    wide.page.wait_for_function(f"!location.search && {_GROUND} === '{LIGHT}'")
    wide.page.locator("section[data-testid=stSidebar]").wait_for()
    # A message instead of figures is left by Escape as well.
    wide.go("/?wall=1&repo=gone%2Fx")
    assert wide.page.locator(".ph-wall-calm").inner_text() == "gone/x is not monitored"
    wide.page.keyboard.press("Escape")
    wide.page.wait_for_function("!location.search.includes('wall')")
    # A collector that stops stores no new data; nor does one that finds no new runs.
    wide.go("/?wall=failing&repo=acme%2Fapi")
    assert wide.page.locator(".ph-wall-calm").inner_text() == "✓ No failing workflows"
    synced_at = "Number(document.querySelector('[data-updated]').dataset.updated)"
    before = wide.page.evaluate(synced_at)
    detail = {"demo": True, "state": "idle", "poll_seconds": 300.0, "version": "0.1.0"}
    with write_scope(seeded.engine) as session:
        record_heartbeat(session, seeded.now, detail, stopped_at=seeded.now)
        for repository in (1, 2):
            sync_state(session, repository).synced_at = seeded.now + timedelta(seconds=9)
    try:
        wide.see("The collector stopped at")
        wide.page.wait_for_function(f"{synced_at} > {before}")
        calm = wide.page.locator(".ph-wall-calm.ph-gray")
        calm.wait_for(timeout=15_000)
        assert calm.inner_text().startswith("No failing workflows in the stored data, which may be incomplete.")
        assert wide.page.locator(".ph-wall").count() == 1
    finally:
        with write_scope(seeded.engine) as session:
            record_heartbeat(session, seeded.now, detail)


def test_print_has_no_controls_and_nothing_is_cut(wide: Tab) -> None:
    for path in ("/?period=7d&repo=acme%2Fapi", "/workflow?id=20&period=90d", f"/run?run_id={RERUN}"):
        wide.go(path)
        wide.page.emulate_media(media="print", color_scheme="dark")
        wide.page.set_viewport_size({"width": 720, "height": 1000})
        wide.settle()
        visible = (
            f"[...document.querySelectorAll('{_CONTROLS}')]"
            ".filter(e => e.checkVisibility() && !e.closest('th, summary, .ph-lv-view'))"
        )
        assert wide.page.evaluate(f"{visible}.map(e => e.outerHTML.slice(0, 150))") == []
        assert wide.page.evaluate(_GROUND) == LIGHT
        assert wide.page.locator("h1").is_visible()
        assert wide.page.evaluate("[...document.querySelectorAll('.ph-commits ul')].every(e => e.checkVisibility())")
        line = wide.page.locator(".ph-print-line").inner_text()
        assert "printed" in line
        assert wide.page.url in line
        assert wide.page.evaluate(
            "[...document.querySelectorAll('.js-plotly-plot .main-svg, .ph-table')]"
            ".every(e => e.getBoundingClientRect().right <= innerWidth)"
        )
        assert wide.overflow <= 0
        logs = "[...document.querySelectorAll('.ph-lv-view')]"
        assert wide.page.evaluate(f"{logs}.length") == (1 if "/run?" in path else 0)
        assert wide.page.evaluate(f"{logs}.every(e => e.scrollHeight <= e.clientHeight + 1)")
        wrap = "[...document.querySelectorAll('.ph-lv-text')].every(e => getComputedStyle(e).whiteSpace === 'pre-wrap')"
        assert wide.page.evaluate(wrap)
        wide.page.emulate_media(media="screen", color_scheme="light")
        wide.page.set_viewport_size({"width": 1440, "height": 900})
