"""Schedules of workflows: stored cron lines, files to read, and scheduled runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from core.cron import invalid_lines
from db.enums import RuleKind
from db.models import AlertRule, Repository, Run, SyncState, Workflow, WorkflowSchedule
from db.sql import insert_ignore

# Repository id and workflow id.
Key = tuple[int, int]
# Prefix of the stored ETag of a workflow file. A file that an older version parsed, without time zones, has an ETag
# without it and is read again.
ETAG_PREFIX = "cron+timezone:"
# A file that a collector was reading when it ended is read again after this time.
_SKIP_DURATION = timedelta(days=1)
_PARSE_MARKER = re.compile(
    r"the collector ended while it read this file \(content ([0-9a-f]{16}), begun ([0-9T:+.-]{1,40})\)"
)


def store_schedule(session: Session, key: Key, crons: Sequence[Any], etag: str | None, now: datetime) -> None:
    """Stores the cron lines of a file (see WorkflowSchedule); invalid lines become the error."""
    row = _row(session, key, now)
    if row.crons != list(crons):
        row.crons, row.since = list(crons), now
    row.etag = ETAG_PREFIX + etag if etag else None
    row.read_at, row.error = now, _cron_error(crons)
    session.flush()


def record_unchanged(session: Session, key: Key, now: datetime) -> None:
    row = _row(session, key, now)
    row.read_at, row.error = now, _cron_error(row.crons)
    session.flush()


def record_removed(session: Session, key: Key, error: str, now: datetime) -> None:
    """Clears the schedule of a deleted file and its ETag, so that the file is read in full if it is restored."""
    store_schedule(session, key, [], None, now)
    session.execute(_key_conditions(key).values(error=error[:500]))


def _cron_error(crons: Sequence[Any]) -> str | None:
    return "; ".join(invalid_lines(crons))[:500] or None


def record_unreadable(session: Session, key: Key, error: str, now: datetime) -> None:
    """Stores the error; the schedule stays valid until the file can be read again."""
    _row(session, key, now)
    session.execute(_key_conditions(key).values(read_at=now, error=error[:500]))


def record_parse_start(session: Session, key: Key, digest: str, now: datetime) -> None:
    """Stores an error before the content with this digest is parsed. The result of the parser replaces it, so the error
    remains only if the collector ended while it parsed the file."""
    started = now.astimezone(UTC).isoformat(timespec="seconds")
    record_unreadable(
        session, key, f"the collector ended while it read this file (content {digest}, begun {started})", now
    )


def crashed_while_parsing(error: str | None, digest: str, now: datetime) -> bool:
    """Whether the error is that of record_parse_start for this content, less than a day ago."""
    marker = _PARSE_MARKER.match(error or "")
    return marker is not None and marker[1] == digest and now - datetime.fromisoformat(marker[2]) < _SKIP_DURATION


def _row(session: Session, key: Key, now: datetime) -> WorkflowSchedule:
    values = {"repository_id": key[0], "workflow_id": key[1], "crons": [], "since": now, "read_at": now}
    insert_ignore(session, WorkflowSchedule, [values])
    return session.get_one(WorkflowSchedule, key, populate_existing=True)


def _key_conditions(key: Key):  # type: ignore[no-untyped-def]
    return update(WorkflowSchedule).where(
        WorkflowSchedule.repository_id == key[0], WorkflowSchedule.workflow_id == key[1]
    )


# Interval of conditional requests for a file; an unchanged file does not count against the rate limit.
_READ_INTERVAL = timedelta(hours=1)
# A workflow with a scheduled run in this period may still have a schedule.
_RECENT = timedelta(days=60)
# Tolerance for the difference between GitHub's scheduler and created_at of a run.
EARLY_TOLERANCE = timedelta(minutes=1)
_FOLDER, _ACTIVE, _EVENT = ".github/workflows/", "active", "schedule"


@dataclass(frozen=True)
class PendingWorkflowFile:
    workflow_id: int
    path: str
    etag: str | None


@dataclass(frozen=True)
class ScheduledWorkflow:
    """`last_run`: created_at of the newest scheduled run; `synced_at`: time up to which runs are known."""

    repository_id: int
    repo: str
    workflow_id: int
    workflow: str
    branch: str
    crons: list[Any]
    since: datetime
    last_run: datetime | None
    synced_at: datetime | None


def pending_workflow_files(session: Session, repository_id: int, now: datetime) -> list[PendingWorkflowFile]:
    """Files of active workflows with a recent scheduled run that are due; none unless a rule for missing runs is
    enabled."""
    uses_schedules = AlertRule.enabled, AlertRule.kind == RuleKind.MISSING_RUN
    if session.scalar(select(AlertRule.id).where(*uses_schedules).limit(1)) is None:
        return []
    recent_runs = select(Run.id).where(
        Run.repository_id == Workflow.repository_id,
        Run.workflow_id == Workflow.id,
        Run.event == _EVENT,
        Run.created_at >= now - _RECENT,
    )
    query = (
        select(Workflow.id, Workflow.path, WorkflowSchedule.etag)
        .join(WorkflowSchedule, _monitored_active(), isouter=True)
        .where(Workflow.repository_id == repository_id, Workflow.state == _ACTIVE, Workflow.path.startswith(_FOLDER))
        .where(recent_runs.exists(), func.coalesce(WorkflowSchedule.read_at <= now - _READ_INTERVAL, True))
        .order_by(Workflow.id)
    )
    return [
        PendingWorkflowFile(
            row.id, row.path, row.etag.removeprefix(ETAG_PREFIX) if (row.etag or "").startswith(ETAG_PREFIX) else None
        )
        for row in session.execute(query)
    ]


def list_scheduled(session: Session) -> list[ScheduledWorkflow]:
    """Active workflows of monitored repositories whose files have a schedule."""
    last: Any = (
        select(func.max(Run.created_at))
        .where(Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id, Run.event == _EVENT)
        .correlate(Workflow)
        .scalar_subquery()
    )
    query = (
        select(
            Repository.id,
            Repository.full_name,
            Workflow.id,
            Workflow.name,
            Repository.default_branch,
            WorkflowSchedule.crons,
            WorkflowSchedule.since,
            last,
            SyncState.synced_at,
        )
        .join(Workflow, Workflow.repository_id == Repository.id)
        .join(WorkflowSchedule, _monitored_active())
        .join(SyncState, SyncState.repository_id == Repository.id, isouter=True)
        .where(Repository.monitored, Workflow.state == _ACTIVE)
    )
    return [ScheduledWorkflow(*row) for row in session.execute(query) if row[5]]


def scheduled_run_exists(session: Session, repository_id: int, workflow_id: int, due: datetime) -> bool:
    """Whether a scheduled run was created at `due` or later."""
    query = select(Run.id).where(
        Run.repository_id == repository_id,
        Run.workflow_id == workflow_id,
        Run.event == _EVENT,
        Run.created_at >= due - EARLY_TOLERANCE,
    )
    return session.scalar(query.limit(1)) is not None


def schedule_error(session: Session, repository_id: int, workflow_id: int) -> str | None:
    """Why the schedule of a workflow, or a part of it, is not evaluated; null without an error."""
    return session.scalar(
        select(WorkflowSchedule.error).where(
            WorkflowSchedule.repository_id == repository_id, WorkflowSchedule.workflow_id == workflow_id
        )
    )


def _monitored_active() -> Any:
    return and_(WorkflowSchedule.repository_id == Workflow.repository_id, WorkflowSchedule.workflow_id == Workflow.id)
