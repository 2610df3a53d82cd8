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
from db.metrics.distribution import Floats, Ints, Recovery
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
    rows, lengths, numbers = _ended(table)
    ended = np.bincount(rows, weights=numbers, minlength=len(table)).astype(np.int64)
    medians = _medians(rows, lengths, numbers, ended)
    for row, open_for in ages.items():
        here = slice(*np.searchsorted(rows, (row, row + 1)))
        of_row = Counter[float]()
        for length, number in zip(lengths[here].tolist(), numbers[here].tolist(), strict=True):
            of_row[length] += number
        medians[row] = median_with_open(of_row, open_for)
    episodes = (ended + table.counts[:, OPEN]).tolist()
    return [
        replace(recovery, median_with_open=medians.get(row), episodes=number)
        for row, (recovery, number) in enumerate(zip(recoveries, episodes, strict=True))
    ]


def _ended(table: Table) -> tuple[Ints, Floats, Ints]:
    """Rows, lengths, and how many episodes of the row are of that length; ascending by both."""
    exact, entries = table.exact[_RECOVERIES], table.histograms[_RECOVERIES]
    rows = np.concatenate((exact.rows, entries.rows))
    lengths = np.concatenate((exact.values, sketch.values(entries.buckets)))
    numbers = np.concatenate((np.ones(len(exact.rows), dtype=np.int64), entries.counts))
    order = np.lexsort((lengths, rows))
    return rows[order], lengths[order], numbers[order]


def _medians(rows: Ints, lengths: Floats, numbers: Ints, ended: Ints) -> dict[int, float | None]:
    """Of rows where every episode is over: the shortest length that half of them do not exceed."""
    before = np.cumsum(ended) - ended
    reached = 2 * (np.cumsum(numbers) - before[rows]) >= ended[rows]
    listed, first = np.unique(rows[reached], return_index=True)
    return dict(zip(listed.tolist(), lengths[reached][first].tolist(), strict=True))
