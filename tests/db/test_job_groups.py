"""Names of jobs without the values of their matrix."""

from dataclasses import dataclass

import pytest

from health.metrics.definitions.job_groups import group_name, job_groups
from tests.growth import SUBQUADRATIC, growth


@dataclass(frozen=True)
class Leg:
    name: str
    conclusion: str | None = "success"
    duration_seconds: float | None = 1.0
    status: str = "completed"
    copied: bool = False


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("build", "build"),
        ("build (3.11, 2/4)", "build"),
        ("test (ubuntu (22.04), 3.11)", "test"),
        ("deploy (eu) / smoke (chrome, a / b)", "deploy / smoke"),
        ("call (a) / test", "call / test"),
        ("call / test (1)", "call / test"),
        ("build (fast) image", "build (fast) image"),
        ("build (fast) image (3.12)", "build (fast) image"),
        ("build(3.11)", "build(3.11)"),
        ("build (3.11", "build (3.11"),
        ("build 3.11)", "build 3.11)"),
        (":) (a)", ":) (a)"),
        ("(3.11)", "(3.11)"),
        ("", ""),
    ],
)
def test_a_group_is_named_without_the_values_of_a_matrix(name: str, expected: str) -> None:
    assert group_name(name) == expected


def test_the_group_of_the_worst_job_comes_first_and_then_the_slowest() -> None:
    legs = [
        Leg("quick (1)", duration_seconds=5), Leg("slow (1)", duration_seconds=90),
        Leg("slow (2)", duration_seconds=80), Leg("running", None, None, "in_progress"),
        Leg("bad (1)", duration_seconds=2), Leg("bad (2)", "timed_out", 1), Leg("bad (3)", "skipped", None),
        Leg("copied (1)", duration_seconds=500, copied=True),
    ]  # fmt: skip
    groups = job_groups(legs)
    assert [group.name for group in groups] == ["bad", "running", "slow", "quick", "copied"]
    assert [leg.name for leg in groups[0].jobs] == ["bad (2)", "bad (1)", "bad (3)"]
    assert [group.failed for group in groups] == [1, 0, 0, 0, 0]
    assert [group.slowest.name if group.slowest else None for group in groups] == [
        "bad (1)", None, "slow (1)", "quick (1)", None,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["job {} (a)", "job ({})", "((((({}", "{}"], ids=["names", "legs", "open", "plain"])
def test_groups_take_time_in_proportion_to_the_jobs(name: str) -> None:
    assert growth(job_groups, lambda jobs: [Leg(name.format(number)) for number in range(jobs)], 400) < SUBQUADRATIC


@pytest.mark.parametrize("piece", ["(", ")", " (a)", " / (a)", "(a) / "])
def test_a_name_takes_time_in_proportion_to_its_length(piece: str) -> None:
    assert growth(group_name, lambda times: f"job {piece * times}", 500) < SUBQUADRATIC
