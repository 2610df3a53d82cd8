"""Validated records that the collector stores."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class RepositoryRecord:
    id: int
    full_name: str
    default_branch: str
    private: bool
    archived: bool
    html_url: str


@dataclass(frozen=True)
class WorkflowRecord:
    id: int
    name: str
    path: str
    state: str


@dataclass(frozen=True)
class RunRecord:
    """A run in one response: the state of its latest attempt at `updated_at`. `actor` started the run,
    `triggering_actor` its latest attempt."""

    id: int
    workflow_id: int
    workflow_name: str
    run_number: int
    attempt: int
    title: str
    event: str
    branch: str | None
    head_sha: str
    actor: str | None
    status: str
    conclusion: str | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    html_url: str
    from_fork: bool = False
    triggering_actor: str | None = None
    commit_author: str | None = None
    commit_message: str | None = None


@dataclass(frozen=True)
class AttemptRecord:
    attempt: int
    status: str
    conclusion: str | None
    started_at: datetime | None
    updated_at: datetime
    actor: str | None


@dataclass(frozen=True)
class JobRecord:
    """A job in one response. `runner`, `runner_id` and `runner_group` are null if no runner took it."""

    id: int
    attempt: int
    name: str
    status: str
    conclusion: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    runner: str | None
    labels: tuple[str, ...]
    steps: tuple[dict[str, Any], ...]
    html_url: str | None
    runner_id: int | None = None
    runner_group: str | None = None


@dataclass(frozen=True)
class CauseRecord:
    """A failure cause of a job, as db.models.JobCause."""

    kind: str
    tool: str
    subject: str | None
    message: str
    line: str
    line_number: int | None
    source: str
    fingerprint: str | None
    rule_id: int | None = None


@dataclass(frozen=True)
class LogRecord:
    """A fetched log. `text` is null if the log does not exist or no longer exists. `error_line` and `fingerprint` are
    those of the first of `causes`, which the extraction of `cause_version` made; null if none was made. `compared`:
    the causes were compared with sketches of successful logs."""

    job_id: int
    run_id: int
    state: str
    text: str | None = None
    size_bytes: int | None = None
    truncated: bool = False
    excerpt_first_line: int | None = None
    excerpt: tuple[str, ...] = ()
    error_line: str | None = None
    fingerprint: str | None = None
    causes: tuple[CauseRecord, ...] = ()
    cause_version: int | None = None
    compared: bool = False


@dataclass(frozen=True)
class RunDetailsRecord:
    """Attempts and jobs of one run at `fetched_at`. `attempt` and `run_completed` are the state of the run before the
    request: the jobs of a run that was not completed are not final. `job_count` is GitHub's number of jobs of all
    attempts (total_count); null if the response did not contain it."""

    run_id: int
    attempts: tuple[AttemptRecord, ...]
    jobs: tuple[JobRecord, ...]
    fetched_at: datetime
    attempt: int | None = None
    run_completed: bool = True
    job_count: int | None = None
