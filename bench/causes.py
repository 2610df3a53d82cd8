"""Accuracy of the extraction of failure causes on a folder of labelled logs: `python -m bench.causes FOLDER`.

FOLDER contains NAME.log files and gold.json: by name, `eco` (ecosystem), `gold` and `near` (regular expressions; `near`
may be null) and `step` (start and end of the failed step). A shown line is exact if `gold` matches it, near if `near`
does. "In excerpt": a line of the excerpt matches `gold`. With `--hostile SIZE_MB`: CPU time and memory of logs that are
built to be slow."""

import argparse
import json
import re
import sys
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.logs.excerpt import excerpt_text


@dataclass(frozen=True)
class Result:
    """`verdict` is exact, near or wrong."""

    name: str
    ecosystem: str
    kind: str
    verdict: str
    in_excerpt: bool
    line: str | None
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.causes", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--hostile", type=int, metavar="SIZE_MB")
    arguments = parser.parse_args()
    if arguments.folder:
        report(list(measure(arguments.folder)))
    if arguments.hostile:
        report_hostile(arguments.hostile * 1_000_000)


def measure(folder: Path) -> Iterator[Result]:
    """The results of all cases, in the order of gold.json."""
    for name, case in json.loads((folder / "gold.json").read_text("utf-8")).items():
        text = (folder / f"{name}.log").read_bytes()
        start = time.thread_time()
        excerpt = excerpt_text(text, (case["step"][0], case["step"][1]))
        seconds = time.thread_time() - start
        in_excerpt = any(re.search(case["gold"], line) for line in excerpt.lines)
        yield Result(
            name, case["eco"], case.get("kind", ""), _verdict(excerpt.error_line, case), in_excerpt,
            excerpt.error_line, seconds,
        )  # fmt: skip


def _verdict(line: str | None, case: dict[str, Any]) -> str:
    # Lines are stored without indentation and without the mark of the runner, which expressions may require.
    shown = [line, f"  {line}", f"    {line}", f"##[error]{line}"] if line else []
    if any(re.search(case["gold"], text) for text in shown):
        return "exact"
    return "near" if case.get("near") and any(re.search(case["near"], text) for text in shown) else "wrong"


def report(results: list[Result]) -> None:
    """Prints a table by ecosystem, the totals, and the cases that are not exact."""
    for title, group in (("ecosystem", "ecosystem"), ("kind", "kind")):
        groups: dict[str, list[Result]] = defaultdict(list)
        for result in results:
            groups[getattr(result, group)].append(result)
        print(f"{title:<16} {'cases':>5} {'exact':>6} {'near':>5} {'wrong':>6} {'in excerpt':>11}")
        for name, members in sorted(groups.items()):
            _print_row(name, members)
        print()
    _print_row("all", results)
    for result in results:
        if result.verdict != "exact" or not result.in_excerpt:
            print(
                f"{result.verdict:<6} {'' if result.in_excerpt else 'not in excerpt':<15} {result.name}: {result.line}"
            )
    slowest = max(results, key=lambda result: result.seconds)
    print(f"slowest: {slowest.name}, {slowest.seconds:.2f} s; all: {sum(each.seconds for each in results):.1f} s")


def _print_row(name: str, results: list[Result]) -> None:
    count = len(results)
    exact, near = (sum(each.verdict == verdict for each in results) for verdict in ("exact", "near"))
    shown = sum(each.in_excerpt for each in results)
    print(
        f"{name:<16} {count:>5} {exact:>6} {near:>5} {count - exact - near:>6} {shown:>11}"
        f"   {exact / count:6.1%} {shown / count:6.1%}"
    )


_STAMP = "2026-11-18T12:00:00.0000000Z "
_EXIT = f"\n{_STAMP}##[error]Process completed with exit code 1.\n"
HOSTILE: dict[str, Callable[[int], str]] = {
    "one line": lambda size: _STAMP + "error: at a.b.C:12: (x) [y] 'z' FAILED " * (size // 40) + _EXIT,
    "a million lines": lambda size: f"{_STAMP}Error: at a.b:1 failed\n" * (size // 52) + _EXIT,
    "different lines": lambda size: "".join(f"{_STAMP}Error {k}: FAILED a::b{k}\n" for k in range(size // 56)) + _EXIT,
    "nested brackets": lambda size: (f"{_STAMP}" + "([{<" * 1_000 + "error\n") * (size // 4_034) + _EXIT,
    "escape sequences": lambda size: (f"{_STAMP}" + "\x1b[31mE\x1b[0m" * 100 + "\n") * (size // 1_030) + _EXIT,
    "groups": lambda size: f"{_STAMP}##[group]Run error:\n" * (size // 49) + _EXIT,
}


def report_hostile(size: int) -> None:
    """Prints CPU time and additional memory of each kind of slow log."""
    for name, build in HOSTILE.items():
        text = build(size).encode()
        tracemalloc.start()
        excerpt_text(text[: min(size, 4_000_000)], None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        start = time.thread_time()
        excerpt_text(text, None)
        print(f"{name:<18} {len(text) / 1e6:6.1f} MB  {time.thread_time() - start:6.2f} s CPU  {peak / 1e6:6.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
