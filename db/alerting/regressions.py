"""How much worse a workflow got, as a measure. Pure; what counts as worse is said in db.insights."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from db.alerting.judge import NOTHING, Measure
from db.insights.change_point import LEAST, slower_since
from db.insights.significance import fisher_worse
from db.metrics.distribution import percentile_of, ratio

_DAY = 86400.0
# The last 7 days against the 30 before, as db.findings.regressions.
RECENT, LOOK_BACK = 7 * _DAY, 37 * _DAY
CERTAIN = 0.05
_MOST_RUNS = 160


class Ended(NamedTuple):
    """A decided run on the default branch; times in seconds since 1970. `seconds`: its duration, where known."""

    created: float
    completed: float
    failed: bool
    seconds: float | None


def less_successful(failed: int, passed: int, failed_before: int, passed_before: int) -> Measure:
    """Points by which the success rate fell; below 0 where it rose."""
    rate, before = ratio(passed, passed + failed), ratio(passed_before, passed_before + failed_before)
    if rate is None or before is None:
        return NOTHING
    p_value = fisher_worse(failed, passed, failed_before, passed_before)
    return Measure(before - rate, failed, certain=p_value < CERTAIN)


def success_at(runs: Sequence[Ended], at: float) -> Measure:
    """Of the runs that had ended by then, by their creation."""
    counts = [[0, 0], [0, 0]]
    for run in runs:
        age = at - run.created
        if run.completed <= at and age < LOOK_BACK:
            counts[age >= RECENT][run.failed] += 1
    (passed, failed), (passed_before, failed_before) = counts
    return less_successful(failed, passed, failed_before, passed_before)


def duration_at(runs: Sequence[Ended], at: float) -> Measure:
    """Relative to the median before, of the newest successful runs that had ended by then. `runs` by creation."""
    known = [run.seconds for run in runs if not run.failed and run.seconds is not None and run.completed <= at
             and at - run.created < LOOK_BACK][-_MOST_RUNS:]  # fmt: skip
    if len(known) < 2 * LEAST or not _maybe(known):
        return NOTHING
    step = slower_since(known)
    return Measure(step.after / step.before - 1, step.sample_after) if step else NOTHING


def days(since: float, until: float) -> Iterator[float]:
    """A replay looks once a day, at midnight UTC, and at the end."""
    at = (since // _DAY + 1) * _DAY
    while at < until:
        yield at
        at += _DAY
    yield until


def _maybe(seconds: Sequence[float]) -> bool:
    """Are the latest so slow that a step is worth looking for? Most workflows are not, and looking is dear."""
    low, latest = percentile_of(sorted(seconds), 0.1), percentile_of(sorted(seconds[-LEAST:]), 0.5)
    return low is not None and latest is not None and latest >= max(low * 1.2, low + 60)
