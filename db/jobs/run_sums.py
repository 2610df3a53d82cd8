"""Sums over the attempts and jobs of a run, which are stored with the run."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from db.definitions import job_times
from db.definitions.attempts import (
    AttemptState,
    WasteReason,
    failed_then_rerun,
    first_outcome,
    is_flaky,
    reruns,
    waste_reasons,
)
from db.definitions.prices import PriceList, Runner, bill
from db.enums import Conclusion, Status
from db.models import Attempt, Job, Repository, Run


def recompute_run(
    repository: Repository, run: Run, attempts: Sequence[Attempt], jobs: Iterable[Job], prices: PriceList
) -> None:
    """Sets the run's sums, and the times of its attempts. Copies and phantoms among the jobs must already be marked."""
    own: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        if not job.copied and not job.phantom:
            own[job.attempt].append(job)
    for attempt in attempts:
        _time_attempt(attempt, own[attempt.attempt])
        if attempt.attempt == run.attempt:
            run.completed_at = attempt.completed_at
            run.duration_seconds, run.queue_seconds = attempt.duration_seconds, attempt.queue_seconds
    states = [AttemptState(attempt.attempt, attempt.status, attempt.conclusion) for attempt in attempts]
    run.flaky = is_flaky(states)
    run.first_outcome = first_outcome(states, run.attempt)
    run.reruns = reruns(states, run.attempt)
    run.failed_then_rerun = failed_then_rerun(states, run.attempt)
    _sum_compute(run, states, own)
    _sum_cost(repository, run, own, prices)
    run.never_started = sum(never_started(job, run) for group in own.values() for job in group)
    run.runner = _main_runner(own[run.attempt])


def set_spans(job: Job) -> None:
    """Sets the duration and queue time of a job in seconds; null where it was skipped or never started, and until they
    are known."""
    completed = job.status == Status.COMPLETED
    ran = job.conclusion != Conclusion.SKIPPED and job.has_started
    started = completed or job.status == Status.IN_PROGRESS
    job.duration_seconds = job_times.span_seconds(job.started_at, job.completed_at) if completed and ran else None
    job.queue_seconds = job_times.span_seconds(job.created_at, job.started_at) if started and ran else None


def never_started(job: Job, run: Run) -> bool:
    """Returns whether the job ended, at the latest with its run, and no runner accepted it. Skipped jobs need none."""
    completed = Status.COMPLETED in (job.status, run.status)
    return completed and job.conclusion != Conclusion.SKIPPED and not job.has_started


def runner_of(job: Job) -> Runner:
    return Runner(job.labels, job.runner, job.runner_group)


def _time_attempt(attempt: Attempt, jobs: Sequence[Job]) -> None:
    if attempt.status == Status.COMPLETED:
        attempt.completed_at = job_times.latest_end(job.completed_at for job in jobs) or attempt.first_completed_at
        attempt.duration_seconds = job_times.span_seconds(attempt.started_at, attempt.completed_at)
    # The start times of skipped jobs, and of jobs that no runner accepted, are not those of a start.
    started = (
        job.started_at
        for job in jobs
        if job.conclusion != Conclusion.SKIPPED
        and job.status in (Status.IN_PROGRESS, Status.COMPLETED)
        and job.has_started
    )
    attempt.queue_seconds = job_times.queue_seconds(attempt.started_at, started)


def _sum_compute(run: Run, states: Sequence[AttemptState], own: Mapping[int, Sequence[Job]]) -> None:
    compute = {number: float(sum(job.duration_seconds or 0.0 for job in jobs)) for number, jobs in own.items()}
    wasted = dict.fromkeys(WasteReason, 0.0)
    for number, reason in waste_reasons(states, run.attempt).items():
        wasted[reason] += compute.get(number, 0.0)
    run.compute_seconds = sum(compute.values())
    run.wasted_seconds = sum(wasted.values())
    run.wasted_flaky_seconds, run.wasted_cancelled_seconds = wasted[WasteReason.FLAKY], wasted[WasteReason.CANCELLED]
    run.wasted_superseded_seconds, run.defect_seconds = wasted[WasteReason.SUPERSEDED], wasted[WasteReason.DEFECT]


def _sum_cost(repository: Repository, run: Run, own: Mapping[int, Sequence[Job]], prices: PriceList) -> None:
    bills = [
        bill(job.duration_seconds, runner_of(job), private=repository.private, free=run.is_free, prices=prices)
        for group in own.values()
        for job in group
    ]
    run.cost_usd = sum(job_bill.usd for job_bill in bills)
    run.unpriced_minutes = sum(job_bill.unpriced_minutes for job_bill in bills)


def _main_runner(jobs: Sequence[Job]) -> str | None:
    """Returns the labels of the longest job, under which the run is grouped; null where no job has labels."""
    labelled = [job for job in jobs if job.labels and job.conclusion != Conclusion.SKIPPED]
    if not labelled:
        return None
    longest = max(labelled, key=lambda job: (job.duration_seconds or 0.0, -job.id))
    return ", ".join(longest.labels)[:200]
