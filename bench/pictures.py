"""Screenshots for the documentation: `python -m bench.pictures [--only overview] [--app URL --api URL]`.

Starts a demo on a fresh database, waits until it is filled, and takes every page in both colour schemes and two
widths into docs/pictures/PAGE-SCHEME-WIDTH.png. It needs Chromium, and port 3999 for the simulator of GitHub."""

import argparse
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from PIL import Image
from playwright.sync_api import Browser, Page

from bench.browser import CHROMIUM, chromium
from bench.collect import free_port


@dataclass(frozen=True)
class Picture:
    """A page to photograph. `path` may contain {failed}, the id of a failed run, its {job} with a log, {other}, the
    previous run, and their {workflow}. `wait_for_text` appears when the page is complete."""

    name: str
    path: str
    wait_for_text: str


PICTURES = [
    Picture("overview", "/", "Failure rate by hour"),
    Picture("runs", "/runs", "newest first"),
    Picture("run", "/run?run_id={failed}", "Since the last success"),
    Picture("log", "/log?run_id={failed}&job_id={job}", "Unfold all"),
    Picture("compare", "/compare?runs={other},{failed}", "Jobs"),
    Picture("workflows", "/workflow", "Default branch"),
    Picture("workflow", "/workflow?id={workflow}", "Latest runs"),
    Picture("failures", "/failures", "Failure causes"),
    Picture("flaky", "/flaky", "highest confidence first"),
    Picture("cost", "/cost", "Spend by repository"),
    Picture("alerts", "/alerts", "Firing now"),
    Picture("wall", "/?wall=1", "Success rate"),
    Picture("collector", "/collector", "Storage"),
]
SCHEMES = ("light", "dark")
# Width and maximum height in pixels: longer pages are cut off.
SIZES = ((1440, 1400), (420, 1800))
FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
MAX_BYTES = 150_000
_ROOT = Path(__file__).parents[1]
_FILLED_SECONDS, _TIMEOUT_MS = 600, 30_000
# The page shows the state of the collector with a delay of seconds.
_SETTLED_SECONDS = 20
_LOGS_SECONDS = 120


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pictures", description=__doc__)
    parser.add_argument("--app", help="URL of a running dashboard, instead of a new demo")
    parser.add_argument("--api", help="URL of its API")
    parser.add_argument("--only", action="append", choices=[picture.name for picture in PICTURES])
    options = parser.parse_args()
    if bool(options.app) != bool(options.api):
        parser.error("--app and --api go together")
    if not Path(CHROMIUM).exists():
        print(f"Chromium is missing at {CHROMIUM}: apt-get install chromium, or set CHROMIUM.", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    pictures = [picture for picture in PICTURES if not options.only or picture.name in options.only]
    if options.app:
        take_screenshots(pictures, options.app, options.api)
        return 0
    with demo() as (app, api):
        take_screenshots(pictures, app, api)
    return 0


@contextmanager
def demo() -> Iterator[tuple[str, str]]:
    """Starts a demo; yields the URLs of its dashboard and API after all data is collected."""
    app, api = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        unset = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "API_", "APP_"))}
        settings = {"DATABASE_URL": f"sqlite:///{folder}/demo.db", "API_PORT": str(api), "APP_PORT": str(app)}
        program = subprocess.Popen(
            [sys.executable, "launch.py"], cwd=_ROOT, env=unset | settings, stdout=subprocess.DEVNULL
        )
        try:
            _wait_until_filled(program, f"http://127.0.0.1:{api}/health")
            yield f"http://localhost:{app}", f"http://127.0.0.1:{api}"
        finally:
            program.send_signal(signal.SIGINT)
            program.wait(60)


def _wait_until_filled(program: "subprocess.Popen[bytes]", url: str) -> None:
    end = time.monotonic() + _FILLED_SECONDS
    while time.monotonic() < end:
        if program.poll() is not None:
            raise SystemExit("The demo did not start; see above.")
        time.sleep(2)
        try:
            collector = requests.get(url, timeout=5).json()["checks"]["collector"]
        except requests.RequestException:
            continue
        if collector["detail"] == "running, everything is collected":
            time.sleep(_SETTLED_SECONDS)
            return
    raise SystemExit(f"The demo was not filled after {_FILLED_SECONDS} s.")


def take_screenshots(pictures: list[Picture], app: str, api: str) -> None:
    ids = _find_ids(api)
    with chromium() as browser:
        for picture in pictures:
            for scheme in SCHEMES:
                for width, height in SIZES:
                    content = _screenshot(
                        browser, app + picture.path.format(**ids), picture.wait_for_text, scheme, width, height
                    )
                    path = FOLDER / f"{picture.name}-{scheme}-{width}.png"
                    path.write_bytes(_compress(content))
                    print(f"{path.relative_to(_ROOT)}  {path.stat().st_size / 1000:.0f} kB", flush=True)


def _find_ids(api: str) -> dict[str, int]:
    """Returns the ids of a failed run on the default branch, its job with a log, its workflow and the previous run."""
    query = {"repo": "acme/payments", "workflow": "CI", "branch": "main", "limit": "30"}
    runs = requests.get(f"{api}/api/runs", params=query, timeout=30).json()["items"]
    failures = [run for run in runs if run["conclusion"] == "failure"]
    failed, job = _failure_with_log(api, failures)
    other = next(run for run in runs if run["id"] < failed["id"] and run["status"] == "completed")
    return {"failed": failed["id"], "other": other["id"], "workflow": failed["workflow_id"], "job": job}


def _failure_with_log(api: str, failures: list[dict[str, Any]]) -> tuple[dict[str, Any], int]:
    """Returns the newest failed run with a log, and the id of the job. Logs are collected last."""
    end = time.monotonic() + _LOGS_SECONDS
    while time.monotonic() < end:
        for run in failures:
            if job := _stored_log(api, run["id"]):
                return run, job
        time.sleep(3)
    raise SystemExit("No log of a failed run was collected.")


def _stored_log(api: str, run_id: int) -> int | None:
    """Returns the id of a job with a stored log; null where none is stored yet."""
    logs = requests.get(f"{api}/api/logs/{run_id}", timeout=30).json()["jobs"]
    return next((log["job_id"] for log in logs if log["state"] == "stored"), None)


def _screenshot(browser: Browser, url: str, shown: str, scheme: str, width: int, height: int) -> bytes:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    page.goto(url)
    page.get_by_text(shown).first.wait_for()
    _settle(page)
    full_height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(600, min(int(full_height), height))})
    _settle(page)
    content = page.screenshot()
    context.close()
    return content


def _settle(page: Page) -> None:
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.wait_for_function(
        "[...document.querySelectorAll('.js-plotly-plot')].every(plot => plot.querySelector('.main-svg'))"
    )
    page.wait_for_timeout(1200)


def _compress(content: bytes) -> bytes:
    """Returns the image with the most colours that fit into MAX_BYTES."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    for colours in (256, 128, 64, 32):
        output = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(output, "PNG", optimize=True)
        if output.tell() <= MAX_BYTES:
            break
    return output.getvalue()


if __name__ == "__main__":
    sys.exit(main())
