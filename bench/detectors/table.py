"""Rows of the result, and how they are printed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from health.insights.statistics import DAY, Mask, RunSequences

Detector = Callable[[RunSequences, float], Mask]


@dataclass(frozen=True)
class ResultRow:
    """`first` and `now` of the method of the first release and of the product."""

    world: str
    measure: str
    first_release: str
    current: str


def new_reports_per_week(detector: Detector, runs: RunSequences, days: Iterable[int]) -> float:
    """Reports that were not there the day before, a week; asked once a day."""
    known = np.zeros(len(runs), dtype=np.bool_)
    new = asked = 0
    for day in days:
        found = detector(runs, day * DAY)
        new += int((found & ~known).sum())
        known, asked = found, asked + 1
    return new * 7 / max(asked, 1)


def power(detector: Detector, runs: RunSequences, planted: int, since: float, after: Sequence[int]) -> str:
    """Shares of the planted workflows that are reported so many days later."""
    return " / ".join(f"{detector(runs, (since + days) * DAY)[:planted].mean():.0%}" for days in after)


def format_table(rows: Sequence[ResultRow]) -> str:
    heads = ResultRow("world", "measure", "first release", "now")
    widths = [max(len(getattr(row, name)) for row in (heads, *rows)) for name in vars(heads)]
    lines = ["  ".join(value.ljust(width) for value, width in zip(vars(row).values(), widths, strict=True)).rstrip()
             for row in (heads, *rows)]  # fmt: skip
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
