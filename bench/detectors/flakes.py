"""Benchmarks of queue times with cold or scarce runners, and of flaky workflows by rate, volume and re-runs."""

from collections.abc import Iterator

import numpy as np

from bench.detectors import first
from bench.detectors.table import ResultRow
from bench.detectors.worlds import HOUR, pool
from health.insights.flaky import flakiness
from health.insights.runner_shortage import find_shortage
from health.metrics.definitions.percentiles import Floats

_WEEK, _SPAN = 168 * HOUR, 3 * HOUR
_POOLS = (2, 4, 6, 8, 10, 15, 20, 30, 40, 60)
_CHECK_INTERVAL = 600.0


def queue_benchmark(rng: np.random.Generator, *, quick: bool) -> Iterator[ResultRow]:
    days = 9 if quick else 29
    evaluated_days = days - 8
    old = new = 0
    for rate in _POOLS:
        reports = _report_times(*pool(rng, rate, days), 8 * 24 * HOUR, days * 24 * HOUR)
        old, new = old + len(reports[0]), new + len(reports[1])
    alarms = (f"{number * 7 / evaluated_days:.1f}" for number in (old, new))
    yield ResultRow("ten unchanged pools, 4 % cold starts", "false alarms a week", *alarms)
    since, pools = (14 * 24 + 10) * HOUR, 3 if quick else 10
    for rate in (4, 10, 60):
        delays: tuple[list[float], list[float]] = [], []
        for _ in range(pools):
            queued, waits = pool(rng, rate, 15, short_from=since)
            for hours, reports in zip(delays, _report_times(queued, waits, since, since + 8 * HOUR), strict=True):
                hours.extend([(reports[0] - since) / HOUR] if reports else [])
        yield ResultRow(
            f"60 % of the jobs wait, {rate} an hour",
            "power within 8 h, hours",
            *(f"{len(hours) / pools:.0%}, {np.median(hours):.1f} h" if hours else "0%" for hours in delays),
        )


def _report_times(queued: Floats, waits: Floats, since: float, until: float) -> tuple[list[float], list[float]]:
    """Returns the times at which each method began to report, evaluated every ten minutes."""
    began: tuple[list[float], list[float]] = [], []
    active = [False, False]
    for now in np.arange(since, until, _CHECK_INTERVAL).tolist():
        recent, before, week = (
            slice(*np.searchsorted(queued, edges))
            for edges in (
                (now - _SPAN, now),
                (now - _WEEK - _SPAN, now - _WEEK),
                (now - _WEEK, now - _SPAN),
            )
        )
        pairs = list(zip(queued[recent].tolist(), waits[recent].tolist(), strict=True))
        has_long_waits = sum(seconds >= 300 for _, seconds in pairs) > 0
        detected = (
            has_long_waits and first.queue_alert(waits[recent].tolist(), waits[week].tolist()),
            find_shortage(pairs, waits[before].tolist(), now) is not None,
        )
        for method, fires in enumerate(detected):
            if fires and not active[method]:
                began[method].append(now)
            active[method] = fires
    return began


def flaky_benchmark(rng: np.random.Generator, *, quick: bool) -> Iterator[ResultRow]:
    """Simulates 28 days, with 5 % of runs that fail because of a defect and fail again."""
    workflows = 20 if quick else 400
    for share, rate, habit in (
        (0.0, 200, 0.5),
        (0.002, 200, 0.5),
        (0.002, 10, 0.5),
        (0.01, 200, 0.5),
        (0.01, 50, 0.5),
        (0.05, 10, 0.5),
        (0.16, 2, 0.5),
        (0.16, 10, 0.1),
        (0.16, 10, 0.5),
        (0.16, 200, 0.1),
    ):
        decided = rng.poisson(rate * 28, workflows)
        flakes, defects = rng.binomial(decided, share), rng.binomial(decided, 0.05)
        observed, repeated = rng.binomial(flakes, habit), rng.binomial(defects, habit)
        in_14_days = rng.binomial(observed, 0.5)
        columns = observed, observed + repeated, flakes + defects, decided
        results = [flakiness(*counts) for counts in zip(*(column.tolist() for column in columns), strict=True)]
        flagged = np.mean([result.is_flaky for result in results])
        estimate = np.median([result.estimate or 0.0 for result in results])
        per_run = np.median(observed / np.maximum(decided, 1))
        yield ResultRow(
            f"{share:.1%} flakes, {rate} a day, {habit:.0%} re-run",
            "called flaky, rate shown",
            f"{np.mean([first.classified_flaky(int(number)) for number in in_14_days]):.0%}, {per_run:.1%}",
            f"{flagged:.0%}, {estimate:.1%}",
        )
