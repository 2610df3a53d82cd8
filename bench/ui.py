"""Benchmark of the dashboard: `python -m bench.ui [100000] [--database URL] [--filled]`.

Chromium opens the pages of a real Streamlit server while no collector runs. Each result states whether the server had
the data cached ("cached") or not ("new"; "1 in 10": a tenth of the requests is new). Limits are printed next to the
results and not enforced. It needs Chromium: apt-get install chromium, or set CHROMIUM."""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser

from bench.browser import CHROMIUM, PageTimings, Tab, TookTooLong, chromium
from bench.dashboard import ServerProcess, dashboard, plain_page
from bench.dataset import JOBS, REPOSITORIES, WORKFLOWS
from bench.organisation import LARGE_RUNS, Size, build_organisation, large_run_id
from bench.page_loads import loads
from bench.sessions import first_runs, rerun_sessions
from db.engine import make_engine
from db.migrate import upgrade

PERIODS = ("7d", "90d", "24h", "30d")
VISIT_RATIO, FILTER_MS, PAGE_MS, RERUN_MS, SESSION_MB, SESSIONS = 1.3, 500, 800, 300, 5, 20
# Limits of the first visit of a run with thousands of jobs.
LARGE_RUN_MS, LARGE_RUN_KB = 1_500, 1_024


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ui", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=100_000)
    parser.add_argument("--database", default=None, help="an empty database; default: an SQLite file")
    parser.add_argument("--filled", action="store_true", help="the database was filled by an earlier run")
    parser.add_argument("--times", type=int, default=10, help="repetitions of each measurement")
    parser.add_argument("--seconds", type=float, default=20, help="duration of the load in seconds")
    parser.add_argument("--pace", type=float, default=1.0, help="seconds between two reruns of a session")
    parser.add_argument("--only", choices=["visits", "loads", "large", "filters", "pages", "sessions"], default=None)
    options = parser.parse_args()
    if not Path(CHROMIUM).exists():
        print(f"Chromium is missing at {CHROMIUM}: apt-get install chromium, or set CHROMIUM.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        database = options.database or f"sqlite:///{folder}/ui.db"
        if not options.filled:
            engine = make_engine(database)
            upgrade(engine)
            size = Size(repositories=REPOSITORIES, workflows=WORKFLOWS, runs=options.runs, jobs=JOBS, failing=50)
            built = build_organisation(engine, size, datetime.now(UTC).replace(microsecond=0))
            print(f"{built.runs:,} runs in {built.rows_seconds + built.rollup_seconds:.0f} s")
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print(f"{'measurement':44} {'server':7} {'p50 ms':>8} {'p95 ms':>8} {'KB':>7}  limit")
        benchmarks = {"visits": visits, "loads": loads, "large": large_runs, "filters": filters, "pages": pages}
        with dashboard(database) as served:
            if options.only != "sessions":
                with chromium() as browser:
                    for name, measure in benchmarks.items():
                        if options.only in (None, name):
                            measure(browser, served, options.times)
            if options.only in (None, "sessions"):
                asyncio.run(sessions(served, options.seconds, options.pace))
    return 0


def visits(browser: Browser, served: ServerProcess, times: int) -> None:
    """Opens the dashboard and the plain page in turns, each time in a new browser context."""
    with plain_page() as plain:
        charts = {plain.url: _charts(browser, plain.url), served.url: _charts(browser, served.url)}
        timings: dict[str, PageTimings] = {name: PageTimings() for name in ("plain", "cached", "new")}
        for number in range(times):
            fresh = f"/?repo={_repository(number)}&branch=main"
            for name, url, path in (("plain", plain.url, "/"), ("cached", served.url, "/"), ("new", served.url, fresh)):
                tab = Tab(browser, url)
                timings[name].add(tab.visit(path, charts[url]))
                tab.close()
    limit = statistics.median(timings["plain"].milliseconds)
    print_result("first visit: plain Streamlit page, one chart", "-", timings["plain"], "")
    for name in ("cached", "new"):
        ratio = statistics.median(timings[name].milliseconds) / limit
        print_result("first visit: Overview", name, timings[name], f"{VISIT_RATIO} × plain; is {ratio:.2f}")


def large_runs(browser: Browser, served: ServerProcess, times: int) -> None:
    """Opens runs with thousands of jobs, each time in a new browser context, in turns with a run of a tenth of the
    jobs."""
    paths = {jobs: f"/run?run_id={large_run_id(jobs, 1)}" for jobs in LARGE_RUNS}
    charts = {jobs: _charts(browser, served.url, path) for jobs, path in paths.items()}
    timings = {jobs: PageTimings() for jobs in LARGE_RUNS}
    for _ in range(times):
        for jobs, path in paths.items():
            tab = Tab(browser, served.url)
            timings[jobs].add(tab.visit(path, charts[jobs]))
            tab.close()
    reference = statistics.median(timings[LARGE_RUNS[0]].milliseconds)
    for jobs, timing in timings.items():
        ratio = statistics.median(timing.milliseconds) / reference
        limit = f"{LARGE_RUN_MS} ms, {LARGE_RUN_KB} KB; is {ratio:.2f} × {LARGE_RUNS[0]:,} jobs"
        print_result(f"first visit: run with {jobs:,} jobs", "cached", timing, limit)


def _charts(browser: Browser, url: str, path: str = "/") -> int:
    """Returns the number of charts of a page, and warms up the server."""
    tab = Tab(browser, url)
    tab.open(path)
    tab.page.locator(".js-plotly-plot .main-svg").first.wait_for()
    tab.settle()
    charts = tab.charts
    tab.close()
    return charts


def filters(browser: Browser, served: ServerProcess, times: int) -> None:
    tab = Tab(browser, served.url)
    periods = {"new": PageTimings(), "cached": PageTimings()}
    for number in range(times):
        tab.open(f"/?repo={_repository(number)}")
        periods["new"].add(tab.choose_period(PERIODS[number % 3]))
        tab.choose_period("30d")
        periods["cached"].add(tab.choose_period(PERIODS[number % 3]))
    for name, measured in periods.items():
        print_result("filter: period, to the last chart", name, measured, f"{FILTER_MS} ms")
    repositories = {"new": PageTimings(), "cached": PageTimings()}
    try:
        for measured in repositories.values():
            for number in range(times):
                tab.open("/?period=7d")
                measured.add(tab.choose_repository(_repository(REPOSITORIES // 2 + number)))
    except TookTooLong as error:
        print(f"filter: repository: not measured: {str(error).splitlines()[0]}")
    for name, measured in repositories.items():
        print_result("filter: repository, to the last chart", name, measured, f"{FILTER_MS} ms")
    tab.close()


def pages(browser: Browser, served: ServerProcess, times: int) -> None:
    """Opens the pages of the sidebar in rounds; every second round repeats the requests of the previous one."""
    tab = Tab(browser, served.url)
    tab.open()
    titles = tab.links()
    timings = {(title, kind): PageTimings() for title in titles for kind in ("new", "cached")}
    for number in range(times):
        tab.open(f"/?repo={_repository(number)}&branch=main&period=90d")
        for kind in ("new", "cached"):
            for index in [*range(1, len(titles)), 0]:
                timings[titles[index], "cached" if index == 0 else kind].add(tab.open_sidebar_page(index))
    for (title, kind), measured in timings.items():
        print_result(f"page: {title}, to its last element", kind, measured, f"{PAGE_MS} ms")
    tab.close()


async def sessions(served: ServerProcess, seconds: float, interval_seconds: float) -> None:
    """Measures reruns, and the memory of the server for these sessions, after one drawing and after the load."""
    cached = [f"period={period}&repo={_repository(number)}" for period in PERIODS for number in range(5)]
    warm = (await first_runs(served.url, 1))[0]
    for query in ["", *cached]:
        await warm.rerun(query)
    before = served.megabytes
    opened = await first_runs(served.url, SESSIONS)
    drawn = (served.megabytes - before) / SESSIONS
    others = [
        f"repo={_repository(number)}&workflow=workflow-{place}&period={period}"
        for period in PERIODS
        for place in range(8)
        for number in range(REPOSITORIES)
    ]
    unused = iter(others)
    queries = {
        "cached": lambda number: cached[number % len(cached)],
        "new": lambda _: next(unused),
        "1 in 10": lambda number: cached[number % len(cached)] if number % 10 else next(unused),
    }
    for name, query_of in queries.items():
        used = served.cpu_seconds
        result = await rerun_sessions(opened, query_of, seconds=seconds, interval_seconds=interval_seconds)
        cpu = (served.cpu_seconds - used) / len(result.milliseconds) * 1000
        label = f"{SESSIONS} sessions, {len(result.milliseconds) / seconds:.0f} reruns/s, {cpu:.0f} ms CPU each"
        print_result(label, name, PageTimings(result.milliseconds, result.kilobytes), f"p95 {RERUN_MS} ms")
        for error in sorted(set(result.errors))[:3]:
            print(f"    {len(result.errors)} errors: {error[:200]}")
    after = (served.megabytes - before) / SESSIONS
    label = "memory a session, MB: drawn once, then busy"
    total = f"(server {served.megabytes:.0f} MB)"
    print(f"{label:44} {'-':7} {drawn:8.1f} {after:8.1f} {'':7}  {SESSION_MB} MB {total}")


def _repository(number: int) -> str:
    return f"acme/service-{number % REPOSITORIES + 1:03d}"


def print_result(label: str, kind: str, measured: PageTimings, limit: str) -> None:
    if not measured.milliseconds:
        return
    spans = sorted(measured.milliseconds)
    middle, slow, size = statistics.median(spans), spans[int(len(spans) * 0.95)], statistics.median(measured.kilobytes)
    print(f"{label:44} {kind:7} {middle:8.0f} {slow:8.0f} {size:7.0f}  {limit}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
