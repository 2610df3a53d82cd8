"""The median of spans some of which are not over yet. Pure.

E. L. Kaplan and P. Meier, "Nonparametric Estimation from Incomplete Observations", Journal of the American Statistical
Association 53, 1958: the share S(t) of spans longer than t is the product, over all lengths up to t at which spans
ended, of 1 - (spans that ended then) / (spans that had lasted so long). What is still open counts as long as it has
lasted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from db.metrics import sketch
from db.metrics.distribution import Recovery
from db.metrics.table import OPEN, Table

_RECOVERIES = "recoveries"
# S(t) is a product of quotients, exact only up to rounding.
_EXACT = 1e-12


def median_with_open(ended: Mapping[float, int], open_for: Iterable[float]) -> float | None:
    """The least t with S(t) <= 0.5, null where the curve does not reach it. `ended`: how many spans of each length
    ended; `open_for`: how long each open one has lasted. All in one unit. A span that is open for as long as another
    one lasted is taken to last longer."""
    lasting = Counter(open_for)
    at_risk = sum(ended.values()) + lasting.total()
    share = 1.0
    for length in sorted({*ended, *lasting}):
        if number := ended.get(length, 0):
            share *= 1 - number / at_risk
            if share <= 0.5 + _EXACT:
                return length
        at_risk -= number + lasting[length]
    return None


def with_open(table: Table, recoveries: Sequence[Recovery], ages: Mapping[int, Sequence[float]]) -> list[Recovery]:
    """The recoveries of each row of the table, with the number of its episodes and their median. `ages`: by row, for
    how many seconds each open episode has been open. Lengths from histograms lie within 1 % of the exact ones."""
    ended = _ended(table)
    found = []
    for row, (recovery, still_open) in enumerate(zip(recoveries, table.counts[:, OPEN].tolist(), strict=True)):
        lengths = ended.get(row, Counter())
        number = sum(lengths.values()) + still_open
        median = median_with_open(lengths, ages.get(row, ())) if lengths else None
        found.append(replace(recovery, median_with_open=median, episodes=number))
    return found


def _ended(table: Table) -> dict[int, Counter[float]]:
    """By row, how many episodes of each length are over."""
    found: dict[int, Counter[float]] = {}
    exact, entries = table.exact[_RECOVERIES], table.histograms[_RECOVERIES]
    values = np.concatenate((exact.values, sketch.values(entries.buckets)))
    rows = np.concatenate((exact.rows, entries.rows))
    counts = np.concatenate((np.ones(len(exact.rows), dtype=np.int64), entries.counts))
    for row, value, count in zip(rows.tolist(), values.tolist(), counts.tolist(), strict=True):
        found.setdefault(row, Counter())[value] += int(count)
    return found
