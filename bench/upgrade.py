"""Benchmark of upgrades, and of the waiting times of other programs: `python -m bench.upgrade [1000000]`.

A database of the first release with that many runs and three jobs each is upgraded, downgraded and upgraded again, one
migration after the other. Every 50 ms a reader requests a page of runs as the API does, and a writer adds and changes
runs as a collector does, with statements that are valid at every revision."""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text

from bench.first_release import REPOSITORIES, downgrade_to_first, fill
from db.engine import make_engine
from db.migrate import MigrationStep, current_revision, downgrade, upgrade

_INTERVAL_SECONDS = 0.05
_PAGE = """
SELECT id, workflow_name, status, conclusion, created_at FROM runs
WHERE created_at >= :since ORDER BY created_at DESC, id DESC LIMIT 50
"""
_UPDATE = "UPDATE runs SET updated_at = :now, status = 'completed' WHERE repository_id = :repository AND id = :id"
_INSERT = """
INSERT INTO runs (repository_id, id, workflow_id, workflow_name, run_number, attempt, title, event, branch,
    on_default_branch, head_sha, status, outcome, created_at, updated_at, flaky, compute_seconds, wasted_seconds,
    cost_usd, html_url, details_pending)
VALUES (:repository, :id, 1, 'CI', 1, 1, 'new', 'push', 'main', true, 'abc', 'queued', 'in_progress', :now, :now, false,
    0, 0, 0, 'https://github.com', true)
"""
_NEW_ID = 10_000_000_000


@dataclass
class ProbeResult:
    """Repeated requests: their start times and durations in seconds, and the errors."""

    requests: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def longest(self, since: float, until: float) -> float:
        """Returns the longest duration in seconds of requests that were active in that period."""
        active = (took for begun, took in self.requests if begun <= until and begun + took >= since)
        return max(active, default=0.0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.upgrade", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--database", default=None, help="an empty database; default: an SQLite file")
    parser.add_argument("--jobs", type=int, default=3, help="jobs a run")
    parser.add_argument("--filled", action="store_true", help="the database was filled by an earlier run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{folder}/upgrade.db"
        engine = make_engine(url)
        begun = time.monotonic()
        if options.filled:
            clear(engine)
        else:
            upgrade(engine, "0001")
            fill(engine, options.runs, options.jobs)
            print(f"{options.runs:,} runs and {options.runs * options.jobs:,} jobs in {time.monotonic() - begun:.0f} s")
        report(engine, url)
    return 0


def clear(engine: Engine) -> None:
    """Migrates back to the first revision, and deletes the runs that an earlier benchmark added."""
    downgrade_to_first(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM runs WHERE id > :id"), {"id": _NEW_ID})


def report(engine: Engine, url: str) -> None:
    head = current_revision(engine)
    migrations: list[tuple[str, Callable[..., str | None], str]] = [
        ("to head", upgrade, "head"),
        ("back", downgrade, "0001"),
        ("again", upgrade, "head"),
    ]
    print(f"{engine.dialect.name}, from {head}")
    print(f"{'':8} {'migration':10} {'s':>7} {'reader waited s':>16} {'writer waited s':>16}")
    with probe(url, read) as reader, probe(url, write) as writer:
        time.sleep(1)
        print(f"{'':8} {'none':10} {'':7} {reader.longest(0, 1e12):16.2f} {writer.longest(0, 1e12):16.2f}")
        for name, migrate, revision in migrations:
            rows: list[tuple[MigrationStep, float]] = []
            migrate(engine, revision, lambda step, rows=rows: rows.append((step, time.monotonic())))
            time.sleep(0.5)
            for step, ended in rows:
                waited = [result.longest(ended - step.seconds, ended) for result in (reader, writer)]
                print(
                    f"{name:8} {step.revision:10} {step.seconds:7.2f} {waited[0]:16.2f} {waited[1]:16.2f}", flush=True
                )
            total = sum(step.seconds for step, _ in rows)
            since, until = rows[0][1] - rows[0][0].seconds, rows[-1][1]
            waited = [result.longest(since, until) for result in (reader, writer)]
            print(f"{name:8} {'all':10} {total:7.2f} {waited[0]:16.2f} {waited[1]:16.2f}", flush=True)
    for name, result in (("reader", reader), ("writer", writer)):
        print(f"{name}: {len(result.requests):,} requests, {len(result.errors)} errors {result.errors[:2]}")


def read(connection: Connection, _: int) -> None:
    since = datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    connection.execute(text(_PAGE), {"since": since}).all()


def write(connection: Connection, number: int) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    changed = {"repository": number % REPOSITORIES + 1, "id": number, "now": now}
    connection.execute(text(_UPDATE), changed)
    connection.execute(text(_INSERT), {**changed, "id": _NEW_ID + number})


@contextmanager
def probe(url: str, request: Callable[[Connection, int], None]) -> Iterator[ProbeResult]:
    engine = make_engine(url).execution_options(writes=request is write)
    result, stop = ProbeResult(), threading.Event()

    def run() -> None:
        number = 0
        while not stop.wait(_INTERVAL_SECONDS):
            number += 1
            begun = time.monotonic()
            try:
                with engine.begin() as connection:
                    request(connection, number)
            except Exception as error:
                result.errors.append(str(error).splitlines()[0])
            result.requests.append((begun, time.monotonic() - begun))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield result
    finally:
        stop.set()
        thread.join()
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
