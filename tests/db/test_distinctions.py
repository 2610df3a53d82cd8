"""What distinguishes the runs of a failure cause: the statistic, without a database."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest

from health.insights.causes.distinctions import MAX_DISTINCTIONS, Distinction, Feature, JobContext, distinctions
from health.metrics.definitions.job_groups import matrix_values
from tests.growth import SUBQUADRATIC, growth

START = datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
JOB = JobContext(0, 0, "test", False, START, "main", "push", None, None, ())


@dataclass
class History:
    """Runs of one job unless `names` are given; one failed job of a run may have the cause."""

    jobs: list[JobContext] = field(default_factory=list)
    ids: "count[int]" = field(default_factory=lambda: count(1))

    def add(self, number: int, *, cause: bool = False, names: tuple[str, ...] = ("test",), **values: object) -> None:
        for _ in range(number):
            run_id = next(self.ids)
            created_at = START + timedelta(hours=7 * run_id)
            for index, name in enumerate(names):
                job = replace(
                    JOB, run_id=run_id, job_id=next(self.ids), name=name, has_cause=cause and index == 0,
                    created_at=created_at,
                )  # fmt: skip
                self.jobs.append(replace(job, **values))  # type: ignore[arg-type]

    def distinctions(self, zone: str = "UTC") -> list[Distinction]:
        return distinctions(self.jobs, ZoneInfo(zone))


def test_a_runner_on_which_most_runs_with_the_cause_ran_distinguishes_them() -> None:
    history = History()
    history.add(18, cause=True, runner="runner-7")
    history.add(2, cause=True, runner="runner-1")
    history.add(12, runner="runner-7")
    history.add(88, runner="runner-1")
    (only,) = history.distinctions()
    assert (only.feature, only.values, only.runs, only.known) == (Feature.RUNNER, ("runner-7",), 18, 20)
    assert (only.others_share, only.others) == (0.12, 100)
    assert only.p_value < 1e-9


def test_the_same_distribution_distinguishes_nothing() -> None:
    history = History()
    for runner in ("a", "b", "c"):
        history.add(20, cause=True, runner=runner, branch=f"topic-{runner}")
        history.add(200, runner=runner, branch=f"topic-{runner}")
    assert history.distinctions() == []


@pytest.mark.parametrize(("number", "distinguished"), [(4, False), (5, True)])
def test_there_is_no_claim_from_fewer_than_five_runs(number: int, distinguished: bool) -> None:
    history = History()
    history.add(number, cause=True, branch="release")
    history.add(100)
    assert [item.values for item in history.distinctions()] == [("release",)] * distinguished


def test_there_is_no_claim_about_few_other_runs_and_none_without_any() -> None:
    history = History()
    history.add(20, cause=True, branch="release")
    assert history.distinctions() == []
    history.add(4)
    assert history.distinctions() == []


def test_a_frequent_value_that_is_little_more_frequent_is_no_distinction() -> None:
    history = History()
    history.add(2_000, cause=True, branch="main")
    history.add(1_500, branch="main")
    history.add(500, branch="topic")
    assert history.distinctions() == []


def test_the_leg_of_a_matrix_that_always_fails_distinguishes_a_cause_of_every_run() -> None:
    history = History()
    legs = ("test (3.13, linux)", "test (3.12, linux)", "test (3.11, linux)", "build")
    history.add(20, cause=True, names=legs)
    (only,) = history.distinctions()
    assert (only.feature, only.values, only.runs, only.known) == (Feature.MATRIX, ("3.13",), 20, 20)
    assert only.others_share == 0


def test_jobs_of_other_names_are_not_compared() -> None:
    """The job that fails is always on this runner, and so are its successes: other jobs say nothing about that."""
    history = History()
    history.add(20, cause=True, labels=("gpu",))
    history.add(40, labels=("gpu",))
    history.add(60, names=("build",), labels=("ubuntu-latest",))
    (only,) = history.distinctions()
    assert (only.feature, only.values, only.runs, only.others_share) == (Feature.JOB, ("test",), 20, 0.4)


def test_the_jobs_of_a_large_matrix_count_as_one_run() -> None:
    """Of six runs with a thousand jobs on one runner each, a thousand jobs are no thousand observations."""
    history = History()
    names = tuple(f"test ({number})" for number in range(1_000))
    history.add(6, cause=True, branch="a", runner="r1")
    for runner in ("r1", "r2"):
        history.add(3, names=names, runner=runner, branch="a")
    assert [item.feature for item in history.distinctions()] == []


def test_values_that_occur_together_are_one_distinction() -> None:
    history = History()
    history.add(10, cause=True, labels=("self-hosted", "gpu"), runner="r1", runner_group="big")
    history.add(50, labels=("ubuntu-latest",), runner="GitHub Actions 1", runner_group="GitHub Actions")
    found = {item.feature: item.values for item in history.distinctions()}
    assert found[Feature.LABEL] in {("self-hosted", "gpu"), ("gpu", "self-hosted")}
    assert found[Feature.RUNNER_GROUP] == ("big",)
    # The names of hosted runners are no runners: without them there is nothing to compare.
    assert Feature.RUNNER not in found


def test_hours_are_those_of_the_time_zone() -> None:
    history = History()
    history.add(10, cause=True)
    history.jobs = [replace(job, created_at=START + timedelta(days=job.run_id)) for job in history.jobs]
    history.add(100)
    assert [item.values for item in history.distinctions()] == [("14",)]
    assert [item.values for item in history.distinctions("Asia/Tokyo")] == [("23",)]


def test_unknown_values_are_not_compared() -> None:
    history = History()
    history.add(10, cause=True, branch=None, event="schedule")
    history.add(50)
    assert [item.feature for item in history.distinctions()] == [Feature.EVENT]


def test_the_number_of_distinctions_is_limited_and_the_order_is_by_significance() -> None:
    history = History()
    for number in range(12):
        history.add(18 + number, cause=True, branch=f"b{number}")
    history.add(400)
    listed = history.distinctions()
    assert len(listed) == MAX_DISTINCTIONS
    assert listed[0].values == ("b11",)
    assert [item.p_value for item in listed] == sorted(item.p_value for item in listed)


@pytest.mark.parametrize(
    ("name", "values"),
    [("build (3.11, 2/4)", ("3.11", "2/4")), ("call (a) / test (b)", ("a", "b")), ("build", ()), ("build (x", ())],
)
def test_values_of_the_matrix(name: str, values: tuple[str, ...]) -> None:
    assert matrix_values(name) == values


def _many(jobs: int) -> History:
    history = History()
    for number in range(jobs):
        leg, runner = f"test ({number % 40})", f"r{number % 500}"
        history.add(1, cause=number % 3 == 0, runner=runner, branch=f"b{number // 7}", names=(leg,))
    return history


def test_the_cost_is_linear_in_the_number_of_jobs() -> None:
    assert growth(History.distinctions, _many, 5_000) < SUBQUADRATIC


def test_repository_workflow_and_job_distinguish_a_cause_unless_there_is_one_of_them() -> None:
    """Nine in ten runs with the cause are of one of two workflows that run equally often."""
    history = History()
    for repository, number in (("acme/web", 27), ("acme/api", 3)):
        of = {"repository": repository, "workflow": f"{repository} / CI", "names": ("test (1)", "lint", "build")}
        history.add(number, cause=True, **of)  # type: ignore[arg-type]
        history.add(50, **of)  # type: ignore[arg-type]
    shares = {item.feature: (item.values, item.runs, round(item.others_share, 2)) for item in history.distinctions()}
    workflow = (("acme/web / CI",), 27, 0.5)
    assert shares == {Feature.WORKFLOW: workflow, Feature.JOB: (("test",), 30, 0.26)}
    history.add(50, repository="acme/api", workflow="acme/api / Deploy")
    by_feature = {item.feature: item.values for item in history.distinctions()}
    assert by_feature[Feature.REPOSITORY] == ("acme/web",)
    alone = History()
    alone.add(20, cause=True, repository="acme/web", workflow="acme/web / CI")
    alone.add(100, repository="acme/web", workflow="acme/web / CI")
    assert alone.distinctions() == []
