"""The detectors against values from their sources, and against what must not be found."""

import random
from math import comb, exp

import numpy as np
import pytest

from health.insights.causes.identity import line_identity
from health.insights.change_points import DurationStep, find_duration_steps, locate_drop, success_changes
from health.insights.fingerprints import clusters, normalize
from health.insights.statistics import (
    RunSequences,
    benjamini_hochberg,
    build_sequences,
    fisher_exact_greater,
    fisher_exact_greater_many,
    simes,
)
from tests.growth import SUBQUADRATIC, growth


def test_fisher_and_the_lady_tasting_tea() -> None:
    """She names three of the four cups in which milk came first: 17 of 70 ways."""
    assert fisher_exact_greater(3, 1, 1, 3) == pytest.approx(17 / 70)


def test_fisher_of_thousands_of_runs() -> None:
    failed, passed, failed_before, passed_before = 40, 460, 60, 1_940
    now, before, failures = 500, 2_000, 100
    ways = sum(comb(now, k) * comb(before, failures - k) for k in range(failed, failures + 1))
    assert fisher_exact_greater(failed, passed, failed_before, passed_before) == pytest.approx(
        ways / comb(2_500, 100), rel=1e-6
    )


def _noise(seed: int, count: int, middle: float) -> list[float]:
    dice = random.Random(seed)
    return [middle * dice.gauss(1, 0.08) for _ in range(count)]


def _six_a_day(seconds: list[float]) -> list[float]:
    return [number * 4 * 3600.0 for number in range(len(seconds))]


def slower_since(created: list[float], seconds: list[float]) -> DurationStep | None:
    """Of one workflow: times of creation in seconds since 1970, and durations."""
    size, unfailed = np.asarray([0, len(seconds)]), np.zeros(len(seconds), dtype=np.bool_)
    return find_duration_steps(
        RunSequences(size, np.asarray(created, np.float64), unfailed, np.asarray(seconds, np.float64))
    ).get(0)


def _step(seconds: list[float]) -> DurationStep | None:
    return slower_since(_six_a_day(seconds), seconds)


def test_a_step_is_found_at_its_first_run() -> None:
    found = _step(_noise(1, 40, 200) + _noise(2, 30, 290))
    assert found is not None
    assert abs(found.index - 40) <= 1
    assert found.earliest <= 40 <= found.latest
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
    assert _step(seconds) is None


def test_a_step_long_ago_is_found_among_thousands_of_runs() -> None:
    """Sixty runs a day, twice as slow since twenty days."""
    seconds = _noise(11, 17 * 60, 300) + _noise(12, 20 * 60, 600)
    found = slower_since([number * 1440.0 for number in range(len(seconds))], seconds)
    assert found is not None
    assert abs(found.index - 17 * 60) <= 2


def test_slow_days_are_no_step() -> None:
    """Each day has a level of its own: four slow ones at the end are weather."""
    dice = random.Random(13)
    levels = [dice.gauss(0, 0.25) for _ in range(26)] + [0.3, 0.35, 0.3, 0.4]
    seconds = [300 * exp(level + dice.gauss(0, 0.05)) for level in levels for _ in range(15)]
    assert slower_since([number * 5760.0 for number in range(len(seconds))], seconds) is None
    steady = [300 * exp(0.35 * (day >= 26) + dice.gauss(0, 0.05)) for day in range(30) for _ in range(15)]
    assert slower_since([number * 5760.0 for number in range(len(steady))], steady) is not None


def test_workflows_are_looked_at_beside_each_other() -> None:
    slow, even = _noise(14, 40, 200) + _noise(15, 30, 290), _noise(16, 70, 290)
    both = build_sequences(
        [list(zip(_six_a_day(each), [False] * len(each), each, strict=True)) for each in (even, slow, [])]
    )
    assert list(find_duration_steps(both)) == [1]
    alone = _step(slow)
    assert alone is not None
    assert vars(find_duration_steps(both)[1]) == pytest.approx(vars(alone))


def _outcomes(*failed: bool) -> RunSequences:
    return build_sequences([[(number * 3600.0, bad, None) for number, bad in enumerate(failed)]])


def test_a_streak_of_failures_counts_once_and_the_success_that_ends_it_not_at_all() -> None:
    runs = _outcomes(False, True, True, True, False, False, True, False)
    assert np.nonzero(runs.streak_starts())[0].tolist() == [1, 6]
    assert np.nonzero(runs.passes_after_pass())[0].tolist() == [0, 5]


def test_streaks_end_with_their_workflow() -> None:
    runs = build_sequences([[(0.0, True, None)], [], [(0.0, True, None), (1.0, False, None)]])
    assert runs.streak_starts().tolist() == [True, True, False]


def test_failures_came_more_often_from_their_first_one_on() -> None:
    calm = [number % 20 == 7 for number in range(120)]
    found = locate_drop(_outcomes(*calm, *([True, False, False] * 15)))
    assert found is not None
    assert found.first == 120
    assert found.earliest <= 120 <= found.latest
    assert locate_drop(_outcomes(*[False] * 30)) is None


def _days_of(*days: list[bool]) -> list[tuple[float, bool, float | None]]:
    """One list a day, its runs an hour apart; the last day is the newest."""
    return [(day * 86_400.0 + hour * 3600, bad, None) for day, listed in enumerate(days)
            for hour, bad in enumerate(listed)]  # fmt: skip


def test_a_long_broken_stretch_that_is_over_is_no_lower_success_rate() -> None:
    good, bad = [False] * 12, [True] * 12
    changes = success_changes(build_sequences([_days_of(*[good] * 34, bad, bad, good)]), 37 * 86_400.0)
    assert not changes.is_worse(0.1)[0]
    assert changes.streaks[0] == 1


def test_more_failures_since_two_weeks_are_still_found_and_over_when_they_end() -> None:
    good, often = [False] * 15 + [True], [False, True, False, False] * 4
    worse = [_days_of(*[good] * 23, *[often] * 14)]
    changes = success_changes(build_sequences(worse), 37 * 86_400.0)
    assert changes.is_worse(changes.threshold()).tolist() == [True]
    assert changes.days[0] == 14
    over = success_changes(build_sequences([_days_of(*[good] * 20, *[often] * 10, *[good] * 7)]), 37 * 86_400.0)
    assert not over.is_worse(over.threshold()).any()


def test_the_threshold_follows_from_how_many_are_looked_at() -> None:
    """Benjamini and Hochberg's own example: four of fifteen at 0.05."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
                0.7590, 1.0]  # fmt: skip
    assert benjamini_hochberg(p_values, 0.05) == 0.0095
    assert benjamini_hochberg([0.04] * 3 + [0.9] * 40, 0.05) == 0.0
    assert benjamini_hochberg([], 0.05) == 0.0


def test_simes_of_three_windows() -> None:
    assert simes(np.asarray([[0.01, 0.02], [0.5, 0.02], [0.9, 0.02]])).tolist() == pytest.approx([0.03, 0.02])


def test_half_of_the_table_itself_counts_in_the_mid_p_value() -> None:
    tables = [np.asarray([each]) for each in (3, 1, 1, 3)]
    assert fisher_exact_greater_many(*tables, mid=True)[0] == pytest.approx(17 / 70 - 16 / 70 / 2)


def _cluster(*lines: str) -> list[list[int]]:
    """Indexes of lines that are one cause."""
    found = clusters([(str(index), line_identity(line)) for index, line in enumerate(lines)])
    return [[int(key) for key in cluster.fingerprints] for cluster in found]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FAILED tests/pay.py::test_total - assert 1 == 2", "FAILED tests/pay.py::test_totals - assert 1 == 2"),
        ("FAILED tests/pay.py::test_tax_1 - assert 1 == 2", "FAILED tests/pay.py::test_tax_2 - assert 1 == 2"),
        ("FAILED tests/pay.py::test_a[x-1] - assert 1 == 2", "FAILED tests/pay.py::test_a[x-2] - assert 1 == 2"),
        ("FAILED tests/pay.py::test_a - assert 1 == 2", "FAILED tests/buy.py::test_a - assert 1 == 2"),
        ("ImportError: cannot import name 'make_a' from 'x'", "ImportError: cannot import name 'make_b' from 'x'"),
        ("ModuleNotFoundError: No module named yaml", "ModuleNotFoundError: No module named toml"),
        ("error: cannot find crate for serde2 while the library of the workspace is built",
         "error: cannot find crate for serde3 while the library of the workspace is built"),
        ("error: the package left which is needed by the build is not there",
         "error: the package right which is needed by the build is not there"),
        ("/opt/a/run.sh: line 3: jq: command not found", "/opt/a/run.sh: line 3: yq: command not found"),
        ("src/a.ts(3,5): error TS2322: no such type", "src/a.ts(3,5): error TS2345: no such type"),
        ("src/a.ts(3,5): error TS2322: no such type", "src/b.ts(3,5): error TS2322: no such type"),
        ("error[E0658]: use of a feature", "error[E0659]: use of a feature"),
        ("curl: (22) The requested URL returned error: 404", "curl: (22) The requested URL returned error: 500"),
        ("Error: the process ended with exit code 137", "Error: the process ended with exit code 139"),
        ("--- FAIL: TestStore/case_1 (0.1s)", "--- FAIL: TestStore/case_2 (0.1s)"),
        ("● Cart › shows no price at all when it is empty", "● Cart › shows no total at all when it is empty"),
        ("1) [webkit] › e2e/find.spec.ts:24:5 › finds", "1) [webkit] › e2e/find.spec.ts:24:5 › sorts"),
        ("1) [webkit] › e2e/find.spec.ts:24:5 › finds", "1) [webkit] › e2e/sort.spec.ts:24:5 › finds"),
        ("FAIL src/cart.test.ts > adds 2", "FAIL src/cart.test.ts > adds 3"),
        ("17 - net_timeout (Failed)", "17 - net_retry (Failed)"),
        ("Failed to pull image nginx:1.2", "Failed to pull image acme/nginx:1.2"),
        ("fatal: unable to access 'https://a.dev/x'", "fatal: unable to access 'https://b.dev/x'"),
        ("thread 'tests::adds' panicked at src/lib.rs:3:5", "thread 'tests::subs' panicked at src/lib.rs:3:5"),
        ("main.go:3:2: undefined: parse1", "main.go:3:2: undefined: parse2"),
    ],
)  # fmt: skip
def test_another_name_is_another_cause(one: str, other: str) -> None:
    assert _cluster(one, other) == [[0], [1]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FAILED a/pay.py::test_a - assert 19.99 == 20.0",
         "FAILED /home/runner/work/b/b/a/pay.py::test_a - assert 5 == 20.0"),
        ("--- FAIL: TestStore (0.12s)", "--- FAIL: TestStore (31.5s)"),
        ("● Cart › adds (5 ms)", "● Cart › adds (1.2 s)"),
        ("1) [webkit] › e2e/find.spec.ts:24:5 › finds", "2) [webkit] › e2e/find.spec.ts:31:5 › finds"),
        ("rspec ./spec/cart_spec.rb:12 # Cart is empty", "rspec ./spec/cart_spec.rb:14 # Cart is empty"),
        ("/home/a/src/x.c:3:4: error: 'n' undeclared", "/home/runner/work/b/src/x.c:8:1: error: 'n' undeclared"),
        ("connect to 10.0.0.7 port 443 failed after 129 ms", "connect to 10.0.0.9 port 443 failed after 7 ms"),
        ("upload of 7f3a9c01de failed at 2026-11-18T12:00:00Z", "upload of a91b22c0ff failed at 2026-11-19 08:01:10"),
        ("The job running on runner GitHub Actions 12 has exceeded the maximum execution time of 360 minutes.",
         "The job running on runner arm-big has exceeded the maximum execution time of 360 minutes."),
        ("pod web-5d8f9c-xk2p9 was evicted", "pod web-7c9d4b-m4z8q was evicted"),
        ("/tmp/ccAbc1.o: undefined reference to `f'", "/tmp/ccXyz9.o: undefined reference to `f'"),
        ("3 of 14 shards were lost while the nodes were being drained by an operator",
         "5 of 20 shards were lost while the nodes were being stopped by an operator"),
        ("\x1b[31merror: no port\x1b[0m", "error: no port"),
    ],
)  # fmt: skip
def test_what_differs_from_run_to_run_is_one_cause(one: str, other: str) -> None:
    assert _cluster(one, other) == [[0, 1]]


def test_hundreds_of_tests_with_like_names_stay_apart() -> None:
    names = [
        f"test_{a}_{b}" for a in ("tax", "cart", "user") for b in (f"{c}{d}" for c in "abcdefgh" for d in range(25))
    ]
    lines = [f"FAILED tests/test_shop.py::{name} - assert 3 == 4" for name in names]
    assert _cluster(*lines) == [[index] for index in range(600)]


def test_different_lines_are_clustered_in_linear_time() -> None:
    """Linear, although all of them have the same tokens but for plain words."""

    def lines(count: int) -> list[tuple[str, str]]:
        dice = random.Random(5)
        words = ["".join(dice.choices("abcdefghij", k=6)) for _ in range(400)]
        return [(str(index), " ".join(["it broke when", *dice.choices(words, k=12)])) for index in range(count)]

    assert len(clusters(lines(20_000))) > 19_000
    assert growth(clusters, lines, 1_000) < SUBQUADRATIC


@pytest.mark.parametrize("repeated", ["a", "/", "a/", "a::", "'", "-a1", "no such ", "1:"])
def test_no_line_takes_long(repeated: str) -> None:
    """Causes are cut to 500 characters; without the cache, which would answer from the second time on."""
    assert growth(normalize.__wrapped__, lambda size: repeated * (size // len(repeated)), 125) < SUBQUADRATIC
