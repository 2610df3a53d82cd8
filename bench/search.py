"""Benchmark of the search over stored logs: `python -m bench.search [100000] [--database URL] [--filled]`.

Builds that many logs of about 20 KB with a vocabulary of real words, repeated set-up lines, hashes and numbers, indexes
them with the collector's code, and reports the sizes, the cost of indexing, and the time until the first result and
until the end of searches of each kind. With --collecting another process stores and indexes logs meanwhile."""

import argparse
import random
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, insert, select, text

from db.definitions.scope import Scope, Window
from db.engine import make_engine, session_scope, write_scope
from db.migrate import upgrade
from db.models import Job, JobLog, LogSearchEntry, LogSearchPosting, LogSearchSegment, Repository, Run, Workflow
from health.log_search.index import create_segment, index_logs, index_state
from health.log_search.query import LogQuery
from health.log_search.search import LogSearch, LogSearchRequest

ROOT = Path(__file__).parents[1]
REPOSITORIES = 200
_BATCH = 500
_OWN_WORDS = 300


class LogTexts:
    """Texts of logs. Those of one repository share a part of their words; `needle` is in one log of a thousand."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        words: dict[str, None] = {}
        sources = (path for path in sorted(ROOT.glob("**/*.py")) if not {".venv", "bench"} & set(path.parts))
        for path in islice(sources, 600):
            words |= dict.fromkeys(word for word in path.read_text("utf-8", "replace").split() if len(word) < 60)
        self._words = list(words)
        self._common = [self._line(self._words) for _ in range(20_000)]
        self._own: dict[int, list[str]] = {}

    def text(self, number: int) -> str:
        """Lines of the repository, lines of all logs, and lines with a hash of their own."""
        dice, repository = self._dice, number % REPOSITORIES
        if repository not in self._own:
            first = repository * (len(self._words) - _OWN_WORDS) // REPOSITORIES
            self._own[repository] = [self._line(self._words[first : first + _OWN_WORDS]) for _ in range(1_000)]
        count = dice.randrange(80, 320)
        lines = dice.choices(self._own[repository], k=count * 5 // 10) + dice.choices(self._common, k=count * 4 // 10)
        lines += [
            f"Downloading {dice.choice(self._words)} sha256:{dice.getrandbits(256):064x}" for _ in range(count // 10)
        ]
        dice.shuffle(lines)
        if number % 1_000 == 7:
            lines.append(f"Error: connect ECONNREFUSED 10.0.{number % 250}.7:5432 after {number} ms")
        lines.append("##[error]Process completed with exit code 1.")
        return "\n".join(
            f"2026-11-03T10:05:{at % 60:02}.{at * 7919 % 10**7:07}Z {line}" for at, line in enumerate(lines)
        )

    def _line(self, words: list[str]) -> str:
        dice = self._dice
        line = " ".join(dice.choices(words, k=dice.randrange(3, 9)))
        return f"\x1b[32m✓\x1b[0m {line} ({dice.randrange(5_000)} ms)" if dice.random() < 0.15 else line


def fill(engine: Engine, logs: int, now: datetime) -> int:
    """Stores the logs; returns the bytes of their texts."""
    texts, raw = LogTexts(1), 0
    with write_scope(engine) as session:
        for number in range(1, REPOSITORIES + 1):
            name = f"acme/service-{number}"
            session.add(
                Repository(id=number, full_name=name, default_branch="main", private=False, archived=False, html_url="")
            )
            session.flush()
            session.add(Workflow(repository_id=number, id=number, name="CI", path="ci.yml", state="active"))
    for first in range(1, logs + 1, _BATCH):
        rows: dict[Any, list[dict[str, Any]]] = {Run: [], Job: [], JobLog: [], LogSearchEntry: []}
        for number in range(first, min(first + _BATCH, logs + 1)):
            content = texts.text(number).encode()
            raw += len(content)
            for model, row in _rows(number, zlib.compress(content), now - timedelta(minutes=number * 129_600 / logs)):
                rows[model].append(row)
        with write_scope(engine) as session:
            for model, values in rows.items():
                session.execute(insert(model), values)
    return raw


def _rows(number: int, content: bytes, at: datetime) -> Iterator[tuple[Any, dict[str, Any]]]:
    repository = number % REPOSITORIES + 1
    key = {"repository_id": repository}
    yield Run, key | {
        "id": number, "workflow_id": repository, "workflow_name": "CI", "run_number": number, "attempt": 1,
        "title": "a change", "event": "push", "branch": ("main", "dev")[number % 2],
        "on_default_branch": number % 2 == 0,
        "head_sha": f"{number:040x}", "actor": "ann", "status": "completed", "conclusion": "failure",
        "outcome": "failure", "created_at": at, "started_at": at, "completed_at": at, "updated_at": at,
        "html_url": "", "details_pending": False,
    }  # fmt: skip
    yield Job, key | {
        "id": number, "run_id": number, "attempt": 1, "name": "test", "status": "completed", "conclusion": "failure",
        "created_at": at, "started_at": at, "completed_at": at, "labels": [], "steps": [],
    }  # fmt: skip
    yield JobLog, key | {
        "job_id": number, "run_id": number, "state": "stored", "content": content, "excerpt": [], "requested_at": at,
        "fetched_at": at,
    }  # fmt: skip
    yield LogSearchEntry, key | {"job_id": number, "created_at": at, "fetched_at": at}


SEARCHES = (
    ("literal, rare", "ECONNREFUSED 10.0.7.7", False),
    ("literal, in 0.1 % of the logs", "connect ECONNREFUSED", False),
    ("literal, in every log", "Process completed with exit code", False),
    ("literal, in some repositories", "session_scope", False),
    ("literal, absent", "Zzqqy.NotInAnyLog", False),
    ("literal, two characters", "✓", False),
    ("expression, rare", r"ECONNREFUSED 10\.0\.\d+\.7:5432 after \d+7 ms", True),
    ("expression, alternatives", r"(ETIMEDOUT|ECONNREFUSED) 10\.\d", True),
    ("expression, common", r"exit code [1-9]", True),
    ("expression, absent", r"panic: .*goroutine \d+", True),
    ("expression, without literal", r"[0-9a-f]{40}", True),
    ("expression, absent, without literal", r"\d{3}-\d{3}-\d{4}$", True),
)


def measure(engine: Engine, now: datetime, repetitions: int) -> None:
    window = Window(now - timedelta(days=365), now + timedelta(days=1))
    print(f"{'search':38}{'first p50':>10}{'p95':>8}{'end p50':>9}{'p95':>8}{'CPU p95':>9}  results, read, unread")
    for name, pattern, is_expression in SEARCHES:
        firsts, ends, cpu, last = list[float](), list[float](), list[float](), ""
        for _ in range(repetitions):
            begun, cpu_begun = time.perf_counter(), time.process_time()
            query = LogQuery(pattern, is_expression=is_expression, case_sensitive=False)
            with session_scope(engine) as session:
                page = LogSearch(session, LogSearchRequest(query, Scope(), window))
                results, first = 0, None
                for _ in page.results():
                    first = first or time.perf_counter() - begun
                    results += 1
            ends.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - cpu_begun)
            firsts.append(first or ends[-1])
            last = f"{results}, {page.read}, {page.unread}{', partial' if page.is_partial else ''}"
        times = f"{_p(firsts, 50):10.2f}{_p(firsts, 95):8.2f}{_p(ends, 50):9.2f}{_p(ends, 95):8.2f}{_p(cpu, 95):9.2f}"
        print(f"{name:38}{times}  {last}", flush=True)


def _p(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def sizes(engine: Engine) -> dict[str, int]:
    """Bytes of the columns; on PostgreSQL also of the tables with their indexes."""
    with session_scope(engine) as session:
        columns = {
            "texts, compressed": JobLog.content,
            "postings": LogSearchPosting.content,
            "documents": LogSearchSegment.documents,
            "entries": LogSearchEntry.trigrams,
        }
        found = {
            name: int(session.scalar(select(func.sum(func.length(column)))) or 0) for name, column in columns.items()
        }
        for table in ("job_logs", "log_search_postings", "log_search_segments", "log_search_entries"):
            if engine.dialect.name == "postgresql":
                query = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
            else:
                query = text("SELECT sum(pgsize) FROM dbstat WHERE name = :name")
            found[f"table {table}"] = int(session.scalar(query, {"name": table}) or 0)
        return found


def collect(engine: Engine, first: int) -> None:
    """Stores and indexes logs until it is stopped."""
    texts = LogTexts(2)
    while True:
        now = datetime.now(UTC)
        rows = list[tuple[Any, dict[str, Any]]]()
        for number in range(first, first + 5):
            rows += _rows(number, zlib.compress(texts.text(number).encode()), now)
        first += 5
        with write_scope(engine) as session:
            for model, values in rows:
                session.execute(insert(model), [values])
        index_logs(engine, seconds=0.5)
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("logs", nargs="?", type=int, default=100_000)
    parser.add_argument("--database", required=True, help="URL of an empty database, or of a filled one with --filled")
    parser.add_argument("--filled", action="store_true")
    parser.add_argument("--collecting", action="store_true")
    parser.add_argument("--collect-from", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--repetitions", type=int, default=10)
    options = parser.parse_args()
    engine, now = make_engine(options.database), datetime.now(UTC)
    if options.collect_from:
        collect(engine, options.collect_from)
    if not options.filled:
        upgrade(engine)
        begun = time.perf_counter()
        raw = fill(engine, options.logs, now)
        print(f"{options.logs:,} logs, {raw / 1e6:,.0f} MB, stored in {time.perf_counter() - begun:,.0f} s", flush=True)
        begun, cpu = time.perf_counter(), time.process_time()
        while index_logs(engine, seconds=30) or create_segment(engine):
            pass
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        per_log = 1000 / options.logs
        print(
            f"indexed in {seconds:,.0f} s: {seconds * per_log:.1f} ms, {cpu * per_log:.1f} ms of CPU time per log",
            flush=True,
        )
    with session_scope(engine) as session:
        print(index_state(session))
    for name, size in sizes(engine).items():
        print(f"{name:32}{size / 1e6:10,.1f} MB")
    collector = None
    if options.collecting:
        command = [sys.executable, "-m", "bench.search", "--database", options.database, "--collect-from", "10000000"]
        collector = subprocess.Popen(command)
        time.sleep(5)
    try:
        measure(engine, now, options.repetitions)
    finally:
        if collector:
            collector.terminate()
            collector.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
