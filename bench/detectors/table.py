"""Rows of the results, their measures and their text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from health.insights.statistics import DAY, Mask, RunSequences

Detector = Callable[[RunSequences, float], Mask]


@dataclass(frozen=True)
class ResultRow:
    """A result of the methods of the first and of the current release."""

    world: str
    measure: str
    first_release: str
    current: str


def new_reports_per_week(detector: Detector, runs: RunSequences, days: Iterable[int]) -> float:
    """Returns the number of reports per week that did not exist on the day before, evaluated once a day."""
    known = np.zeros(len(runs), dtype=np.bool_)
    new = evaluations = 0
    for day in days:
        detected = detector(runs, day * DAY)
        new += int((detected & ~known).sum())
        known, evaluations = detected, evaluations + 1
    return new * 7 / max(evaluations, 1)


def power(detector: Detector, runs: RunSequences, planted: int, since: float, after: Sequence[int]) -> str:
    """Returns the shares of the planted workflows that are reported after these numbers of days."""
    return " / ".join(f"{detector(runs, (since + days) * DAY)[:planted].mean():.0%}" for days in after)


def format_table(rows: Sequence[ResultRow]) -> str:
    heads = ResultRow("world", "measure", "first release", "now")
    widths = [max(len(getattr(row, name)) for row in (heads, *rows)) for name in vars(heads)]
    lines = [
        "  ".join(value.ljust(width) for value, width in zip(vars(row).values(), widths, strict=True)).rstrip()
        for row in (heads, *rows)
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
