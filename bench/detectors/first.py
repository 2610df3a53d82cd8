"""Detectors of the first release as a baseline, with the same thresholds, vectorized where results are equal."""

from collections.abc import Sequence

import numpy as np

from health.insights.statistics import DAY, Mask, RunSequences, fisher_exact_greater_many
from health.metrics.definitions.percentiles import Floats, percentile_of_list

_RECENT, _LOOK_BACK = 7 * DAY, 37 * DAY
_MAX_RUNS, _MAX_WORKFLOWS, _MIN_RUNS, _MAX_RUNS_BEFORE, _MIN_T = 160, 60, 12, 24, 7.0


def detect_success_drops(runs: RunSequences, now: float) -> Mask:
    """400 tests at p < 0.05, at least 5 points and 3 failures: the last 7 days against the 30 before."""
    runs = runs.between(now - _LOOK_BACK, now)
    group, recent, size = runs.group, now - runs.created < _RECENT, len(runs)
    failed, passed, failed_before, passed_before = (
        np.bincount(group[mask], minlength=size)
        for mask in (runs.failed & recent, ~runs.failed & recent, runs.failed & ~recent, ~runs.failed & ~recent)
    )
    p = fisher_exact_greater_many(failed, passed, failed_before, passed_before)
    before = passed_before / np.maximum(passed_before + failed_before, 1)
    detected: Mask = (
        (p < 0.05)
        & (before - passed / np.maximum(passed + failed, 1) >= 0.05)
        & (failed >= 3)
        & (passed_before + failed_before > 0)
    )
    return detected


def first_failure(runs: RunSequences, now: float) -> float | None:
    """Returns the time of the first failure by a CUSUM of the last 7 days against the rate before."""
    early = runs.between(now - _LOOK_BACK, now - _RECENT)
    late = runs.between(now - _RECENT, now)
    expected = float(np.mean(early.failed)) if len(early.failed) else 0.0
    total = best = 0.0
    start = change = 0
    for index, bad in enumerate(late.failed.tolist()):
        if total <= 0.0:
            total, start = 0.0, index
        total += (1.0 if bad else 0.0) - expected
        if total > best:
            best, change = total, start
    failures = np.nonzero(late.failed)[0]
    later = failures[failures >= change]
    return float(late.created[later[0]]) if len(later) else None


def detect_slowdowns(runs: RunSequences, now: float) -> Mask:
    """Perfherder's t over the newest 160 runs, of the 60 workflows whose daily means rose most."""
    runs = runs.between(now - _LOOK_BACK, now)
    detected = np.zeros(len(runs), dtype=np.bool_)
    hints = {}
    for number in range(len(runs)):
        hint = _hint(runs.workflow(number), now)
        if hint > 1:
            hints[number] = hint
    for number in sorted(hints, key=lambda number: -hints[number])[:_MAX_WORKFLOWS]:
        detected[number] = _has_step(runs.workflow(number).seconds[-_MAX_RUNS:])
    return detected


def _hint(runs: RunSequences, now: float) -> float:
    if not len(runs.seconds):
        return 0.0
    span = ((now - runs.created) // DAY).astype(np.int64)[::-1]
    seconds = runs.seconds[::-1]
    count, total = np.bincount(span), np.bincount(span, weights=seconds)
    there = count > 0
    count, total = np.cumsum(count[there]), np.cumsum(total[there])
    if len(count) < 2:
        return 0.0
    after = total[:-1] / count[:-1]
    before = (total[-1] - total[:-1]) / (count[-1] - count[:-1])
    rises = (after - before > 30.0) & (after > before * 1.12)
    return float((after / before)[rises].max(initial=0.0))


def _has_step(seconds: Floats) -> bool:
    size = len(seconds)
    if size < 2 * _MIN_RUNS:
        return False
    total, squares = (np.concatenate(([0.0], np.cumsum(values))) for values in (seconds, seconds * seconds))
    index = np.arange(_MIN_RUNS, size - _MIN_RUNS + 1)
    low, high = np.maximum(index - _MAX_RUNS_BEFORE, 0), index + _MIN_RUNS

    def side(first: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        number = end - first
        mean = (total[end] - total[first]) / number
        variance = (squares[end] - squares[first] - number * mean * mean) / (number - 1)
        return mean, np.maximum(variance, 1.0) / number

    (before, error_before), (after, error_after) = side(low, index), side(index, high)
    t = (after - before) / np.sqrt(error_before + error_after)
    best = int(np.argmax(t))
    if t[best] <= _MIN_T:
        return False
    old, new, latest = (
        float(np.median(part))
        for part in (seconds[low[best] : index[best]], seconds[index[best] :], seconds[-_MIN_RUNS:])
    )
    return min(new, latest) >= max(old * 1.2, old + 60.0)


def queue_alert(recent: Sequence[float], week: Sequence[float]) -> bool:
    """Returns whether the p95 of the last 3 hours is at least 5 minutes and three times that of the week before."""
    p95, usual = percentile_of_list(sorted(recent), 0.95) or 0.0, percentile_of_list(sorted(week), 0.95) or 0.0
    return len(recent) >= 5 and p95 >= max(300.0, 3 * usual)


def classified_flaky(flaky_in_14_days: int) -> bool:
    return flaky_in_14_days >= 3
