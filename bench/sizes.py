"""Benchmark of the dashboard's pages by the size of the data: `python -m bench.sizes [--database URL] [--filled]`.

Every page runs in this process, on a database of an organisation. "new": after a change of the stored data, "cached":
nothing has changed. Each page has the time of its script, its CPU time in this process (with SQLite: all of its work),
its kilobytes, its SQL statements with their time, and the ratio of its CPU time to that of a smaller page in the same
run."""

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st
from sqlalchemy import Engine, event
from streamlit.testing.v1 import AppTest

from bench.organisation import (
    COMPARED_RUNS,
    LARGE_RUNS,
    LONG_LOG_JOB,
    WORKFLOW,
    Size,
    announce,
    build_organisation,
    job_id,
    large_run_id,
)
from db.engine import make_engine
from db.migrate import upgrade

ROOT = Path(__file__).parents[1]
_SHELL = ROOT / "app" / "shell.py"
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class PageCase:
    """`reference`: the name of the case with which its time is compared."""

    name: str
    page: str
    query: Mapping[str, object] = field(default_factory=dict)
    reference: str = ""


def _cases() -> list[PageCase]:
    small, middle, large = LARGE_RUNS
    compared = ",".join(str(large_run_id(large, copy)) for copy in range(COMPARED_RUNS))
    log = {"run_id": large_run_id(large, 1), "job_id": job_id(large_run_id(large, 1), LONG_LOG_JOB)}
    return [
        PageCase("overview, one repository", "", {"repo": "acme/service-001"}),
        PageCase("overview", "", reference="overview, one repository"),
        PageCase("overview, 90 days", "", {"period": "90d"}, "overview, one repository"),
        PageCase("kiosk mode", "", {"wall": 1}, "overview, one repository"),
        PageCase("workflows, one repository", "workflow", {"repo": "acme/service-001"}),
        PageCase("workflows", "workflow", reference="workflows, one repository"),
        PageCase("workflows, 90 days", "workflow", {"period": "90d"}, "workflows, one repository"),
        PageCase("one workflow", "workflow", {"id": WORKFLOW}),
        PageCase("runs", "runs"),
        PageCase("failures, one repository", "failures", {"repo": "acme/service-001"}),
        PageCase("failures", "failures", reference="failures, one repository"),
        PageCase("failures, 90 days", "failures", {"period": "90d"}, "failures, one repository"),
        PageCase("flaky", "flaky"),
        PageCase("cost by repository", "cost"),
        PageCase("cost by workflow", "cost", {"by": "Workflow"}, "cost by repository"),
        PageCase("alerts", "alerts"),
        PageCase("alert rules", "alerts", {"show": "rules"}, "alerts"),
        PageCase("silences and channels", "alerts", {"show": "silences"}, "alerts"),
        PageCase("collector", "collector"),
        PageCase(f"run, {small:,} jobs", "run", {"run_id": large_run_id(small, 1)}),
        PageCase(f"run, {middle:,} jobs", "run", {"run_id": large_run_id(middle, 1)}, f"run, {small:,} jobs"),
        PageCase(f"run, {large:,} jobs", "run", {"run_id": large_run_id(large, 1)}, f"run, {small:,} jobs"),
        PageCase(f"comparison of {COMPARED_RUNS} runs, {large:,} jobs", "compare", {"runs": compared}),
        PageCase("log of 100,000 lines", "log", log),
    ]


@dataclass
class Measurement:
    """Milliseconds of a script and of its SQL statements."""

    script_ms: float = 0.0
    cpu_ms: float = 0.0
    kilobytes: float = 0.0
    statements: int = 0
    sql_ms: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sizes", description=__doc__)
    parser.add_argument("--database", default=None, help="an empty database; default: an SQLite file")
    parser.add_argument("--filled", action="store_true", help="the database was filled by an earlier run")
    parser.add_argument("--runs", type=int, default=Size.runs)
    parser.add_argument("--repositories", type=int, default=Size.repositories)
    parser.add_argument("--workflows", type=int, default=Size.workflows, help="of each repository, at most 100")
    parser.add_argument("--times", type=int, default=5, help="repetitions of each measurement")
    parser.add_argument("--only", default="", help="cases whose names contain this text")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = options.database or f"sqlite:///{folder}/sizes.db"
        engine = make_engine(database)
        if not options.filled:
            upgrade(engine)
            size = Size(repositories=options.repositories, workflows=options.workflows, runs=options.runs)
            built = build_organisation(engine, size, datetime.now(UTC).replace(microsecond=0))
            print(f"{built.runs:,} runs in {built.rows_seconds:.0f} s, roll-ups in {built.rollup_seconds:.0f} s")
        os.environ["DATABASE_URL"] = database
        # As the server does when it starts (app/server/warm_up.py).
        gc.collect()
        gc.freeze()
        report(engine, [case for case in _cases() if options.only in case.name], options.times)
        engine.dispose()
    return 0


def report(engine: Engine, cases: list[PageCase], times: int) -> None:
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print(f"{'page':40} {'server':7} {'p50 ms':>8} {'CPU ms':>8} {'KB':>7} {'SQL':>5} {'SQL ms':>8} {'ratio':>6}")
    middles: dict[tuple[str, str], float] = {}
    for case in cases:
        measured: dict[str, list[Measurement]] = {"new": [], "cached": []}
        open_page(case)
        for _ in range(times):
            announce(engine, datetime.now(UTC))
            st.cache_data.clear()
            measured["new"].append(open_page(case))
            measured["cached"].append(open_page(case))
        for server, listed in measured.items():
            middle = statistics.median(result.script_ms for result in listed)
            cpu = middles[case.name, server] = statistics.median(result.cpu_ms for result in listed)
            reference = middles.get((case.reference, server))
            last = listed[-1]
            sql_ms = statistics.median(result.sql_ms for result in listed)
            ratio = f"{cpu / reference:6.2f}" if reference else ""
            print(
                f"{case.name:40} {server:7} {middle:8.0f} {cpu:8.0f} {last.kilobytes:7.0f} {last.statements:5} "
                f"{sql_ms:8.0f} {ratio}",
                flush=True,
            )


def open_page(case: PageCase) -> Measurement:
    """Runs the script of a page in a session of its own. Raises SystemExit if the page shows an error."""
    page = AppTest.from_file(str(_SHELL), default_timeout=_TIMEOUT_SECONDS)
    for name, value in case.query.items():
        page.query_params[name] = str(value)
    if case.page:
        page.switch_page(f"views/{case.page}.py")
    result = Measurement()
    with _counted_statements(result):
        begun, used = time.perf_counter(), time.process_time()
        page.run()
        result.script_ms, result.cpu_ms = (time.perf_counter() - begun) * 1000, (time.process_time() - used) * 1000
    if page.exception:
        raise SystemExit(f"{case.name}: {page.exception[0].message}")
    result.kilobytes = sum(_size(block) for block in page._tree.children.values()) / 1024
    return result


@contextmanager
def _counted_statements(result: Measurement) -> Iterator[None]:
    """Adds the statements of all engines of this process and their time, without that of fetching the rows."""
    begun: list[float] = []

    def before(*_: object) -> None:
        begun.append(time.perf_counter())

    def after(*_: object) -> None:
        result.statements += 1
        result.sql_ms += (time.perf_counter() - begun.pop()) * 1000

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)


def _size(node: Any) -> int:
    """Returns the bytes of all elements of a block that are sent to the browser."""
    own: int = node.proto.ByteSize() if getattr(node, "proto", None) is not None else 0
    return own + sum(_size(child) for child in getattr(node, "children", {}).values())


if __name__ == "__main__":
    sys.exit(main())
