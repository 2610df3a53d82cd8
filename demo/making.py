"""Plain runs for tests: every number is what the test says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from demo.model import SETTLE, Attempt, Job

_LISTED_AS_FAILED = ("failure", "timed_out")


@dataclass(frozen=True)
class JobPlan:
    """`queue` and `duration` in seconds; what is null comes from the run. `label` "" and `phantom` make a check run
    that a reporter posted."""

    name: str
    conclusion: str | None = None
    duration: float | None = None
    queue: float | None = None
    label: str = "ubuntu-latest"
    phantom: bool = False


def planned(
    jobs: int | Sequence[str | JobPlan], conclusion: str | None, queue: float, duration: float
) -> list[JobPlan]:
    """Complete plans. The last job fails where the run does: the others are copied when only it is run again."""
    wanted = [f"job {n + 1}" for n in range(jobs)] if isinstance(jobs, int) else list(jobs)
    plans = [JobPlan(each) if isinstance(each, str) else each for each in wanted]
    for place, plan in enumerate(plans):
        early = place < len(plans) - 1 and conclusion in _LISTED_AS_FAILED
        plans[place] = replace(
            plan,
            conclusion=plan.conclusion or ("success" if early else conclusion),
            duration=duration if plan.duration is None else plan.duration,
            queue=queue if plan.queue is None else plan.queue,
        )
    return plans


def planned_again(
    last: Attempt, failed_only: bool, conclusion: str | None, queue: float, duration: float
) -> list[JobPlan]:
    again = [job for job in last.jobs if not job.phantom and not (failed_only and job.conclusion == "success")]
    return planned([JobPlan(job.name, label=job.label) for job in again], conclusion, queue, duration)


def attempt(
    new_id: Callable[[], int], number: int, begins: datetime, actor: str | None, conclusion: str | None,
    plans: list[JobPlan],
) -> Attempt:  # fmt: skip
    made = Attempt(number, begins, actor, conclusion)
    made.jobs = [_job(new_id(), begins, plan, over=conclusion is not None) for plan in plans]
    if conclusion is not None:
        made.ended = max((job.completed for job in made.jobs if job.completed), default=begins) + SETTLE
    return made


def copied(new_id: Callable[[], int], last: Attempt) -> list[Job]:
    return [replace(job, id=new_id()) for job in last.jobs if job.conclusion == "success" and not job.phantom]


def finish(running: Attempt, conclusion: str, at: datetime) -> None:
    going = [job for job in running.jobs if job.completed is None or job.conclusion is None]
    for place, job in enumerate(going):
        early = place < len(going) - 1 and conclusion in _LISTED_AS_FAILED
        job.started = min(job.started, at)
        job.completed, job.conclusion = job.completed or at, job.conclusion or ("success" if early else conclusion)
    running.conclusion, running.ended = conclusion, max(at, running.started) + SETTLE


def _job(number: int, begins: datetime, plan: JobPlan, *, over: bool) -> Job:
    started = begins + timedelta(seconds=plan.queue or 0)
    end = started + timedelta(seconds=plan.duration or 0)
    if plan.phantom:
        return Job(number, plan.name, "report", "", end, end, end, plan.conclusion, 0, phantom=True)
    finished = over or plan.conclusion is not None
    runner = None if plan.conclusion == "skipped" else "GitHub Actions 1"
    over_at = end if finished else None
    return Job(
        number, plan.name, "test", plan.label, begins, started, over_at, plan.conclusion, number, runner
    )  # fmt: skip
