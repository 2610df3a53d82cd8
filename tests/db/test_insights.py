"""The detectors against values from their sources, and against what must not be found."""

import random
from math import comb

import pytest

from db.insights.change_point import slower_since, worse_since
from db.insights.clusters import clusters
from db.insights.significance import fisher_worse, welch_t, wilson_lower


@pytest.mark.parametrize(("part", "whole", "bound"), [(0, 0, 0.0), (1, 1, 0.2065), (30, 60, 0.3773), (0, 10, 0.0)])
def test_the_lower_bound_of_wilson(part: int, whole: int, bound: float) -> None:
    assert wilson_lower(part, whole) == pytest.approx(bound, abs=1e-4)


def test_fisher_and_the_lady_tasting_tea() -> None:
    """She names three of the four cups in which milk came first: 17 of 70 ways."""
    assert fisher_worse(3, 1, 1, 3) == pytest.approx(17 / 70)


def test_fisher_of_thousands_of_runs() -> None:
    failed, passed, failed_before, passed_before = 40, 460, 60, 1_940
    now, before, failures = 500, 2_000, 100
    ways = sum(comb(now, k) * comb(before, failures - k) for k in range(failed, failures + 1))
    assert fisher_worse(failed, passed, failed_before, passed_before) == pytest.approx(
        ways / comb(2_500, 100), rel=1e-6
    )


def test_welch_of_two_samples() -> None:
    before, after = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9], [27.1, 22.0, 20.8, 23.4, 23.4, 23.5]
    assert welch_t(before, after) == pytest.approx(1.2896, abs=1e-4)


def _noise(seed: int, count: int, middle: float) -> list[float]:
    dice = random.Random(seed)
    return [middle * dice.gauss(1, 0.08) for _ in range(count)]


def test_a_step_is_found_at_its_first_run() -> None:
    found = slower_since(_noise(1, 40, 200) + _noise(2, 30, 290))
    assert found is not None
    assert abs(found.index - 40) <= 1
    assert found.after / found.before == pytest.approx(1.45, abs=0.1)


@pytest.mark.parametrize(
    "seconds",
    [
        _noise(3, 90, 200),
        _noise(4, 40, 200) + _noise(5, 10, 400) + _noise(6, 40, 200),
        _noise(7, 40, 200) + _noise(8, 40, 220),
        _noise(9, 40, 60) + _noise(10, 40, 90),
        [200.0] * 20,
        [],
    ],
    ids=["noise", "a slow day that is over", "a tenth slower", "half a minute slower", "too few", "none"],
)
def test_what_is_no_lasting_step_is_not_found(seconds: list[float]) -> None:
    assert slower_since(seconds) is None


def test_failures_came_more_often_from_their_first_one_on() -> None:
    failed = [False] * 20 + [True] + [False] * 10 + [True, True, False, True, True]
    assert worse_since(failed, 0.1) == 31


def test_lines_that_differ_little_are_one_cause() -> None:
    lines = [("a", "FAILED tests/test_pay.py::test_total - assert <n> == <n>"),
             ("b", "FAILED tests/test_pay.py::test_totals - assert <n> == <n>"),
             ("c", "npm error code ERESOLVE")]  # fmt: skip
    assert [cluster.keys for cluster in clusters(lines)] == [["a", "b"], ["c"]]
