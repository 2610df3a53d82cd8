"""Accuracy of the extraction of failure causes on a folder of labelled logs: `python -m bench.causes FOLDER`.

FOLDER contains NAME.log files and gold.json: by name, `eco` (ecosystem), `gold` and `near` (regular expressions; `near`
may be null), `step` (start and end of the failed step) and, optionally, `class` (the acceptable classes). A shown
line is exact if `gold` matches it, near if `near` does. "In excerpt": a line of the excerpt matches `gold`. With
`--hostile SIZE_MB`: CPU time and memory of logs that are built to be slow."""

import argparse
import itertools
import json
import os
import re
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.logs.excerpt import excerpt_text
from health.insights.causes.extraction import extract
from health.insights.causes.job_causes import FailedJob
from health.insights.causes.model import CauseClass


@dataclass(frozen=True)
class Result:
    """`verdict` is exact, near or wrong. `classes`: the acceptable ones; empty if not labelled."""

    name: str
    ecosystem: str
    kind: str
    verdict: str
    in_excerpt: bool
    line: str | None
    seconds: float
    cause_class: str
    classes: tuple[str, ...]


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
        excerpt = excerpt_text(text, FailedJob(step=(case["step"][0], case["step"][1])))
        seconds = time.thread_time() - start
        line = excerpt.cause.line if excerpt.cause else None
        in_excerpt = any(re.search(case["gold"], shown) for shown in excerpt.lines)
        yield Result(
            name, case["eco"], case.get("kind", ""), _verdict(line, case), in_excerpt,
            line, seconds, str(excerpt.cause.kind) if excerpt.cause else CauseClass.UNKNOWN,
            tuple(case.get("class", ())),
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
    _print_classes([result for result in results if result.classes])
    slowest = max(results, key=lambda result: result.seconds)
    print(f"slowest: {slowest.name}, {slowest.seconds:.2f} s; all: {sum(each.seconds for each in results):.1f} s")


def _print_classes(results: list[Result]) -> None:
    """Shares of right, unknown and wrong classes, and of infrastructure, which rates are computed without."""
    if not results:
        return
    right = [result for result in results if result.cause_class in result.classes]
    wrong = [result for result in results if result not in right]
    unknown = [result for result in wrong if result.cause_class == CauseClass.UNKNOWN]
    print(f"class: {len(right)} of {len(results)} right ({len(right) / len(results):.1%}), {len(unknown)} unknown")
    named = [result for result in results if result.cause_class == CauseClass.INFRASTRUCTURE]
    false = [result.name for result in named if CauseClass.INFRASTRUCTURE not in result.classes]
    only = [result for result in results if result.classes == (CauseClass.INFRASTRUCTURE,)]
    missed = [result.name for result in only if result not in named]
    print(f"infrastructure: {len(only)} cases, missed {missed}; wrongly so {false}")
    for result in wrong:
        print(f"{result.cause_class:<14} instead of {', '.join(result.classes)}: {result.name}: {result.line}")


def _print_row(name: str, results: list[Result]) -> None:
    count = len(results)
    exact, near = (sum(each.verdict == verdict for each in results) for verdict in ("exact", "near"))
    shown = sum(each.in_excerpt for each in results)
    print(
        f"{name:<16} {count:>5} {exact:>6} {near:>5} {count - exact - near:>6} {shown:>11}"
        f"   {exact / count:6.1%} {shown / count:6.1%}"
    )


_STAMP = "2026-11-18T12:00:00.0000000Z "
_EXIT = f"{_STAMP}##[error]Process completed with exit code 1.\n"
_RUN = f"{_STAMP}##[group]Run error:\n"
# Lines of logs that are built to be slow, by the size in bytes.
HOSTILE: dict[str, Callable[[int], Iterator[str]]] = {
    "one line": lambda size: iter([_STAMP + "error: at a.b.C:12: (x) [y] 'z' FAILED " * (size // 40) + "\n"]),
    "a million equal lines": lambda size: (f"{_STAMP}Error: at a.b:1 failed\n" for _ in range(size // 52)),
    "a million different lines": lambda size: (f"{_STAMP}Error {k}: FAILED a::b{k}\n" for k in range(size // 56)),
    "a million plain lines": lambda size: (
        f"{_STAMP}the value {k} is stored in the table\n" for k in range(size // 66)
    ),
    "nested brackets": lambda size: (_STAMP + "([{<" * 1_000 + f"error {k}\n" for k in range(size // 4_040)),
    "escape sequences": lambda size: (_STAMP + "\x1b[31mE\x1b[0m" * 100 + f"{k}\n" for k in range(size // 1_036)),
    "groups": lambda size: (_RUN for _ in range(size // 49)),
    "stack frames": lambda size: (f"{_STAMP}\tat a.b.C.d{k}(C.java:{k})\n" for k in range(size // 56)),
}


def report_hostile(size: int) -> None:
    """Prints CPU time and additional memory of each kind of slow log, each in a process of its own."""
    for name, build in HOSTILE.items():
        child = os.fork()
        if not child:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            start = time.thread_time()
            extract(itertools.chain(build(size), [_EXIT]))
            seconds = time.thread_time() - start
            memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1_000
            print(f"{name:<26} {size / 1e6:6.0f} MB  {seconds:6.1f} s CPU  {memory:6.0f} MB memory", flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    sys.exit(main())
