"""Runs, their attempts and jobs, and the logs of jobs."""

from typing import Any, Self

from pydantic import ConfigDict, Field

from api.schemas.base import ProblemDocument, Schema, Time, example
from core.terminal import visible_text
from db.enums import LogState
from db.logs.log_queries import JobLogRow
from health.insights.causes.attempt_causes import StoredCause
from health.insights.causes.model import CauseClass

_RUN: dict[str, Any] = {
    "id": 7398123456, "repo": "acme/web-app", "workflow": "CI", "workflow_id": 90001001, "run_number": 1750,
    "attempt": 1, "title": "fix(cart): round half to even", "event": "push", "branch": "main",
    "head_sha": "762b1c4b80080ab6722f67cee6be8f42f415dfc3", "actor": "hana-sato", "status": "completed",
    "conclusion": "success", "outcome": "success", "flaky": False, "created_at": "2026-11-20T09:14:02Z",
    "started_at": "2026-11-20T09:14:02Z", "completed_at": "2026-11-20T09:18:34Z",
    "duration_seconds": 272.0, "queue_seconds": 6.0,
    "html_url": "https://github.com/acme/web-app/actions/runs/7398123456", "triggering_actor": "hana-sato",
    "commit_author": "Hana Sato", "commit_message": "fix(cart): round half to even",
}  # fmt: skip
_ATTEMPT: dict[str, Any] = {
    "attempt": 1, "status": "completed", "conclusion": "success", "started_at": "2026-11-20T09:14:02Z",
    "completed_at": "2026-11-20T09:18:34Z", "duration_seconds": 272.0, "queue_seconds": 6.0, "actor": "hana-sato",
}  # fmt: skip
_STEP: dict[str, Any] = {
    "number": 1, "name": "Set up job", "status": "completed", "conclusion": "success",
    "started_at": "2026-11-20T09:14:08Z", "completed_at": "2026-11-20T09:14:10Z",
}  # fmt: skip
_JOB: dict[str, Any] = {
    "id": 20877123001, "name": "test (3.11)", "status": "completed", "conclusion": "success",
    "created_at": "2026-11-20T09:14:03Z", "started_at": "2026-11-20T09:14:08Z",
    "completed_at": "2026-11-20T09:18:34Z", "duration_seconds": 266.0, "queue_seconds": 5.0,
    "runner": "GitHub Actions 12", "runner_group": "GitHub Actions", "labels": ["ubuntu-latest"], "copied": False,
    "phantom": False, "end_unknown": False, "steps": [_STEP],
    "html_url": "https://github.com/acme/web-app/actions/runs/7398123456/job/20877123001",
}  # fmt: skip


class Run(Schema):
    model_config = example(_RUN)
    id: int
    repo: str
    workflow: str
    workflow_id: int
    run_number: int
    attempt: int = Field(description="Number of the latest attempt; figures count a run once, by this attempt")
    title: str
    event: str
    branch: str | None
    head_sha: str
    actor: str | None = Field(description="Login of the user who started the run (GitHub's `actor`)")
    status: str
    conclusion: str | None
    outcome: str = Field(description="success, failure, cancelled, skipped, other or in_progress")
    flaky: bool = Field(description="True where an attempt failed and a later one succeeded")
    created_at: Time
    started_at: Time | None = Field(description="Start of the latest attempt")
    completed_at: Time | None
    duration_seconds: float | None
    queue_seconds: float | None
    html_url: str
    triggering_actor: str | None = Field(
        description="Login of the user who started the latest attempt, for example by a re-run; null where unknown"
    )
    commit_author: str | None = Field(description="Name of the head commit's author; null where unknown")
    commit_message: str | None = Field(
        description="Message of the head commit, at most 2,000 characters, without e-mail addresses"
    )


_ATTEMPTS: dict[str, Any] = {
    "first_outcome": None, "reruns": 0, "failed_then_rerun": False, "wasted_flaky_seconds": 0.0,
    "wasted_cancelled_seconds": 0.0, "wasted_superseded_seconds": 0.0, "defect_seconds": 0.0, "unpriced_minutes": 0,
    "never_started": 0,
}  # fmt: skip


class ExportedRun(Run):
    model_config = example({**_RUN, "compute_seconds": 812.0, "wasted_seconds": 0.0, "cost_usd": 0.112, **_ATTEMPTS})
    compute_seconds: float = Field(description="Job time over all attempts")
    wasted_seconds: float
    cost_usd: float
    first_outcome: str | None = Field(
        description="Outcome of attempt 1; null where it is the latest attempt or unknown"
    )
    reruns: int = Field(description="Number of later attempts, without attempts that an approval created")
    failed_then_rerun: bool = Field(description="True where a failed attempt was re-run")
    wasted_flaky_seconds: float
    wasted_cancelled_seconds: float
    wasted_superseded_seconds: float
    defect_seconds: float = Field(description="Job time of failed attempts that found a defect")
    unpriced_minutes: int = Field(description="Billed minutes of unknown price, which `cost_usd` leaves out")
    never_started: int = Field(description="Number of jobs that no runner picked up")


class RunPage(Schema):
    model_config = example({"items": [_RUN], "next": "MjAyNi0xMS0yMFQwOToxNDowMiswMDowMHw3Mzk4MTIzNDU2"})
    items: list[Run]
    next: str | None = Field(description="Value of `cursor` for the next page; null on the last page")


class Attempt(Schema):
    model_config = example(_ATTEMPT)
    attempt: int
    status: str
    conclusion: str | None
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: float | None
    queue_seconds: float | None
    actor: str | None = Field(description="Login of the user who started this attempt")


class Step(Schema):
    """As GitHub reports it: a field that GitHub leaves out is null."""

    model_config = example(_STEP)
    number: int
    name: str
    status: str | None = None
    conclusion: str | None = None
    started_at: Time | None = None
    completed_at: Time | None = None


class Job(Schema):
    model_config = example(_JOB)
    id: int
    name: str
    status: str
    conclusion: str | None
    created_at: Time | None
    started_at: Time | None
    completed_at: Time | None
    duration_seconds: float | None
    queue_seconds: float | None
    runner: str | None
    runner_group: str | None = Field(
        description="Runner group; null where no runner picked up the job or GitHub reports none"
    )
    labels: list[str]
    copied: bool = Field(description="True for a job that was reused from an earlier attempt; figures leave it out")
    end_unknown: bool = Field(
        description="True for a job that GitHub never completed although its attempt is complete: `status` is the last "
        "one that GitHub reported and does not change any more"
    )
    phantom: bool = Field(
        description="True for a check run that a program posted, without a runner; figures leave it out"
    )
    steps: list[Step]
    html_url: str | None


class JobPage(Schema):
    model_config = example({"attempt": 1, "items": [_JOB], "next": 20877123001})
    attempt: int
    items: list[Job]
    next: int | None = Field(description="Value of `cursor` for the next page; null on the last page")


class RunDetail(Run):
    model_config = example({**_RUN, "attempts": [_ATTEMPT], "jobs": [_JOB]})
    attempts: list[Attempt]
    jobs: list[Job]


_JOB_LOG: dict[str, Any] = {
    "job_id": 20877123001, "name": "test (3.11)", "conclusion": "failure", "state": "stored",
    "excerpt": {"first_line": 412, "lines": ["E   assert 3 == 4", "##[error]Process completed with exit code 1."]},
    "cause": {
        "line": "E   assert 3 == 4", "line_number": 412, "class": "test", "tool": "pytest", "subject": None,
        "cause_id": "8c5e0f1b7a3d9e428c5e0f1b",
    },
    "text": "Current runner version: '2.330.0'\n…",
}  # fmt: skip


class Excerpt(Schema):
    first_line: int | None = Field(description="Line number of the first line of the excerpt within the log, from 1")
    lines: list[str]


class JobCause(Schema):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True, serialize_by_alias=True)
    line: str
    line_number: int | None = Field(
        description="Number of the line in the log, from 1; null for an annotation, and until the collector has "
        "extracted the causes of the log"
    )
    kind: CauseClass = Field(alias="class")
    tool: str = Field(description="The tool that reported the cause; empty if no rule recognises the line")
    subject: str | None = Field(description="What failed: a test, a file and an error code, a package, a host")
    cause_id: str | None = Field(
        description="Fingerprint in /api/insights/failures; null for a cause that failures do not share, such as a "
        "cancellation"
    )


class JobLog(Schema):
    model_config = example(_JOB_LOG)
    job_id: int
    name: str
    conclusion: str | None
    state: str = Field(description="stored, pending, expired, missing, pruned or unreadable")
    excerpt: Excerpt
    cause: JobCause | None = Field(description="The first failure cause of the job; null without one")
    text: str | None = Field(
        description="Null where no log is stored, and for stored logs beyond the size limit of the response: request "
        "such a log with `job_id`"
    )

    @classmethod
    def from_log(cls, row: JobLogRow, cause: StoredCause | None = None) -> Self:
        """A log that the collector has not tried to fetch yet is pending."""
        return cls.from_row(
            row,
            state=row.state or LogState.PENDING,
            excerpt=Excerpt(first_line=row.excerpt_first_line, lines=row.excerpt),
            cause=None if cause is None else JobCause.from_row(cause, cause_id=cause.fingerprint),
            text=None if row.text is None else visible_text(row.text),
        )


class Logs(Schema):
    model_config = example({"run_id": 7398123456, "attempt": 1, "jobs": [_JOB_LOG]})
    run_id: int
    attempt: int
    jobs: list[JobLog]


class LogsGone(ProblemDocument):
    """The problem, with the jobs whose logs are gone."""

    model_config = example(
        {
            "type": "about:blank",
            "title": "Gone",
            "status": 410,
            "detail": "GitHub has deleted the logs of run 7398123456, and none was stored before that.",
            "run_id": 7398123456,
            "attempt": 1,
            "jobs": [{**_JOB_LOG, "state": "expired", "excerpt": {"first_line": None, "lines": []}, "text": None}],
        }
    )
    run_id: int
    attempt: int
    jobs: list[JobLog]
