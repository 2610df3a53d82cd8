"""Conversion of GitHub's payloads to records. Pure."""

import re

from collector.github.payloads import (
    HeadCommitPayload,
    JobPayload,
    RepositoryPayload,
    RunPayload,
    StepPayload,
    WorkflowPayload,
)
from db.definitions.records import AttemptRecord, JobRecord, RepositoryRecord, RunRecord, WorkflowRecord
from db.enums import Status, WorkflowState

UNKNOWN_TITLE = "(no title)"
# Longer commit messages are cut; pages show the first line.
_MAX_MESSAGE_LENGTH = 2_000
# E-mail addresses in trailers such as "Co-authored-by: Ann <ann@example.org>", and as names: they are never stored.
_ADDRESS = re.compile(r"\s?<[^<>\s@]{1,200}@[^<>\s@]{1,200}>|[^\s<>@]{1,64}@[^\s<>@]{1,200}\.[A-Za-z]{2,24}")


def repository_record(payload: RepositoryPayload) -> RepositoryRecord:
    return RepositoryRecord(
        id=payload.id,
        full_name=payload.full_name,
        default_branch=payload.default_branch or "main",
        private=payload.private,
        archived=payload.archived,
        html_url=payload.html_url,
    )


def workflow_record(payload: WorkflowPayload) -> WorkflowRecord:
    return WorkflowRecord(payload.id, payload.name, payload.path, payload.state)


def workflow_record_from_run(payload: RunPayload) -> WorkflowRecord:
    """The workflow as its run describes it, for workflows that GitHub no longer lists."""
    return WorkflowRecord(payload.workflow_id, _workflow_name(payload), payload.path or "", WorkflowState.UNLISTED)


def run_record(payload: RunPayload) -> RunRecord:
    own, head, commit = payload.repository, payload.head_repository, payload.head_commit
    return RunRecord(
        id=payload.id,
        workflow_id=payload.workflow_id,
        workflow_name=_workflow_name(payload),
        run_number=payload.run_number,
        attempt=payload.run_attempt or 1,
        title=payload.display_title or UNKNOWN_TITLE,
        event=payload.event,
        branch=payload.head_branch,
        head_sha=payload.head_sha,
        actor=payload.actor.login if payload.actor else None,
        triggering_actor=_triggering_login(payload),
        commit_author=_author_name(commit),
        commit_message=_commit_message(commit),
        status=_status(payload.status, payload.conclusion),
        conclusion=payload.conclusion,
        created_at=payload.created_at,
        started_at=payload.run_started_at or payload.created_at,
        updated_at=payload.updated_at,
        html_url=payload.html_url,
        from_fork=bool(own and head and own.id != head.id),
    )


def attempt_record(payload: RunPayload) -> AttemptRecord:
    return AttemptRecord(
        attempt=payload.run_attempt or 1,
        status=_status(payload.status, payload.conclusion),
        conclusion=payload.conclusion,
        started_at=payload.run_started_at or payload.created_at,
        updated_at=payload.updated_at,
        actor=_triggering_login(payload),
    )


def _triggering_login(payload: RunPayload) -> str | None:
    """The login that started the latest attempt. `actor` started the first one; for a re-run without a triggering actor
    it is unknown."""
    account = payload.triggering_actor or (payload.actor if (payload.run_attempt or 1) == 1 else None)
    return account.login if account else None


def _author_name(commit: HeadCommitPayload | None) -> str | None:
    """The name of the commit's author; of an e-mail address, the part before the @."""
    name = commit.author.name.strip() if commit and commit.author and commit.author.name else ""
    return _ADDRESS.sub("", name).strip() or name.strip("<>").partition("@")[0].strip() or None


def _commit_message(commit: HeadCommitPayload | None) -> str | None:
    message = _ADDRESS.sub("", commit.message).strip() if commit and commit.message else ""
    return message[:_MAX_MESSAGE_LENGTH] or None


def job_record(payload: JobPayload) -> JobRecord:
    return JobRecord(
        id=payload.id,
        attempt=payload.run_attempt or 1,
        name=payload.name,
        status=_status(payload.status, payload.conclusion),
        conclusion=payload.conclusion,
        created_at=payload.created_at,
        started_at=payload.started_at,
        completed_at=payload.completed_at,
        runner=payload.runner_name or None,
        runner_id=payload.runner_id,
        runner_group=payload.runner_group_name or None,
        labels=tuple(payload.labels or ()),
        steps=tuple(_step(step) for step in payload.steps or ()),
        html_url=payload.html_url,
    )


def _step(step: StepPayload) -> dict[str, object]:
    return step.model_dump(
        mode="json", include={"number", "name", "status", "conclusion", "started_at", "completed_at"}
    )


def _status(status: str | None, conclusion: str | None) -> str:
    """GitHub sends a status of null at times; a conclusion then means that the run is completed."""
    return status or (Status.COMPLETED if conclusion else Status.QUEUED)


def _workflow_name(payload: RunPayload) -> str:
    """GitHub uses the path as the name of a workflow it cannot parse; the same is done for one without a name."""
    return payload.name or payload.path or f"workflow {payload.workflow_id}"
