"""How long an upgrade takes, and how long others wait meanwhile: `python -m bench.upgrade [1000000] [--database URL]`.

A database as the first release left it, with that many runs and three jobs each, goes to this version's schema, back
and there again, one migration after the other. Beside it a reader asks for a page of runs as the API does, and a writer
adds and changes runs as a collector does, every 50 ms, by what every revision knows."""

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

_EVERY_SECONDS = 0.05
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
    """One who asks again and again: when each question began, and how long it took; and what went wrong."""

    requests: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def longest(self, since: float, until: float) -> float:
        """The longest wait, in seconds, of what was at work in that time."""
        return max((took for begun, took in self.requests if begun <= until and begun + took >= since), default=0.0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.upgrade", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--database", default=None, help="an empty one; default: an SQLite file")
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
    """Back at the first revision, without what an earlier run added."""
    downgrade_to_first(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM runs WHERE id > :id"), {"id": _NEW_ID})


def report(engine: Engine, url: str) -> None:
    head = current_revision(engine)
    ways: list[tuple[str, Callable[..., str | None], str]] = [
        ("to head", upgrade, "head"), ("back", downgrade, "0001"), ("again", upgrade, "head"),
    ]  # fmt: skip
    print(f"{engine.dialect.name}, from {head}")
    print(f"{'':8} {'migration':10} {'s':>7} {'reader waited s':>16} {'writer waited s':>16}")
    with probe(url, read) as reader, probe(url, write) as writer:
        time.sleep(1)
        print(f"{'':8} {'none':10} {'':7} {reader.longest(0, 1e12):16.2f} {writer.longest(0, 1e12):16.2f}")
        for name, move, to in ways:
            rows: list[tuple[MigrationStep, float]] = []
            move(engine, to, lambda step, rows=rows: rows.append((step, time.monotonic())))
            time.sleep(0.5)
            for step, ended in rows:
                waited = [each.longest(ended - step.seconds, ended) for each in (reader, writer)]
                print(
                    f"{name:8} {step.revision:10} {step.seconds:7.2f} {waited[0]:16.2f} {waited[1]:16.2f}", flush=True
                )
            total = sum(step.seconds for step, _ in rows)
            since, until = rows[0][1] - rows[0][0].seconds, rows[-1][1]
            waited = [each.longest(since, until) for each in (reader, writer)]
            print(f"{name:8} {'all':10} {total:7.2f} {waited[0]:16.2f} {waited[1]:16.2f}", flush=True)
    for who, asked in (("reader", reader), ("writer", writer)):
        print(f"{who}: {len(asked.requests):,} questions, {len(asked.errors)} errors {asked.errors[:2]}")


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
    asked, over = ProbeResult(), threading.Event()

    def go_on() -> None:
        number = 0
        while not over.wait(_EVERY_SECONDS):
            number += 1
            begun = time.monotonic()
            try:
                with engine.begin() as connection:
                    request(connection, number)
            except Exception as error:
                asked.errors.append(str(error).splitlines()[0])
            asked.requests.append((begun, time.monotonic() - begun))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
