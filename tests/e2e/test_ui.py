"""The dashboard in a real browser, served by a real Streamlit on a real database."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest

from db.engine import make_engine
from db.migrate import upgrade
from tests.app.seeding import HOSTILE, RERUN, Seeded, heartbeat, run, seed, store

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: pip install playwright")

ROOT = Path(__file__).parents[2]
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"Chromium is missing at {CHROMIUM}: apt-get install chromium, or set CHROMIUM"
)
# Nothing on the page changed for a third of a second, or it goes on for four.
_QUIET = """() => new Promise(done => {
    let quiet = setTimeout(done, 350)
    new MutationObserver(() => { clearTimeout(quiet); quiet = setTimeout(done, 350) })
        .observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true})
    setTimeout(done, 4000)
})"""
# Streamlit asks below the page's own path first to find out where it is served; that is no fault.
_PROBES = ("_stcore/health", "_stcore/host-config")


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('ui') / 'ui.db'}")
    upgrade(engine)
    yield seed(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def address(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = seeded.engine.url.render_as_string(hide_password=False)
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1"]
    log = tmp_path_factory.mktemp("log") / "streamlit.log"
    with log.open("w") as out, subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, stdout=out, stderr=out
    ) as process:  # fmt: skip
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert "Traceback" not in log.read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(120):
        if process.poll() is not None:
            break
        try:
            with urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"Streamlit did not start:\n{log.read_text()}")


@dataclass
class Tab:
    """A page of the browser, and what went wrong on it."""

    page: "sync_api.Page"
    address: str
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)
        self.settle()

    def settle(self) -> None:
        self.page.locator("[data-testid=stMainBlockContainer]").wait_for(timeout=30_000)
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=30_000)
        self.page.evaluate(_QUIET)

    def see(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for(timeout=15_000)

    @property
    def overflow(self) -> int:
        widths = "[document.documentElement, ...document.querySelectorAll('[data-testid=stMain]')]"
        return int(self.page.evaluate(f"Math.max(...{widths}.map(e => e.scrollWidth - e.clientWidth))"))


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module", params=[(1440, "light"), (420, "dark")], ids=["desktop", "phone"])
def window(request: pytest.FixtureRequest, browser: "sync_api.Browser") -> Iterator["sync_api.BrowserContext"]:
    """One for all tests: in a new one ten megabytes of scripts are read and compiled again."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    yield context
    context.close()


@pytest.fixture
def tab(window: "sync_api.BrowserContext", address: str) -> Iterator[Tab]:
    """A page of its own; what the browser keeps of one is forgotten before the next."""
    found = Tab(window.new_page(), address)
    found.page.on("request", lambda request: _foreign(found, request.url))
    found.page.on("pageerror", lambda error: found.wrong.append(f"error: {error}"))
    found.page.on("console", lambda message: _complaint(found, message))
    found.page.on("dialog", lambda dialog: (found.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    yield found
    found.page.evaluate("localStorage.clear(), sessionStorage.clear()")
    found.page.close()
    window.clear_cookies()
    assert not found.wrong


def _foreign(tab: Tab, url: str) -> None:
    if not url.startswith((tab.address, "data:", "blob:")):
        tab.wrong.append(f"request to another host: {url}")


def _complaint(tab: Tab, message: "sync_api.ConsoleMessage") -> None:
    where = str(message.location.get("url", ""))
    if message.type == "error" and not where.endswith(_PROBES):
        tab.wrong.append(f"console: {message.text} ({where})")


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
    tab.go("/?repo=acme%2Fapi&period=7d")
    tile = tab.page.locator("[data-testid=stMetric]").filter(has=tab.page.get_by_text("Runs", exact=True))
    value = tile.locator("[data-testid=stMetricValue]")
    before = _steady(tab, value)
    number = 3_000 + before
    store(seeded.engine, 2, run(number, seeded.now - timedelta(hours=30), repo=2))
    heartbeat(seeded.engine, seeded.now, demo=True)
    sync_api.expect(value).to_have_text(str(before + 1), timeout=20_000)


def _steady(tab: Tab, value: sync_api.Locator) -> int:
    """The number once it stands still: a busy machine may still be drawing the page it comes from."""
    seen = ""
    while seen != value.inner_text():
        seen = value.inner_text()
        tab.page.wait_for_timeout(2_500)
    return int(seen.replace(",", ""))
