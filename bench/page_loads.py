"""Loads of all pages in a browser: first paint, last chart, last change and layout shift."""

from collections.abc import Mapping
from statistics import median

from playwright.sync_api import Browser

from bench.browser import PageLoad, Tab
from bench.dashboard import ServerProcess

MAX_SHIFT = 0.1
_WIDTHS = {"": 1440, ", phone": 420}
_SEPARATOR = "&job_id="


def loads(browser: Browser, served: ServerProcess, times: int) -> None:
    """Loads every page in a new browser context ("cold": scripts are read and compiled) and again in it ("warm"), at
    the width of a desktop and of a phone."""
    paths = page_paths(browser, served.url)
    print(f"\n{'load, median ms':40} {'browser':7} {'paint':>7} {'chart':>7} {'last':>7} {'shift':>7}  largest shift")
    for title, path in paths.items():
        for suffix, width in _WIDTHS.items():
            measured: dict[str, list[PageLoad]] = {"cold": [], "warm": []}
            for _ in range(times):
                tab = Tab(browser, served.url, width)
                for results in measured.values():
                    results.append(tab.load(path))
                tab.close()
            for kind, results in measured.items():
                _print_loads(f"{title}{suffix}", kind, results)
    print(flush=True)


def page_paths(browser: Browser, url: str) -> Mapping[str, str]:
    """The paths of all pages by title; those of a run, a log, a workflow and a cause are the first ones listed."""
    tab = Tab(browser, url)

    def first_link(path: str, selector: str) -> str:
        tab.open(path)
        address = tab.page.locator(selector).first.get_attribute("href")
        assert address
        return f"/{address}"

    run = first_link("/runs?conclusion=failure", "[data-table=runs] a[href^='run?']")
    others = tab.page.locator("[data-table=runs] a[href^='run?']").evaluate_all(
        "links => links.map(link => new URL(link.href).searchParams.get('run_id'))"
    )
    compared = ",".join(list(dict.fromkeys(others))[:2])
    paths = {
        "Overview": "/",
        "Workflows": "/workflow",
        "Workflow": first_link("/workflow", "a[href^='workflow?id=']"),
        "Runs": "/runs",
        "Run": run,
        "Log": first_link(run, f"a[href^='log?'][href*='{_SEPARATOR}']"),
        "Compare": f"/compare?runs={compared}",
        "Failures": "/failures",
        "Cause": first_link("/failures", "a[href^='failures?cause=']"),
        "Flaky": "/flaky",
        "Cost": "/cost",
        "Alerts": "/alerts",
        "Alert rules": "/alerts?show=rules",
        "New rule": "/alerts?show=rules&rule=new",
        "Silences": "/alerts?show=silences",
        "Collector": "/collector",
        "Set up": "/setup",
        "Kiosk mode": "/?wall=1",
    }
    tab.close()
    return paths


def _print_loads(title: str, kind: str, results: list[PageLoad]) -> None:
    middle = [
        median(values)
        for values in (
            [load.first_paint for load in results],
            [load.last_chart for load in results],
            [load.last_change for load in results],
        )
    ]
    shifts = [load.layout_shift for load in results]
    line = " ".join(f"{value:7.0f}" if value else f"{'–':>7}" for value in middle)
    print(f"{title:40} {kind:7} {line} {median(shifts):7.3f}  {max(shifts):.3f} (limit {MAX_SHIFT})", flush=True)
