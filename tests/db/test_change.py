"""Changes against the previous period: intervals against published examples, and what is told of too few runs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from db.definitions.scope import Window
from health.metrics.definitions.catalogue import FIGURES
from health.metrics.definitions.change import (
    NOT_ENOUGH_RUNS,
    DurationPair,
    change,
    difference_of_proportions,
    duration_change,
    percent_change,
    ratio_of_percentiles,
    standardized_change,
    wilson,
)
from health.metrics.definitions.formulas import Metrics
from health.metrics.definitions.percentiles import Distribution
from tests.figures import fact, figures


# Newcombe 1998, table II of the paper on differences, method 10.
@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_the_interval_of_a_difference_of_shares(
    now: tuple[int, int], before: tuple[int, int], expected: tuple[float, float]
) -> None:
    assert difference_of_proportions(now, before) == pytest.approx(expected, abs=5e-5)


# Newcombe 1998, table I of the paper on single proportions, method 3.
@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_the_interval_of_a_share(part: int, whole: int, expected: tuple[float, float]) -> None:
    assert wilson(part, whole) == pytest.approx(expected, abs=5e-5)


def test_the_interval_of_a_ratio_is_that_of_the_difference_of_the_logarithms() -> None:
    low, high = ratio_of_percentiles((120.0, (100.0, 150.0)), (100.0, (90.0, 110.0))) or (0.0, 0.0)
    assert (low, high) == (pytest.approx(0.9769, abs=1e-4), pytest.approx(1.5359, abs=1e-4))
    assert low < 1.2 < high
    assert ratio_of_percentiles((1.0, (0.0, 2.0)), (1.0, (1.0, 1.0))) is None


def _runs(passed: int, failed: int, seconds: Sequence[float] = ()) -> Metrics:
    lengths = [*seconds, *[60.0] * (passed - len(seconds))]
    facts = [fact("success", duration_seconds=each) for each in lengths[:passed]]
    return figures([*facts, *[fact("failure", duration_seconds=9.0)] * failed])


def test_a_rate_is_coloured_only_where_its_interval_excludes_zero() -> None:
    rate = FIGURES["success_rate"]
    noise = change(rate, _runs(45, 5), _runs(48, 2))
    assert noise is not None
    assert (noise.text, noise.direction, noise.is_improvement, noise.n, noise.n_before) == ("−6.0 pp", -1, None, 50, 50)
    worse = change(rate, _runs(160, 40), _runs(190, 10))
    assert worse is not None
    assert (worse.text, worse.is_improvement) == ("−15.0 pp", False)
    assert worse.interval is not None
    assert worse.interval[1] < 0
    better = change(FIGURES["failure_rate"], _runs(190, 10), _runs(160, 40))
    assert better is not None
    assert (better.text, better.is_improvement) == ("−15.0 pp", True)


@pytest.mark.parametrize(("now", "before"), [((0, 1), (9, 0)), ((9, 0), (300, 4)), ((300, 4), (9, 0))])
def test_below_ten_runs_on_a_side_nothing_is_said_of_a_change(now: tuple[int, int], before: tuple[int, int]) -> None:
    for name in ("success_rate", "failure_rate", "duration_p50", "runs"):
        found = change(FIGURES[name], _runs(*now), _runs(*before))
        assert found is not None, name
        assert (found.text, found.difference, found.is_improvement, found.has_enough_runs) == (
            NOT_ENOUGH_RUNS,
            None,
            None,
            False,
        ), name


def test_an_amount_has_no_colour_however_much_it_grew() -> None:
    found = change(FIGURES["failures"], _runs(400, 120), _runs(400, 12))
    assert found is not None
    assert (found.text, found.is_improvement, found.interval) == ("×10", None, None)
    grown = change(FIGURES["runs"], _runs(30, 0), _runs(24, 0))
    assert grown is not None
    assert grown.text == "+25.0%"


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.25, "+25.0%"), (0.5, "−50.0%"), (1.0004, "0.0%"), (9.99, "+899.0%"), (26, "×26")]
)
def test_a_change_has_one_sign_and_large_ones_are_factors(ratio: float, text: str) -> None:
    assert percent_change(ratio) == text


def test_medians_are_compared_by_their_intervals() -> None:
    median = FIGURES["success_duration_p50"]
    spread = [100.0 + number for number in range(60)]
    slower = change(median, _runs(60, 0, [each * 1.5 for each in spread]), _runs(60, 0, spread))
    assert slower is not None
    assert (slower.text, slower.is_improvement) == ("+50.0%", False)
    same = change(median, _runs(60, 0, [each * 1.02 for each in spread]), _runs(60, 0, spread))
    assert same is not None
    assert (same.text, same.is_improvement) == ("+2.0%", None)
    tail = change(FIGURES["success_duration_p95"], _runs(19, 0), _runs(40, 0))
    assert tail is not None
    assert tail.text == NOT_ENOUGH_RUNS


def _lengths(middle: float, n: int, spread: float = 0.1) -> Distribution:
    return Distribution(middle, middle, middle, middle, n, (middle * (1 - spread), middle * (1 + spread)))


def test_other_workflows_in_a_window_are_no_change_of_durations() -> None:
    fast, slow = _lengths(60, 50), _lengths(600, 50)
    found = duration_change([DurationPair(10, fast, fast), DurationPair(90, slow, slow)])
    assert found is not None
    assert (found.ratio, found.share, found.workflows) == (pytest.approx(1.0), 1.0, 2)
    longer = duration_change([DurationPair(100, _lengths(66, 50), fast), DurationPair(300, _lengths(1200, 50), slow)])
    assert longer is not None
    assert longer.ratio == pytest.approx(1.1**0.25 * 2**0.75)


def test_workflows_with_few_successes_on_a_side_are_left_out_and_the_share_says_so() -> None:
    usual, few = _lengths(60, 5), _lengths(6000, 4)
    new = Distribution(None, None, None, None)
    found = duration_change(
        [DurationPair(30, usual, usual), DurationPair(10, few, usual), DurationPair(20, usual, new)]
    )
    assert found is not None
    assert (found.workflows, found.share) == (1, 0.5)
    assert duration_change([DurationPair(10, few, usual)]) is None
    assert duration_change([]) is None


def test_the_change_of_durations_is_coloured_by_its_interval() -> None:
    figure = FIGURES["success_duration_p50"]
    slower = duration_change([DurationPair(100, _lengths(90, 50), _lengths(60, 50))])
    written = standardized_change(figure, slower, 50, 50)
    assert written is not None
    assert (written.text, written.is_improvement) == ("+50.0%", False)
    unsure = standardized_change(figure, duration_change([DurationPair(9, _lengths(63, 50), _lengths(60, 50))]), 50, 50)
    assert unsure is not None
    assert (unsure.text, unsure.is_improvement) == ("+5.0%", None)
    few = standardized_change(figure, slower, 9, 50)
    assert few is not None
    assert few.text == NOT_ENOUGH_RUNS
    assert standardized_change(figure, None, 50, 50) is None


@pytest.mark.parametrize(
    ("span", "weeks"),
    [(timedelta(hours=10), 1), (timedelta(days=1), 1), (timedelta(days=7), 1), (timedelta(days=7, seconds=1), 2),
     (timedelta(days=30), 5), (timedelta(days=90), 13), (timedelta(days=365), 53)],
)  # fmt: skip
def test_the_previous_period_has_the_same_weekdays_and_hours(span: timedelta, weeks: int) -> None:
    until = datetime(2026, 11, 18, 10, 20, tzinfo=UTC)
    window = Window(until - span, until)
    before = window.before()
    assert (before.span, before.until.weekday(), before.until.time()) == (span, until.weekday(), until.time())
    assert window.since - before.since == timedelta(weeks=weeks)
    assert before.until <= window.since
