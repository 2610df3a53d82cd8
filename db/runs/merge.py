"""Merge rules for reported and stored states of attempts and jobs.

Polling, the job lists and webhooks report the same attempt and the same job, in any order and more than once. The rules
depend on the content of the reports alone, so that every order of arrival leads to the same row:

- A state only moves forward: requested, pending, waiting, queued, in progress, completed.
- A value is never replaced by null.
- GitHub's response for an attempt (`AttemptRecord`) takes precedence over the report of a run about its latest attempt.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from db.definitions.job_times import span_seconds
from db.definitions.records import AttemptRecord, JobRecord, RunRecord
from db.enums import Status
from db.models import Attempt, Job

# A job waits for an approval before it is queued.
_ORDER = (Status.REQUESTED, Status.PENDING, Status.WAITING, Status.QUEUED, Status.IN_PROGRESS, Status.COMPLETED)
_RANKS: dict[str, int] = {str(status): rank for rank, status in enumerate(_ORDER)}


def status_rank(status: str) -> int:
    """Returns the position of a status in the life of a run, attempt or job. Statuses that this version
    does not know count as pending."""
    return _RANKS.get(status, _RANKS[Status.PENDING])


def merge_attempt(attempt: Attempt, incoming: AttemptRecord | RunRecord) -> bool:
    """Merges a report into the attempt; returns whether the attempt changed.

    `attempt` is a stored row, or a new one that has only its key. A `RunRecord` reports the state of the run's latest
    attempt and must carry the number of this attempt. Two reports of a completed attempt with different conclusions
    are ordered by `updated_at`. `first_completed_at` is the earliest `updated_at` of the reports with the stored
    conclusion: GitHub updates old runs without other changes, so the earliest is the closest to the end of the attempt.
    """
    report = _attempt_of(incoming) if isinstance(incoming, RunRecord) else incoming
    changes: dict[str, Any] = {}
    if _is_later(attempt, report):
        changes["status"], changes["conclusion"] = report.status, report.conclusion or attempt.conclusion
    if report.status == Status.COMPLETED:
        if attempt.first_completed_at is None or ("status" in changes and report.conclusion != attempt.conclusion):
            changes["first_completed_at"] = report.updated_at
        elif report.conclusion == attempt.conclusion:
            changes["first_completed_at"] = min(attempt.first_completed_at, report.updated_at)
    if report.actor and (report is incoming or attempt.actor is None):
        changes["actor"] = report.actor
    # Where GitHub names no start of the attempt, the record holds the creation of the run, which is earlier.
    changes["started_at"] = _latest(attempt.started_at, report.started_at)
    if report.status == Status.COMPLETED and attempt.completed_at is None:
        # An estimate until the sums of the run are computed from its jobs.
        changes["completed_at"] = report.updated_at
        changes["duration_seconds"] = span_seconds(changes["started_at"], report.updated_at)
    return _assign(attempt, changes)


def _attempt_of(run: RunRecord) -> AttemptRecord:
    return AttemptRecord(run.attempt, run.status, run.conclusion, run.started_at, run.updated_at, run.triggering_actor)


def _is_later(attempt: Attempt, report: AttemptRecord) -> bool:
    if attempt.status is None:
        return True
    stored, incoming = status_rank(attempt.status), status_rank(report.status)
    if stored != incoming or report.status != Status.COMPLETED:
        return incoming > stored
    if attempt.conclusion is None or report.conclusion is None:
        return attempt.conclusion is None
    return attempt.first_completed_at is None or report.updated_at >= attempt.first_completed_at


_JOB_FIELDS = (
    "attempt",
    "name",
    "status",
    "conclusion",
    "created_at",
    "started_at",
    "completed_at",
    "html_url",
    "runner",
    "runner_id",
    "runner_group",
)


def merge_job(job: Job, incoming: JobRecord) -> bool:
    """Merges a report into the job; returns whether the job changed.

    `job` is a stored row, or a new one with its key, `run_id` and empty `labels` and `steps`. A report of an earlier
    state only fills in what is null. Steps are kept where the report has fewer completed ones: GitHub drops the steps
    of old jobs.
    """
    is_earlier = job.status is not None and status_rank(incoming.status) < status_rank(job.status)
    changes: dict[str, Any] = {}
    for name in _JOB_FIELDS:
        value, stored = getattr(incoming, name), getattr(job, name)
        if value is not None and (stored is None or not is_earlier):
            changes[name] = value
    if incoming.labels and (not job.labels or not is_earlier):
        changes["labels"] = list(incoming.labels)
    stored_steps, reported_steps = completed_steps(job.steps), completed_steps(incoming.steps)
    if reported_steps > stored_steps or (reported_steps == stored_steps and not is_earlier):
        changes["steps"] = list(incoming.steps)
    return _assign(job, changes)


def completed_steps(steps: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Returns the number of completed steps, and of all steps."""
    return sum(step.get("status") == Status.COMPLETED for step in steps), len(steps)


def _assign(row: Attempt | Job, values: dict[str, Any]) -> bool:
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)


def _latest(first: datetime | None, second: datetime | None) -> datetime | None:
    return max(first, second) if first and second else first or second
