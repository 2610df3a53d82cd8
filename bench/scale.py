"""Benchmark of queries over many runs: `python -m bench.scale [1000000] [--database URL] [--seconds 60]`.

Each endpoint is requested over HTTP, uncached (the window ends at a different second each time) and cached. As a
baseline DuckDB runs the same query on the same rows in memory, which is a lower bound for reading rows."""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import requests
from sqlalchemy.orm import Session

from bench.collect import free_port
from bench.dataset import REPOSITORIES, WORKFLOWS, build, frames
from bench.load import load
from db.collection.sync_state import bump_data_version
from db.definitions.scope import Scope, Window
from db.engine import make_engine, session_scope, write_scope
from db.enums import Interval
from db.migrate import upgrade
from db.runs.run_queries import list_runs
from health.completeness.service import list_completeness
from health.metrics import service, workflow_health

ROOT = Path(__file__).parents[1]
_REPETITIONS = 30
_FIGURES_SQL = """
count(*), count(*) FILTER (outcome = 'success'), count(*) FILTER (outcome = 'failure'),
count(*) FILTER (outcome = 'cancelled'), count(*) FILTER (outcome = 'skipped'), count(*) FILTER (attempt > 1),
count(*) FILTER (flaky), sum(compute_seconds), sum(wasted_seconds), sum(cost_usd),
avg(duration_seconds) FILTER (decided), quantile_cont(duration_seconds, [0.5, 0.9, 0.95]) FILTER (decided),
avg(queue_seconds) FILTER (decided), quantile_cont(queue_seconds, [0.5, 0.9, 0.95]) FILTER (decided)
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=100_000)
    parser.add_argument("--database", default=None, help="an empty database; default: an SQLite file")
    parser.add_argument("--jobs", type=int, default=5, help="jobs per run")
    parser.add_argument(
        "--filled", action="store_true", help="the database was filled by an earlier run with --database"
    )
    parser.add_argument("--seconds", type=float, default=20, help="duration of the load of many clients")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = options.database or f"sqlite:///{folder}/scale.db"
        now = datetime.now(UTC).replace(microsecond=0)
        if not options.filled:
            engine = make_engine(database)
            upgrade(engine)
            built = build(engine, options.runs, now, jobs=options.jobs)
            print(
                f"{built.runs:,} runs and {built.jobs:,} jobs in {built.rows_seconds:.0f} s, "
                f"their roll-ups in {built.rollup_seconds:.0f} s"
            )
        with api(database) as (url, process):
            report(url, options.runs, now)
            pages(database)
            many_clients(url, process, database, options.seconds)
            throughput(url, Path(folder))
    return 0


@contextmanager
def api(database: str) -> Iterator[tuple[str, int]]:
    """Starts the API without a rate limit; yields its URL and process id."""
    with serve(["--factory", "api.main:create_app"], DATABASE_URL=database, API_RATE_LIMIT="none") as served:
        yield served


@contextmanager
def serve(program: list[str], **environment: str) -> Iterator[tuple[str, int]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", *program, "--port", str(port), "--log-level", "warning"],
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                requests.get(url, timeout=1)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(10)


def report(url: str, runs: int, now: datetime) -> None:
    session = requests.Session()
    store = _duckdb(runs, now)
    print(f"{'query':44} {'p50 ms':>8} {'p95 ms':>8} {'cached':>8} {'DuckDB p50':>11} {'ratio':>6}")
    for name, path, sql in _queries():
        uncached = _measure(lambda path=path: _request(session, url, path, fresh=True))
        cached = _measure(lambda path=path: _request(session, url, path))
        limit = _measure(lambda sql=sql: store.execute(sql).fetchall(), times=7) if sql else None
        against = f"{limit[0]:11.1f} {uncached[0] / limit[0]:6.2f}" if limit else ""
        print(f"{name:44} {uncached[0]:8.1f} {uncached[1]:8.1f} {cached[1]:8.1f} {against}")


def _queries() -> list[tuple[str, str, str | None]]:
    queries: list[tuple[str, str, str | None]] = []
    for days in (30, 90, 400):
        where = f"FROM runs WHERE created_at >= now_at() - INTERVAL {days} DAY"
        queries.append((f"/api/metrics {days}d", f"/api/metrics?since={days}d", f"SELECT {_FIGURES_SQL} {where}"))
        by_day = f"SELECT date_trunc('day', created_at) AS d, {_FIGURES_SQL} {where} GROUP BY d"
        queries.append((f"/api/metrics/series day {days}d", f"/api/metrics/series?interval=day&since={days}d", by_day))
    for by, column in (("repo", "repository_id"), ("workflow", "workflow_id")):
        where = "FROM runs WHERE created_at >= now_at() - INTERVAL 90 DAY"
        grouped = f"SELECT {column}, {_FIGURES_SQL} {where} GROUP BY {column}"
        queries.append((f"/api/metrics/groups {by} 90d", f"/api/metrics/groups?by={by}&since=90d", grouped))
    for name, query in (
        ("one repository 400d", "repo=acme/service-002&since=400d"),
        ("one workflow 400d", "workflow=201&since=400d"),
        ("branch=main 400d", "branch=main&since=400d"),
        ("event=push 400d", "event=push&since=400d"),
        ("actor=dev-7 90d", "actor=dev-7&since=90d"),
    ):
        queries.append((f"/api/metrics {name}", f"/api/metrics?{query}", None))
    for name, query in (
        ("page 1", ""),
        ("repo", "repo=acme/service-002"),
        ("workflow", "workflow=201"),
        ("branch", "branch=feature/17"),
        ("actor", "actor=dev-7"),
        ("conclusion", "conclusion=failure"),
        ("status", "status=queued"),
        ("event", "event=schedule"),
        ("repo, branch, failure", "repo=acme/service-002&branch=main&conclusion=failure"),
    ):
        queries.append((f"/api/runs {name}", f"/api/runs?since=400d&{query}", None))
    queries.append(("/api/runs page 1,000", "cursor", None))
    return queries


_cursor: dict[str, str] = {}


def _request(session: requests.Session, url: str, path: str, *, fresh: bool = False) -> None:
    if path == "cursor":
        path = f"/api/runs?since=400d&cursor={_unique_path(session, url)}"
    _unique_second["second"] += fresh
    until = _START - timedelta(seconds=_unique_second["second"])
    path += f"&until={until:%Y-%m-%dT%H:%M:%SZ}"
    response = session.get(url + path, timeout=60)
    if response.status_code != 200:
        raise SystemExit(f"{path}: {response.status_code} {response.text[:300]}")


def pages(database: str) -> None:
    """Measures the queries of the dashboard's pages without its cache."""
    engine, scope = make_engine(database), Scope()
    queries: dict[str, Callable[[Session, Window], object]] = {
        "compare with the previous period": lambda session, window: service.compare(session, scope, window),
        "series by day": lambda session, window: service.series(session, scope, window, Interval.DAY),
        "hours of the week": lambda session, window: service.weekday_hours(session, scope, window),
        f"table of {REPOSITORIES * WORKFLOWS} workflows": lambda session, window: workflow_table(
            session, scope, window
        ),
        "broken now": lambda session, window: service.failing_streaks(session, scope, window.until),
        "page of runs and their number": lambda session, window: (
            list_runs(session, scope, window),
            service.count_runs(session, scope, window),
        ),
        "ledger of the Collector page": lambda session, _: list_completeness(session),
    }
    for name, work in queries.items():
        for days in (30, 400):

            def once(work: Callable[[Session, Window], object] = work, days: int = days) -> None:
                _unique_second["second"] += 1
                until = _START - timedelta(seconds=_unique_second["second"])
                with session_scope(engine) as session:
                    work(session, Window(until - timedelta(days=days), until))

            middle, slow = _measure(once, times=9)
            print(f"{f'page: {name} {days}d':44} {middle:8.1f} {slow:8.1f}")
    engine.dispose()


def workflow_table(session: Session, scope: Scope, window: Window) -> None:
    """Reads the first page of the table of workflows."""
    workflows = workflow_health.list_workflows(session, scope, window, window.until)
    workflow_health.workflow_histories(session, scope, window, workflows[:50])


def many_clients(url: str, process: int, database: str, seconds: float) -> None:
    """Runs fifty clients with the same requests, while the stored data changes every five seconds."""
    paths = [path for _, path, _ in _queries() if path != "cursor"]

    def path_of(number: int) -> str:
        return f"{paths[number % len(paths)]}&until={_START:%Y-%m-%dT%H:%M:%SZ}"

    with changing_data(database):
        load(url, path_of, clients=50, seconds=min(seconds, 20))
        before = _memory(process)
        result = load(url, path_of, clients=50, seconds=seconds)
    print(
        f"\n50 clients for {result.seconds:.0f} s: {result.rate:,.0f} responses/s, p50 {result.median:.0f} ms, "
        f"p99 {result.percentile(0.99):.0f} ms, {len(result.errors)} errors, "
        f"memory {before:.0f} to {_memory(process):.0f} MB"
    )
    for error in result.errors[:3]:
        print(error)


@contextmanager
def changing_data(database: str) -> Iterator[None]:
    """Changes the version of the stored data every five seconds."""
    engine, stop = make_engine(database), threading.Event()

    def change() -> None:
        while not stop.wait(5):
            with write_scope(engine) as session:
                bump_data_version(session, datetime.now(UTC))

    thread = threading.Thread(target=change)
    thread.start()
    yield
    stop.set()
    thread.join()
    engine.dispose()


def throughput(url: str, folder: Path) -> None:
    """Compares a cached response with a route that sends the same bytes, in turns."""
    path = f"/api/metrics?since=90d&until={_START:%Y-%m-%dT%H:%M:%SZ}"
    (folder / "body").write_bytes(requests.get(url + path, timeout=60).content)
    rates: dict[str, list[float]] = {"cached": [], "bare": []}
    with serve(["bench.bare:app"], BODY=str(folder / "body")) as (bare, _):
        for _ in range(5):
            rates["cached"].append(load(url, lambda _: path, clients=50, seconds=3).rate)
            rates["bare"].append(load(bare, lambda _: "/bare", clients=50, seconds=3).rate)
    cached, limit = statistics.median(rates["cached"]), statistics.median(rates["bare"])
    print(f"cached response {cached:,.0f}/s, bare route {limit:,.0f}/s: {cached / limit:.0%}")


def _memory(process: int) -> float:
    """Returns the resident memory in megabytes."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


_unique_second = {"second": 0}
_START = datetime.now(UTC)


def _unique_path(session: requests.Session, url: str) -> str:
    if url not in _cursor:
        cursor = ""
        for _ in range(100):
            more = f"&cursor={cursor}" if cursor else ""
            next_cursor = session.get(f"{url}/api/runs?since=400d&limit=500{more}", timeout=60).json()["next"]
            cursor = next_cursor or cursor
        _cursor[url] = cursor
    return _cursor[url]


def _measure(work: Callable[[], Any], times: int = _REPETITIONS) -> tuple[float, float]:
    """Returns the median and the 95th percentile in milliseconds, after a warm-up."""
    work()
    spans = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        spans.append((time.perf_counter() - begun) * 1000)
    return statistics.median(spans), sorted(spans)[int(len(spans) * 0.95)]


def _duckdb(runs: int, now: datetime) -> duckdb.DuckDBPyConnection:
    store = duckdb.connect()
    columns = [
        "repository_id",
        "workflow_id",
        "outcome",
        "attempt",
        "flaky",
        "compute_seconds",
        "wasted_seconds",
        "cost_usd",
        "duration_seconds",
        "queue_seconds",
        "created_at",
    ]
    frame = pd.concat([frame[columns] for frame in frames(runs, now)])
    frame["created_at"] = frame["created_at"].dt.tz_localize(None)
    frame["decided"] = frame["outcome"].isin(["success", "failure"])
    store.register("frame", frame)
    store.execute("CREATE TABLE runs AS SELECT * FROM frame")
    store.execute(f"CREATE MACRO now_at() AS TIMESTAMP '{now:%Y-%m-%d %H:%M:%S}'")
    return store


if __name__ == "__main__":
    sys.exit(main())
