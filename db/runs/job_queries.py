"""Queries of the jobs of a run."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, or_, select
from sqlalchemy.orm import Session

from db.enums import Status
from db.models import Job, Run

_MAX_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class JobSummary:
    """A job without its steps. `end_unknown`: GitHub never reported the end of this job of a completed attempt. Its
    `status` is the one that GitHub reports; the job does not run, and its duration and conclusion are unknown."""

    id: int
    attempt: int
    name: str
    status: str
    conclusion: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_seconds: float | None
    queue_seconds: float | None
    runner: str | None
    runner_group: str | None
    labels: list[str]
    copied: bool
    phantom: bool
    has_started: bool
    html_url: str | None
    end_unknown: bool = False

    @property
    def display_state(self) -> str:
        """Returns the conclusion, else `end_unknown` or the status."""
        return self.conclusion or ("end_unknown" if self.end_unknown else self.status)


Steps = list[dict[str, Any]]


@dataclass(frozen=True)
class JobRow(JobSummary):
    """A job with its steps, as GitHub lists them."""

    steps: Steps = field(default_factory=list)


@dataclass(frozen=True)
class JobPage:
    """`next` continues after the last item; null at the end."""

    items: list[JobRow]
    next: int | None


def end_unknown() -> ColumnElement[bool]:
    """Returns a condition on a job joined with its run: the job is unfinished although its attempt is completed and the
    job list is final."""
    attempt_completed = or_(Job.attempt < Run.attempt, and_(Run.status == Status.COMPLETED, ~Run.details_pending))
    return and_(Job.status != Status.COMPLETED, attempt_completed)


RUN_OF_JOB = and_(Run.repository_id == Job.repository_id, Run.id == Job.run_id)


def _named_columns(row: type[JobSummary]) -> list[tuple[str, Any]]:
    return [
        (name, end_unknown().label(name) if name == "end_unknown" else getattr(Job, name))
        for name in row.__dataclass_fields__
    ]


def list_jobs(session: Session, run_id: int, attempt: int) -> list[JobRow]:
    """Returns the jobs of one attempt with their steps, by start. Copies and phantoms are included and marked."""
    return sorted(
        (JobRow(*row) for row in session.execute(_jobs_of_attempt(JobRow, run_id, attempt))), key=_start_order
    )


def list_job_summaries(session: Session, run_id: int, attempt: int) -> list[JobSummary]:
    """Returns what list_jobs returns without the steps, which are most of the stored data of a job."""
    columns = [cast(Job.labels, Text) if name == "labels" else column for name, column in _named_columns(JobSummary)]
    query = select(*columns).join(Run, RUN_OF_JOB).where(*select_by_run(Job, run_id), Job.attempt == attempt)
    rows = session.connection().execute(query)
    return sorted((_job_summary(*row) for row in rows), key=_start_order)


_LABELS = [column.name for column in fields(JobSummary)].index("labels")


def _job_summary(*row: Any) -> JobSummary:
    """Takes the columns of a job with its labels as text."""
    values: list[Any] = list(row)
    values[_LABELS] = parse_labels(values[_LABELS])
    return JobSummary(*values)


@lru_cache(maxsize=1000)
def parse_labels(text: str) -> list[str]:
    """Parses labels; cached, because the thousands of jobs of a run have a few different ones."""
    return [str(label) for label in json.loads(text)]


def list_jobs_page(
    session: Session,
    run_id: int,
    attempt: int,
    *,
    limit: int,
    after: int | None = None,
    conclusions: Collection[str] = (),
) -> JobPage:
    """Returns at most `limit` jobs of one attempt with their steps and an id above `after`, by ascending id. Without
    `conclusions`, jobs of any conclusion and unfinished jobs are included."""
    query = _jobs_of_attempt(JobRow, run_id, attempt)
    if after is not None:
        query = query.where(Job.id > after)
    if conclusions:
        query = query.where(Job.conclusion.in_(list(conclusions)))
    rows = [JobRow(*row) for row in session.execute(query.order_by(Job.id).limit(limit + 1))]
    items = rows[:limit]
    return JobPage(items, items[-1].id if len(rows) > limit else None)


def has_jobs(session: Session, run_id: int, attempt: int) -> bool:
    query = select(Job.id).where(*select_by_run(Job, run_id), Job.attempt == attempt).limit(1)
    return session.scalar(query) is not None


def job_steps(session: Session, run_id: int, job_ids: Collection[int]) -> dict[int, Steps]:
    """Returns the steps of these jobs of a run by job id."""
    query = select(Job.id, Job.steps).where(*select_by_run(Job, run_id), Job.id.in_(list(job_ids)))
    return {row.id: row.steps for row in session.execute(query)}


def _jobs_of_attempt(row: type[JobSummary], run_id: int, attempt: int) -> Select[Any]:
    query = select(*(column for _, column in _named_columns(row))).join(Run, RUN_OF_JOB)
    return query.where(*select_by_run(Job, run_id), Job.attempt == attempt)


def _start_order(job: JobSummary) -> tuple[datetime, int]:
    return job.started_at or _MAX_TIME, job.id


def select_by_run(model: Any, run_id: int) -> Sequence[Any]:
    """Returns the conditions on rows of a run. They include the repository, which leads every index."""
    owner = select(Run.repository_id).where(Run.id == run_id).limit(1).scalar_subquery()
    return model.repository_id == owner, model.run_id == run_id
