"""The median of spans some of which are not over yet. Pure.

E. L. Kaplan and P. Meier, "Nonparametric Estimation from Incomplete Observations", Journal of the American Statistical
Association 53, 1958: the share S(t) of spans longer than t is the product, over all lengths up to t at which spans
ended, of 1 - (spans that ended then) / (spans that had lasted so long). What is still open counts as long as it has
lasted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from db.metrics import sketch
from db.metrics.distribution import Floats, Ints
from db.metrics.table import Exact

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


def medians_with_open(
    exact: Exact, histograms: tuple[Ints, Ints], size: int, ages: Mapping[int, Sequence[float]]
) -> list[float | None]:
    """Of each of `size` rows, null where no episode ended. The lengths of a row are single values or a histogram
    (condensed), which is within 1 % of them. `ages`: by row, for how many seconds each open episode has been open."""
    rows, values, counts = _ended(exact, *histograms)
    if not len(rows):
        return [None] * size
    totals = np.bincount(rows, weights=counts, minlength=size).astype(np.int64)
    # Where none is open, S(t) comes down to one half at the lower of the two middle lengths.
    middle = np.cumsum(totals) - totals + (totals - 1) // 2
    at = np.searchsorted(np.cumsum(counts), middle, side="right")
    plain = values[np.minimum(at, len(values) - 1)].tolist()
    found = [median if total else None for median, total in zip(plain, totals.tolist(), strict=True)]
    for row, open_for in ages.items():
        if totals[row]:
            part = slice(*np.searchsorted(rows, (row, row + 1)))
            ended = Counter[float]()
            for length, number in zip(values[part].tolist(), counts[part].tolist(), strict=True):
                ended[length] += number
            found[row] = median_with_open(ended, open_for)
    return found


def _ended(exact: Exact, places: Ints, counts: Ints) -> tuple[Ints, Floats, Ints]:
    """Rows, lengths and numbers of episodes that are over, ascending by row and length."""
    rows, values = places // sketch.WIDTH, sketch.values(places % sketch.WIDTH)
    if not len(exact.rows):
        return rows, values, counts
    rows, values = np.concatenate((exact.rows, rows)), np.concatenate((exact.values, values))
    order = np.lexsort((values, rows))
    ones = np.ones(len(exact.rows), dtype=np.int64)
    return rows[order], values[order], np.concatenate((ones, counts))[order]
