"""A real Streamlit on a real database, and a real browser that records errors."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from sqlalchemy import Engine

from bench.browser import LOAD_SCRIPT
from db.engine import make_engine
from tests.app.seeding import Seeded, seed
from tests.programs import Program, start

if TYPE_CHECKING:
    from playwright import sync_api

# https://web.dev/articles/cls calls at most this good.
MAX_SHIFT = 0.1
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
# Nothing on the page changed for a third of a second, or it goes on for four.
_QUIET = """() => new Promise(done => {
    let quiet = setTimeout(done, 350)
    new MutationObserver(() => { clearTimeout(quiet); quiet = setTimeout(done, 350) })
        .observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true})
    setTimeout(done, 4000)
})"""


@pytest.fixture(scope="package")
def seeded(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Seeded]:
    engine = make_engine(f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('ui') / 'ui.db')}")
    yield seed(engine)
    engine.dispose()


@pytest.fixture(scope="package")
def address(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(seeded.engine, tmp_path_factory.mktemp("log") / "streamlit.log") as found:
        yield found


@contextmanager
def served(engine: Engine, log: Path, environment: dict[str, str] | None = None, port: int = 0) -> Iterator[str]:
    """The address of a dashboard on this database; it may not have complained by the end."""
    url = engine.url.render_as_string(hide_password=False)
    port = port or free_port()
    arguments = ["run", "app/main.py", "--server.port", str(port), "--server.address", "127.0.0.1"]
    with log.open("w") as out:
        process = start("streamlit", *arguments, environment={"DATABASE_URL": url, **(environment or {})}, log=out)
        try:
            _wait(f"http://127.0.0.1:{port}/health/ready", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert "Traceback" not in log.read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: Program, log: Path) -> None:
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
    """A page of the browser, and the errors that occurred on it."""

    page: "sync_api.Page"
    address: str
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)
        self.settle()

    def settle(self) -> None:
        # A page is shown when its scripts are compiled, of which a busy machine needs many seconds for those of charts.
        self.page.locator("[data-testid=stMainBlockContainer]").wait_for(timeout=60_000)
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=30_000)
        # What answers clicks and keys is a script that a busy machine may load after the page was drawn.
        self.page.wait_for_function("window.__pipelineHealth?.listening", timeout=30_000)
        self.page.evaluate(_QUIET)

    def see(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for(timeout=30_000)

    @property
    def wide(self) -> bool:
        return bool(self.page.viewport_size and self.page.viewport_size["width"] > 700)

    @property
    def overflow(self) -> int:
        widths = "[document.documentElement, ...document.querySelectorAll('[data-testid=stMain]')]"
        return int(self.page.evaluate(f"Math.max(...{widths}.map(e => e.scrollWidth - e.clientWidth))"))

    @property
    def shift(self) -> float:
        """The cumulative layout shift of the document so far."""
        return float(self.page.evaluate("window.benchLoad.shift"))

    @property
    def moved(self) -> list[str]:
        """What has moved, for the message of a failed test."""
        return list(self.page.evaluate("window.benchLoad.moved"))

    @property
    def cut(self) -> list[str]:
        """Tables that one has to scroll sideways."""
        wide = "[...document.querySelectorAll('.ph-scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        return list(self.page.evaluate(f"{wide}.map(e => `${{e.ariaLabel}}: ${{e.scrollWidth - e.clientWidth}}`)"))


@pytest.fixture(scope="package")
def browser() -> Iterator["sync_api.Browser"]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"Chromium is missing at {CHROMIUM}: apt-get install chromium, or set CHROMIUM")
    # Four tests at a time run on two cores.
    sync_api.expect.set_options(timeout=20_000)
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def opened(context: "sync_api.BrowserContext", address: str, *, alone: bool = False) -> Iterator[Tab]:
    """A tab in which nothing may go wrong: no error, no dialog, no request to another host. What the browser keeps of
    one is forgotten before the next. They follow each other in one page of the context, as a page of its own would be
    a process that compiles ten megabytes of scripts anew; `alone` asks for one nevertheless."""
    page = context.new_page() if alone or not context.pages else context.pages[0]
    found = Tab(page, address)
    listeners: dict[Any, Callable[[Any], None]] = {
        "request": lambda request: _foreign(found, request.url),
        "pageerror": lambda error: found.wrong.append(f"error: {error}"),
        "console": lambda message: _complaint(found, message),
        "dialog": lambda dialog: (found.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    try:
        yield found
        page.evaluate("localStorage.clear(), sessionStorage.clear()")
    except BaseException:
        # The next test begins with a page of its own: whatever is wrong with this one stays with it.
        page.close()
        raise
    # The dashboard has nobody to draw for any more.
    page.goto("about:blank")
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    if alone:
        page.close()
    context.clear_cookies()
    assert not found.wrong


@pytest.fixture(scope="package")
def desktop(browser: "sync_api.Browser") -> Iterator["sync_api.BrowserContext"]:
    """One for all tests: in a new one ten megabytes of scripts are read and compiled again."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.add_init_script(LOAD_SCRIPT)
    yield context
    context.close()


@pytest.fixture(scope="package")
def phone(browser: "sync_api.Browser") -> Iterator["sync_api.BrowserContext"]:
    context = browser.new_context(viewport={"width": 420, "height": 900}, color_scheme="dark")
    context.add_init_script(LOAD_SCRIPT)
    yield context
    context.close()


@pytest.fixture(params=["desktop", "phone"])
def tab(request: pytest.FixtureRequest, address: str) -> Iterator[Tab]:
    with opened(request.getfixturevalue(request.param), address) as found:
        yield found


@pytest.fixture
def wide(desktop: "sync_api.BrowserContext", address: str) -> Iterator[Tab]:
    """A wide tab, for tests that do not depend on the width."""
    with opened(desktop, address) as found:
        yield found


def _foreign(tab: Tab, url: str) -> None:
    if not url.startswith((tab.address, "data:", "blob:")):
        tab.wrong.append(f"request to another host: {url}")


def _complaint(tab: Tab, message: "sync_api.ConsoleMessage") -> None:
    if message.type == "error":
        tab.wrong.append(f"console: {message.text} ({message.location.get('url', '')})")
