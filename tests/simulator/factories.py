"""Attempts and jobs with the times and conclusions that a test gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from demo.world.model import SETTLE_TIME, Attempt, Job

_FAILURES = ("failure", "timed_out")


@dataclass(frozen=True)
class JobPlan:
    """`queue` and `duration` are in seconds; a None is replaced by the run's value. `label` "" and `phantom` stand for
    a check run of a test reporter."""

    name: str
    conclusion: str | None = None
    duration: float | None = None
    queue: float | None = None
    label: str = "ubuntu-latest"
    phantom: bool = False


def job_plans(
    jobs: int | Sequence[str | JobPlan], conclusion: str | None, queue: float, duration: float
) -> list[JobPlan]:
    """Return plans without None. In a failing run the last job fails and the others pass, so "re-run failed jobs"
    copies the others."""
    names = [f"job {n + 1}" for n in range(jobs)] if isinstance(jobs, int) else list(jobs)
    plans = [JobPlan(item) if isinstance(item, str) else item for item in names]
    for index, plan in enumerate(plans):
        passes = index < len(plans) - 1 and conclusion in _FAILURES
        plans[index] = replace(
            plan,
            conclusion=plan.conclusion or ("success" if passes else conclusion),
            duration=duration if plan.duration is None else plan.duration,
            queue=queue if plan.queue is None else plan.queue,
        )
    return plans


def rerun_plans(
    last: Attempt, failed_only: bool, conclusion: str | None, queue: float, duration: float
) -> list[JobPlan]:
    jobs = [job for job in last.jobs if not job.phantom and not (failed_only and job.conclusion == "success")]
    return job_plans([JobPlan(job.name, label=job.label) for job in jobs], conclusion, queue, duration)


def attempt(
    new_id: Callable[[], int], number: int, started: datetime, actor: str | None, conclusion: str | None,
    plans: list[JobPlan],
) -> Attempt:  # fmt: skip
    result = Attempt(number, started, actor, conclusion)
    result.jobs = [_job(new_id(), started, plan, completed=conclusion is not None) for plan in plans]
    if conclusion is not None:
        result.ended = max((job.completed for job in result.jobs if job.completed), default=started) + SETTLE_TIME
    return result


def copied_jobs(new_id: Callable[[], int], last: Attempt) -> list[Job]:
    return [replace(job, id=new_id()) for job in last.jobs if job.conclusion == "success" and not job.phantom]


def finish(running: Attempt, conclusion: str, at: datetime) -> None:
    """End the attempt and its unfinished jobs."""
    unfinished = [job for job in running.jobs if job.completed is None or job.conclusion is None]
    for index, job in enumerate(unfinished):
        passes = index < len(unfinished) - 1 and conclusion in _FAILURES
        job.started = min(job.started, at)
        job.completed, job.conclusion = job.completed or at, job.conclusion or ("success" if passes else conclusion)
    running.conclusion, running.ended = conclusion, max(at, running.started) + SETTLE_TIME


def _job(job_id: int, created: datetime, plan: JobPlan, *, completed: bool) -> Job:
    started = created + timedelta(seconds=plan.queue or 0)
    end = started + timedelta(seconds=plan.duration or 0)
    if plan.phantom:
        return Job(job_id, plan.name, "report", "", end, end, end, plan.conclusion, 0, phantom=True)
    completed_at = end if completed or plan.conclusion is not None else None
    runner = None if plan.conclusion == "skipped" else "GitHub Actions 1"
    return Job(
        job_id, plan.name, "test", plan.label, created, started, completed_at, plan.conclusion, job_id, runner
    )  # fmt: skip
