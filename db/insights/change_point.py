"""Since when something is slower, or fails more often. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.insights.significance import welch_t
from db.metrics.distribution import percentile

# Mozilla's Perfherder: 12 to 24 results before, 12 after, and a t above 7
# (firefox-source-docs.mozilla.org/testing/perfdocs, "Perfherder alerts").
LEAST, _MOST_BEFORE = 12, 24
_T = 7.0
_SLOWER, _SECONDS = 1.2, 60.0


@dataclass(frozen=True)
class Step:
    """`index` is the first value after the change; `before` and `after` are medians; `t` of Welch."""

    index: int
    before: float
    after: float
    sample_before: int
    sample_after: int
    t: float


def slower_since(seconds: Sequence[float]) -> Step | None:
    """The most certain step up in durations, oldest first, that still holds: at least 20 % and a minute slower, then
    and in the latest twelve. Null where there is none."""
    best: tuple[float, int] | None = None
    for index in range(LEAST, len(seconds) - LEAST + 1):
        t = welch_t(seconds[max(index - _MOST_BEFORE, 0) : index], seconds[index : index + LEAST])
        if t > _T and (best is None or t > best[0]):
            best = t, index
    if best is None:
        return None
    t, index = best
    before, after = seconds[max(index - _MOST_BEFORE, 0) : index], seconds[index:]
    old, new, latest = _median(before), _median(after), _median(seconds[-LEAST:])
    if min(new, latest) < max(old * _SLOWER, old + _SECONDS):
        return None
    return Step(index, old, new, len(before), len(after), t)


def worse_since(failed: Sequence[bool], expected: float) -> int:
    """Where failures began to come more often than `expected`: the start of the stretch that ends with the largest
    excess (E. S. Page, "Continuous Inspection Schemes", 1954: CUSUM). The first failure of that stretch."""
    total = best = 0.0
    start = found = 0
    for index, bad in enumerate(failed):
        if total <= 0.0:
            total, start = 0.0, index
        total += (1.0 if bad else 0.0) - expected
        if total > best:
            best, found = total, start
    return next((index for index in range(found, len(failed)) if failed[index]), found)


def _median(values: Sequence[float]) -> float:
    return percentile(sorted(values), 0.5) or 0.0
