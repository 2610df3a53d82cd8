"""Which jobs decided how long a run took, from their times alone."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from health.metrics.definitions.critical_path import critical_path
from tests.builders import NOON
from tests.growth import SUBQUADRATIC, growth


@dataclass(frozen=True)
class Timed:
    id: int
    name: str
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    conclusion: str | None = "success"
    copied: bool = False
    phantom: bool = False
    has_started: bool = True


def timed(name: str, created: float | None, start: float | None, end: float | None, **more: object) -> Timed:
    """Seconds after noon."""
    times = [None if each is None else NOON + timedelta(seconds=each) for each in (created, start, end)]
    return Timed(hash(name) % 10_000, name, *times, **more)  # type: ignore[arg-type]


def named(*jobs: Timed) -> list[tuple[str, float, float, float]]:
    return [(link.name, link.queue_seconds, link.seconds, link.exclusive_seconds) for link in critical_path(jobs)]


def test_jobs_that_need_each_other_are_a_chain() -> None:
    build, test, deploy = timed("build", 1, 5, 65), timed("test", 67, 70, 190), timed("deploy", 191, 200, 230)
    assert named(deploy, build, test) == [("build", 4, 60, 60), ("test", 3, 120, 120), ("deploy", 9, 30, 30)]


def test_of_parallel_jobs_the_one_that_ended_last_decided_and_only_its_time_alone_could_be_won() -> None:
    lint, build, slow = timed("lint", 1, 3, 20), timed("build", 1, 5, 65), timed("e2e", 1, 10, 100)
    assert named(lint, build, slow) == [("e2e", 9, 90, 35)]


def test_a_job_follows_the_last_of_those_it_waited_for() -> None:
    lint, build, deploy = timed("lint", 1, 3, 40), timed("build", 1, 5, 65), timed("deploy", 66, 70, 80)
    assert named(lint, build, deploy) == [("build", 4, 60, 25), ("deploy", 4, 10, 10)]


def test_a_job_created_with_the_run_waited_for_a_runner_not_for_a_job() -> None:
    build, slow = timed("build", 1, 5, 65), timed("macos", 1, 66, 120)
    assert named(build, slow) == [("macos", 65, 54, 54)]


def test_clocks_may_disagree_by_a_second_and_github_takes_a_while_to_create_a_job() -> None:
    assert [name for name, *_ in named(timed("a", 1, 5, 65), timed("b", 64, 66, 90))] == ["a", "b"]
    assert [name for name, *_ in named(timed("a", 1, 5, 65), timed("b", 95, 99, 120))] == ["a", "b"]
    assert [name for name, *_ in named(timed("a", 1, 5, 65), timed("b", 96, 99, 120))] == ["b"]


def test_copies_phantoms_skipped_and_running_jobs_are_on_no_path() -> None:
    own = timed("own", 1, 5, 65)
    others = (
        timed("copy", 1, 5, 400, copied=True), timed("phantom", 1, 5, 400, phantom=True),
        timed("skipped", 1, 5, 400, conclusion="skipped"), timed("running", 1, 5, None, conclusion=None),
        timed("odd", 1, 500, 400),
    )  # fmt: skip
    assert named(own, *others) == [("own", 4, 60, 60)]
    assert named(*others) == []


def test_without_a_time_of_creation_the_start_counts() -> None:
    assert named(timed("a", None, 5, 65), timed("b", None, 70, 80)) == [("a", 0, 60, 60), ("b", 0, 10, 10)]


def test_two_jobs_that_each_ended_when_the_other_was_created_come_to_an_end() -> None:
    assert [name for name, *_ in named(timed("a", 10, 10, 10), timed("b", 10, 10, 10))] in (["a", "b"], ["b", "a"])


def test_time_alone_is_that_in_which_no_other_job_ran() -> None:
    source = random.Random(11)
    for _ in range(60):
        jobs = []
        for number in range(source.randint(1, 12)):
            created = source.randint(0, 200)
            start = created + source.randint(0, 40)
            jobs.append(timed(f"job {number}", created, start, start + source.randint(0, 90)))
        for link in critical_path(jobs):
            others = [job for job in jobs if job.id != link.job_id]
            seconds = range(int((link.end - link.start).total_seconds()))
            moments = [link.start + timedelta(seconds=each) for each in seconds]
            assert link.exclusive_seconds == sum(not any(_runs(job, at) for job in others) for at in moments)


def _runs(job: Timed, at: datetime) -> bool:
    assert job.started_at
    assert job.completed_at
    return job.started_at <= at < job.completed_at


def _one_after_the_other(count: int) -> list[Timed]:
    jobs = [timed(f"job {number}", 20 * number, 20 * number + 1, 20 * number + 19) for number in range(count)]
    return [replace(job, id=number) for number, job in enumerate(jobs)]


def test_the_work_grows_with_the_number_of_jobs_not_with_its_square() -> None:
    assert len(critical_path(_one_after_the_other(8_000))) == 8_000
    assert growth(critical_path, _one_after_the_other, 1_000) < SUBQUADRATIC
