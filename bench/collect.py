"""Benchmark of a first sync, compared with plain requests on the same machine.

`python -m bench.collect [5x2000] [--published]` collects 5 repositories of 2,000 runs with attempts and jobs from a
simulated GitHub that responds within 80 ms. The baseline requests the jobs of every run with as many threads and stores
nothing."""

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select

from collector.sync.job_fetcher import WORKERS
from db.engine import make_engine
from db.models import Attempt, Job, Run
from tests.simulator.truth import Truth, from_json
from tests.truth import differences

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.collect", description=__doc__)
    parser.add_argument("scale", nargs="?", default="5x2000")
    parser.add_argument("--published", action="store_true", help="with GitHub's published limits")
    parser.add_argument("--database", default=None, help="default: an SQLite file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, simulator(options.scale, options.published) as url:
        database = options.database or f"sqlite:///{folder}/bench.db"
        seconds = sync(database, url)
        stats, truth = control(url, "stats"), from_json(control(url, "truth"))
        report(database, truth, seconds, stats, None if options.published else baseline(url, truth))
    return 0


@contextmanager
def simulator(scale: str, published: bool) -> Iterator[str]:
    port = free_port()
    limits = (
        ["--limits", "published", "--rate-limit", "1000000"]
        if published
        else ["--limits", "none", "--rate-limit", "none"]
    )
    program = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.simulator",
            "--scale",
            scale,
            "--latency",
            "80",
            "--control",
            "--port",
            str(port),
            *limits,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout
    program.stdout.readline()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(10)


def sync(database: str, url: str) -> float:
    settings = {
        "DATABASE_URL": database,
        "GITHUB_API_URL": url,
        "GITHUB_TOKEN": "any",
        "GITHUB_REPOS": "scale/*",
        "COLLECT_LOGS": "none",
        "BACKFILL_DAYS": "31",
    }
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "collector", "sync"], cwd=ROOT, env={**os.environ, **settings}, check=True)
    return time.monotonic() - begun


def baseline(url: str, truth: Truth) -> float:
    """Returns the requests per second of threads that request the jobs of every run and discard them."""
    names = {row.id: row.full_name for row in truth.repositories.values()}
    paths = [
        f"{url}/repos/{names[run.repository_id]}/actions/runs/{run.id}/jobs?filter=all" for run in truth.runs.values()
    ]
    local = threading.local()

    def request(path: str) -> int:
        local.session = getattr(local, "session", None) or requests.Session()
        return len(local.session.get(path, headers={"Authorization": "Bearer any"}).json()["jobs"])

    begun = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        sum(pool.map(request, paths))
    return len(paths) / (time.monotonic() - begun)


def report(database: str, truth: Truth, seconds: float, stats: dict[str, Any], baseline: float | None) -> None:
    engine = make_engine(database)
    with engine.connect() as connection:
        counts = [connection.scalar(select(func.count()).select_from(model)) or 0 for model in (Run, Attempt, Job)]
    unequal = differences(engine, truth)
    limiter = stats["limiter"]
    requests_sent = stats["requests"]["total"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"stored       {counts[0]:,} runs, {counts[1]:,} attempts, {counts[2]:,} jobs; rows not equal: {len(unequal)}"
    )
    print(f"time         {seconds:.1f} s: {counts[0] / seconds:.0f} runs/s, {requests_sent / seconds:.0f} requests/s")
    print(f"memory       {peak:.0f} MB at most (the larger of simulator and collector)")
    print(
        f"limits       {limiter['refused']} refused, {limiter['during_penalty']} during a penalty, "
        f"share used {limiter['share_used']}"
    )
    if baseline:
        ratio = requests_sent / seconds / baseline
        print(f"baseline     {baseline:.0f} requests/s by threads that store nothing; ratio {ratio:.2f}")


def control(url: str, name: str) -> Any:
    with urllib.request.urlopen(f"{url}/_control/{name}") as response:
        return json.load(response)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
