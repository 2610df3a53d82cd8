"""A client of the trial: the pages in a real browser, and requests to the API."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Error, Page, sync_playwright

from deploy.trial.containers import TrialFailed, wait_for

APP, API = "http://127.0.0.1:8501", "http://127.0.0.1:3000"
CHROMIUM = Path("/usr/bin/chromium")
PAGES = ("", "workflow", "runs", "failures", "flaky", "cost", "alerts", "collector")
_CHART_TRACE = ".js-plotly-plot .main-svg .trace"


def fetch(path: str, base: str = API) -> tuple[int, dict[str, Any]]:
    """(status, JSON). The status is 0 if no response arrives."""
    try:
        response = requests.get(base + path, timeout=6)
    except requests.RequestException:
        return 0, {}
    try:
        return response.status_code, response.json()
    except ValueError:
        return response.status_code, {}


def run_count() -> int:
    return int(fetch("/api/metrics")[1].get("runs", {}).get("total", 0))


@contextmanager
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM) if CHROMIUM.exists() else None, args=["--no-sandbox"]
        )
        yield browser.new_page(viewport={"width": 1440, "height": 900})
        browser.close()


def wait_for_chart(page: Page, seconds: float) -> None:
    """Loads the page until the dashboard answers, and then waits without a reload. Raises TrialFailed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if page.url.startswith(APP) or page.goto(APP, wait_until="commit", timeout=5000):
                page.locator(_CHART_TRACE).first.wait_for(timeout=5000, state="attached")
                return
        except Error:
            if not page.url.startswith(APP):
                time.sleep(0.3)
    raise TrialFailed(f"no chart within {seconds:.0f} s; text of the page: {page.inner_text('body')[:300]}")


def check_banner(page: Page) -> None:
    for path in PAGES:
        page.goto(f"{APP}/{path}")
        try:
            page.locator(".ph-demo").first.wait_for(timeout=30_000)
        except Error as error:
            raise TrialFailed(f"/{path} does not show the banner of the demo") from error


def expect_text(page: Page, text: str, seconds: float) -> None:
    try:
        page.get_by_text(text).first.wait_for(timeout=seconds * 1000)
    except Error as error:
        raise TrialFailed(f"the open page does not show “{text}” within {seconds:.0f} s") from error


def open_request() -> socket.socket:
    """Sends the beginning of a request and leaves the API waiting for the rest."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(API).port or 80), timeout=5)
    connection.sendall(
        b"POST /api/alerts/silences HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{"
    )
    return connection


def wait_for_api(description: str, seconds: float) -> float:
    return wait_for(description, seconds, lambda: fetch("/health")[0] == 200 and run_count() > 0)


def wait_for_app(description: str, seconds: float) -> float:
    return wait_for(description, seconds, lambda: fetch("/health/ready", APP)[0] == 200)
