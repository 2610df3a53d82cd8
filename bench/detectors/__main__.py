"""Prints the table: `python -m bench.detectors`, some minutes; `--quick` only proves that it works."""

import argparse
import time
from collections.abc import Iterator

import numpy as np

from bench.detectors import flakes, regressions
from bench.detectors.table import ResultRow, format_table


def rows(seed: int, workflows: int, *, quick: bool) -> Iterator[ResultRow]:
    dice = np.random.default_rng(seed)
    yield from regressions.success_benchmark(dice, workflows, quick=quick)
    yield from regressions.duration_benchmark(dice, workflows, quick=quick)
    yield from flakes.queue_benchmark(dice, quick=quick)
    yield from flakes.flaky_benchmark(dice, quick=quick)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.detectors", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one table each")
    parser.add_argument("--workflows", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="few workflows and days")
    given = parser.parse_args(arguments)
    for seed in given.seeds:
        began = time.monotonic()
        found = list(rows(seed, 20 if given.quick else given.workflows, quick=given.quick))
        print(f"seed {seed}, {time.monotonic() - began:.0f} s\n{format_table(found)}\n")


if __name__ == "__main__":
    main()
