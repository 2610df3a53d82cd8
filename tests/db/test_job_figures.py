"""Figures of jobs and steps, against values worked out by hand."""

from datetime import timedelta
from typing import Any

import pytest

from health.metrics.definitions.job_figures import JobFact, StepFact, job_figures, step_figures, timed_steps
from health.metrics.definitions.job_groups import MAX_JOB_NAMES, row_names
from tests.builders import NOON


def fact(
    run_id: int, name: str = "test", seconds: float | None = 60, *, queue: float | None = 4, **more: Any
) -> JobFact:
    start = NOON + timedelta(seconds=queue or 0)
    values: dict[str, Any] = {
        "run_id": run_id, "attempt": 1, "name": name, "status": "completed", "conclusion": "success", "copied": False,
        "phantom": False, "id": run_id * 10_000 + sum(name.encode()), "created_at": NOON, "started_at": start,
        "completed_at": None if seconds is None else start + timedelta(seconds=seconds), "duration_seconds": seconds,
        "queue_seconds": queue, "has_started": True, "runner": "GitHub Actions 4", "runner_group": None,
        "labels": ("ubuntu-latest",),
    }  # fmt: skip
    return JobFact(**(values | more))


def figures(*facts: JobFact, before: tuple[JobFact, ...] = (), private: bool = True) -> dict[str, Any]:
    found = job_figures(facts, before, decided_runs={each.run_id for each in facts}, private=private)
    return {each.name: each for each in found}


def test_a_name_has_its_runs_failures_and_percentiles() -> None:
    found = figures(fact(1, seconds=40), fact(2, seconds=60, conclusion="failure"), fact(3, seconds=100, queue=10))[
        "test"
    ]
    assert (found.runs, found.failed, found.failure_rate) == (3, 1, pytest.approx(1 / 3))
    assert (found.p50, found.p95) == (60, pytest.approx(96))
    assert (found.queue_p50, found.queue_p95) == (4, pytest.approx(9.4))
    assert found.compute_seconds == 200
    assert found.cost_usd == pytest.approx((1 + 1 + 2) * 0.006)


def test_getting_slower_is_told_against_the_window_before() -> None:
    found = figures(fact(1, seconds=90), before=(fact(9, seconds=60), fact(8, seconds=60)))["test"]
    assert (found.before_p50, found.change) == (60, pytest.approx(0.5))
    assert figures(fact(1))["test"].change is None


def test_a_run_counts_by_the_latest_attempt_in_which_the_job_ran_itself() -> None:
    build, copy = fact(1, "build", 30), fact(1, "build", 30, attempt=2, copied=True)
    failed, passed = fact(1, "test", 50, conclusion="failure"), fact(1, "test", 70, attempt=2)
    found = figures(build, copy, failed, passed)
    assert (found["build"].runs, found["build"].p50, found["build"].compute_seconds) == (1, 30, 30)
    assert (found["test"].runs, found["test"].failed, found["test"].p50) == (1, 0, 70)
    assert found["test"].compute_seconds == 120


def test_skipped_cancelled_and_running_jobs_are_in_no_rate_and_no_duration() -> None:
    found = figures(
        fact(1), fact(2, seconds=None, conclusion="skipped"), fact(3, seconds=500, conclusion="cancelled"),
        fact(4, seconds=None, status="in_progress", conclusion=None), fact(5, phantom=True),
    )  # fmt: skip
    assert (found["test"].runs, found["test"].p50, found["test"].failure_rate) == (3, 60, 0.0)
    assert found["test"].durations == 1
    assert figures(fact(1, conclusion="cancelled"))["test"].failure_rate is None


def test_a_job_that_never_started_has_no_time_and_no_cost() -> None:
    found = figures(fact(1), fact(2, seconds=86_400, queue=0, conclusion="cancelled", has_started=False))["test"]
    assert (found.runs, found.p50, found.queue_p95, found.compute_seconds) == (2, 60, 4, 60)
    assert (found.durations, found.queue_times) == (1, 1)
    assert found.cost_usd == pytest.approx(0.006)
    # Nor does it stand on a critical path.
    assert job_figures([fact(1, has_started=False)], (), decided_runs={1}, private=True)[0].critical_share is None


def test_minutes_without_a_known_price_are_not_in_the_cost() -> None:
    service = {"labels": ("depot-ubuntu-24.04-8",), "runner": "depot-x1", "runner_group": "Default"}
    found = figures(fact(1), fact(2, seconds=150, **service))["test"]
    assert (found.cost_usd, found.unpriced_minutes) == (pytest.approx(0.006), 3)
    free = job_figures([fact(1)], (), decided_runs={1}, private=True, free_runs={1})[0]
    assert (free.cost_usd, free.unpriced_minutes) == (0, 0)


def test_the_share_of_critical_paths_is_of_decided_runs() -> None:
    facts = [fact(1, "fast", 10), fact(1, "slow", 100), fact(2, "fast", 10), fact(2, "slow", 8), fact(3, "slow", 50)]
    found = {each.name: each for each in job_figures(facts, (), decided_runs={1, 2}, private=True)}
    assert (found["slow"].critical_share, found["slow"].exclusive_seconds) == (0.5, 90)
    assert (found["fast"].critical_share, found["fast"].exclusive_seconds) == (0.5, 2)


def test_jobs_of_a_matrix_of_hundreds_have_one_row() -> None:
    names = [f"build ({number})" for number in range(MAX_JOB_NAMES)]
    assert row_names([*names, names[0]])("build (1)") == "build (1)"
    folded = row_names([*names, "lint"])
    assert (folded("build (1)"), folded("lint"), folded("test (a) / unit (b)")) == ("build", "lint", "test / unit")
    facts = [fact(1, "build (1)", 10), fact(1, "build (2)", 50, conclusion="failure"), fact(1, "lint", 20)]
    before = (fact(9, "build (7)", 60),)
    rows = job_figures(facts, before, decided_runs={1}, private=True, row_name=folded)
    build, lint = rows
    assert (build.name, build.jobs, build.runs, build.failed, build.failure_rate) == ("build", 2, 1, 1, 0.5)
    assert (build.p50, build.before_p50, build.compute_seconds) == (30, 60, 60)
    assert (build.critical_share, build.exclusive_seconds, lint.critical_share) == (1.0, 30, 0.0)
    told = step_figures(
        [steps(1, ("Checkout", 4, "success"), name=name) for name in ("build (1)", "build (2)")], (), folded
    )
    assert [(row.job, row.name, row.runs, row.durations) for row in told] == [("build", "Checkout", 1, 2)]


def test_standard_runners_of_public_repositories_cost_nothing() -> None:
    assert figures(fact(1), private=False)["test"].cost_usd == 0


def steps(run_id: int, *listed: tuple[str, float | None, str | None], **more: Any) -> StepFact:
    told = [
        {"number": number, "name": name, "status": "completed" if conclusion else "in_progress",
         "conclusion": conclusion, "started_at": NOON.isoformat(),
         "completed_at": None if seconds is None else (NOON + timedelta(seconds=seconds)).isoformat()}
        for number, (name, seconds, conclusion) in enumerate(listed, 1)
    ]  # fmt: skip
    values = {"run_id": run_id, "attempt": 1, "name": "test", "status": "completed", "conclusion": "success",
              "copied": False, "phantom": False, "steps": timed_steps(run_id, told)}  # fmt: skip
    return StepFact(**(values | more))  # type: ignore[arg-type]


def test_steps_are_told_apart_by_job_and_name() -> None:
    found = step_figures(
        [steps(2, ("Checkout", 4, "success"), ("Run tests", 50, "failure"), ("Upload", 1, "skipped")),
         steps(1, ("Checkout", 2, "success"), ("Run tests", 30, "success"), name="e2e"),
         steps(3, ("Checkout", 6, "success"), ("Run tests", None, None))],
        [steps(0, ("Checkout", 4, "success"))],
    )  # fmt: skip
    told = {(each.job, each.name): each for each in found}
    assert set(told) == {("test", "Checkout"), ("test", "Run tests"), ("e2e", "Checkout"), ("e2e", "Run tests")}
    run_tests, checkout = told["test", "Run tests"], told["test", "Checkout"]
    assert (run_tests.number, run_tests.runs, run_tests.failed, run_tests.failure_rate) == (2, 2, 1, 1.0)
    assert (run_tests.p50, run_tests.durations, run_tests.change) == (50, 1, None)
    assert (checkout.p50, checkout.before_p50, checkout.change) == (5, 4, 0.25)
    assert [each.name for each in found[:2]] == ["Run tests", "Run tests"]


def test_steps_that_github_told_little_of_do_no_harm() -> None:
    (found,) = step_figures(
        [StepFact(1, 1, "test", "completed", "success", False, False, timed_steps(1, [{"name": "Set up job"}]))], ()
    )
    assert (found.runs, found.failure_rate, found.p50) == (1, None, None)
