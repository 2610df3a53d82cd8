"""`python -m bench.detectors` prints the results within minutes; `--quick` runs a smoke test."""

import argparse
import time
from collections.abc import Iterator

import numpy as np

from bench.detectors import flakes, regressions
from bench.detectors.table import ResultRow, format_table


def rows(seed: int, workflows: int, *, quick: bool) -> Iterator[ResultRow]:
    rng = np.random.default_rng(seed)
    yield from regressions.success_benchmark(rng, workflows, quick=quick)
    yield from regressions.duration_benchmark(rng, workflows, quick=quick)
    yield from flakes.queue_benchmark(rng, quick=quick)
    yield from flakes.flaky_benchmark(rng, quick=quick)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.detectors", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one table each")
    parser.add_argument("--workflows", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="few workflows and days")
    options = parser.parse_args(arguments)
    for seed in options.seeds:
        began = time.monotonic()
        results = list(rows(seed, 20 if options.quick else options.workflows, quick=options.quick))
        print(f"seed {seed}, {time.monotonic() - began:.0f} s\n{format_table(results)}\n")


if __name__ == "__main__":
    main()
