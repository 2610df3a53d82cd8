"""Waiting times of a user at a browser.

All times are in milliseconds of the page's own clock, so that they exclude the time of the program that drives the
browser. Pages are identified by visible text, test ids and addresses."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as TookTooLong

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_TIMEOUT_MS = 60_000
# A page counts as drawn when nothing has changed for this long.
_QUIET_MS = 400
_SCRIPT_FINISHED = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState == 'notRunning'"
# Records the times of the last input and of the last drawn element and chart.
_WATCH_SCRIPT = """() => {
    const times = window.benchTimes = {done: 0, chart: 0, main: 0}
    const at = () => performance.now()
    for (const kind of ['pointerdown', 'keydown', 'popstate'])
        addEventListener(kind, () => { times.done = at(); times.chart = times.main = 0 }, true)
    const chart = node => node.closest?.('.js-plotly-plot') || node.querySelector?.('.js-plotly-plot')
    new MutationObserver(changes => {
        for (const change of changes) {
            const node = change.target.nodeType == 1 ? change.target : change.target.parentElement
            if (!node?.closest('[data-testid=stMain]')) continue
            times.main = at()
            if (chart(node) && node.closest('.js-plotly-plot') || [...change.addedNodes].some(chart)) times.chart = at()
        }
    }).observe(document, {subtree: true, childList: true, attributes: true, characterData: true})
}"""
_CHARTS_DRAWN = f"""quiet => {{
    const times = window.benchTimes, plots = [...document.querySelectorAll('.js-plotly-plot')]
    return {_SCRIPT_FINISHED} && times.main > times.done && performance.now() - times.main > quiet
        && plots.every(plot => plot.querySelector('.main-svg')) && times
}}"""
_FIRST_CHARTS_DRAWN = f"""charts => {{
    const plots = [...document.querySelectorAll('.js-plotly-plot')]
    return {_SCRIPT_FINISHED} && plots.length >= charts && plots.every(plot => plot.querySelector('.main-svg'))
        && performance.now()
}}"""

# Runs before the scripts of the document: layout shifts without user input (cumulative layout shift: the largest window
# of shifts with gaps below 1 s, at most 5 s long) with the elements that moved, and the times of the last change of the
# page and of its charts.
LOAD_SCRIPT = """(() => {
    const load = window.benchLoad = {shift: 0, last: 0, chart: 0, moved: []}
    let size = 0, first = 0, previous = -2000
    const nameOf = node => {
        const element = node?.nodeType == 1 ? node : node?.parentElement
        return `${element?.closest('[class*=st-key-]')?.className ?? ''} "${element?.innerText?.slice(0, 40) ?? ''}"`
    }
    new PerformanceObserver(list => {
        for (const {startTime, value, hadRecentInput, sources} of list.getEntries()) {
            if (hadRecentInput) continue
            for (const {node, previousRect: {y: from}, currentRect: {y: to}} of sources)
                load.moved.push(`${value.toFixed(3)} ${Math.round(from)} to ${Math.round(to)}: ${nameOf(node)}`)
            const isNew = startTime - previous > 1000 || startTime - first > 5000
            if (isNew) [size, first] = [0, startTime]
            size += value
            previous = startTime
            load.shift = Math.max(load.shift, size)
        }
    }).observe({type: 'layout-shift', buffered: true})
    new MutationObserver(changes => {
        const elementOf = ({target}) => (target.nodeType == 1 ? target : target.parentElement)
        const inMain = change => elementOf(change)?.closest('[data-testid=stMain]')
        const inChart = change => elementOf(change)?.closest('.js-plotly-plot')
        if (changes.some(inMain)) load.last = performance.now()
        if (changes.some(inChart)) load.chart = performance.now()
    }).observe(document, {subtree: true, childList: true, attributes: true, characterData: true})
})()"""
# Before Plotly is compiled, which blocks the page for longer than the wait, charts are empty places.
_LOADED = f"""quiet => {_SCRIPT_FINISHED} && window.benchLoad.last > 0
    && performance.now() - window.benchLoad.last > quiet
    && [...document.querySelectorAll('[class*=st-key-chart-]')].every(place => place.querySelector('.main-svg'))
    && {{...window.benchLoad, paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0}}"""


@dataclass
class PageTimings:
    """Durations of page loads in milliseconds, and the kilobytes received over the websocket for each."""

    milliseconds: list[float] = field(default_factory=list)
    kilobytes: list[float] = field(default_factory=list)

    def add(self, other: "PageTimings") -> None:
        self.milliseconds += other.milliseconds
        self.kilobytes += other.kilobytes


@dataclass(frozen=True)
class PageLoad:
    """A load of a page: first contentful paint, last change of a chart (0 without charts) and last change of the page
    in milliseconds, and the cumulative layout shift, of which web.dev calls at most 0.1 good."""

    first_paint: float
    last_chart: float
    last_change: float
    layout_shift: float


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page in a separate browser context with an empty cache."""

    def __init__(self, browser: Browser, url: str, width: int = 1440) -> None:
        self._context = browser.new_context(viewport={"width": width, "height": 900})
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(_TIMEOUT_MS)
        self._url, self._bytes = url, 0
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count))

    def _count(self, payload: str | bytes) -> None:
        self._bytes += len(payload)

    def close(self) -> None:
        self._context.close()

    def load(self, path: str) -> "PageLoad":
        """Loads a page in a new document until nothing changes any more."""
        page = self._context.new_page()
        page.add_init_script(LOAD_SCRIPT)
        page.goto(self._url + path, wait_until="commit", timeout=_TIMEOUT_MS)
        result = page.wait_for_function(_LOADED, arg=_QUIET_MS, polling=50, timeout=_TIMEOUT_MS).json_value()
        page.close()
        return PageLoad(result["paint"], result["chart"], result["last"], result["shift"])

    def open(self, path: str = "/") -> None:
        self.page.goto(self._url + path)
        self.page.wait_for_function(_SCRIPT_FINISHED)
        self.page.evaluate(_WATCH_SCRIPT)
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_timeout(_QUIET_MS)
        self.page.wait_for_function(_SCRIPT_FINISHED)
        self.page.wait_for_timeout(_QUIET_MS)

    @property
    def charts(self) -> int:
        return self.page.locator(".js-plotly-plot").count()

    def visit(self, path: str, charts: int) -> PageTimings:
        """Measures from the start of the navigation until all charts are drawn and the script has finished."""
        self._bytes = 0
        self.page.goto(self._url + path, wait_until="commit")
        took = self.page.wait_for_function(_FIRST_CHARTS_DRAWN, arg=charts, polling="raf").json_value()
        return PageTimings([float(took)], [self._bytes / 1024])

    def click(self, control: Locator, *, charts: bool, key: str = "") -> PageTimings:
        """Measures from the input to the last chart that it changes, or without `charts` to the last element."""
        self._bytes = 0
        if key:
            control.press(key)
        else:
            control.click()
        times = self.page.wait_for_function(_CHARTS_DRAWN, arg=_QUIET_MS, polling=50).json_value()
        last = times["chart"] if charts else times["main"]
        if charts and not last:
            raise SystemExit("No chart was drawn again: did the filter change anything?")
        return PageTimings([last - times["done"]], [self._bytes / 1024])

    def choose_period(self, period: str) -> PageTimings:
        return self.click(self.page.get_by_text(period, exact=True).first, charts=True)

    def choose_repository(self, name: str) -> PageTimings:
        """Measures the last key press only, not the search for the name."""
        box = self.page.get_by_role("combobox", name="Repository").first
        box.click()
        box.press_sequentially(name)
        self.page.get_by_role("option", name=name).first.wait_for()
        return self.click(box, charts=True, key="Enter")

    def links(self) -> list[str]:
        """Returns the titles of the pages in the sidebar."""
        links = self.page.locator("[data-testid=stSidebarNavLink]")
        links.first.wait_for()
        return [text.strip().splitlines()[-1] for text in links.all_inner_texts()]

    def open_sidebar_page(self, index: int) -> PageTimings:
        """Opens the page with this index in the sidebar."""
        return self.click(self.page.locator("[data-testid=stSidebarNavLink]").nth(index), charts=False)


__all__ = ["CHROMIUM", "PageLoad", "PageTimings", "Tab", "TookTooLong", "chromium"]
