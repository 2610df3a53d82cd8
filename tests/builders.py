"""Records with sensible values, of which a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from db.audit import Actor
from db.definitions.records import (
    AttemptRecord,
    JobRecord,
    RepositoryRecord,
    RunDetailsRecord,
    RunRecord,
    WorkflowRecord,
)
from db.engine import write_scope
from db.enums import ActorKind, Origin
from db.jobs.job_writes import store_run_details
from db.repositories.repository_writes import get_repository, upsert_repository, upsert_workflows
from db.runs.run_writes import UpsertResult, upsert_runs
from health.metrics.rollups.refresh import refresh_rollups

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
ACTOR = Actor("ann", ActorKind.USER, Origin.DASHBOARD)
REPO = RepositoryRecord(1, "acme/web", "main", True, False, "https://github.com/acme/web")
WORKFLOW = WorkflowRecord(5, "CI", ".github/workflows/ci.yml", "active")


def add_repository(engine: Engine, record: RepositoryRecord = REPO, *workflows: WorkflowRecord) -> None:
    with write_scope(engine) as session:
        upsert_repository(session, record)
        upsert_workflows(session, record.id, workflows or (WORKFLOW,))


def run(run_id: int = 100, *, minutes: float = 0, seconds: float = 60, **changed: Any) -> RunRecord:
    """A successful push to main, created `minutes` after noon, of that length."""
    created = NOON + timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "id": run_id, "workflow_id": 5, "workflow_name": "CI", "run_number": run_id, "attempt": 1, "title": "a change",
        "event": "push", "branch": "main", "head_sha": f"{run_id:040x}", "actor": "alice",
        "triggering_actor": changed.get("actor", "alice"), "status": "completed",
        "conclusion": "success", "created_at": created, "started_at": created,
        "updated_at": created + timedelta(seconds=seconds), "html_url": f"https://github.com/acme/web/actions/runs/{run_id}",
    }  # fmt: skip
    return RunRecord(**(values | changed))


def job(job_id: int = 1, *, start: float = 5, end: float | None = 65, at: datetime = NOON, **changed: Any) -> JobRecord:
    """A successful job on ubuntu-latest; start and end are seconds after `at`."""
    values: dict[str, Any] = {
        "id": job_id, "attempt": 1, "name": "build", "status": "completed", "conclusion": "success", "created_at": at,
        "started_at": at + timedelta(seconds=start),
        "completed_at": None if end is None else at + timedelta(seconds=end), "runner": "GitHub Actions 1",
        "labels": ("ubuntu-latest",), "steps": ({"number": 1, "name": "Set up job"},), "html_url": None,
    }  # fmt: skip
    return JobRecord(**(values | changed))


def attempt(number: int, conclusion: str | None, *, start: float = 0, end: float = 60) -> AttemptRecord:
    status = "completed" if conclusion else "in_progress"
    return AttemptRecord(
        number, status, conclusion, NOON + timedelta(seconds=start), NOON + timedelta(seconds=end), "alice"
    )


def store_runs(engine: Engine, *records: RunRecord, repository_id: int = 1) -> UpsertResult:
    with write_scope(engine) as session:
        stored = upsert_runs(session, get_repository(session, repository_id), records)
    roll_up(engine)
    return stored


def store_jobs(
    engine: Engine, run_id: int, *jobs: JobRecord, attempts: tuple[AttemptRecord, ...] = (), fetched_at: datetime = NOON
) -> int:
    with write_scope(engine) as session:
        details = RunDetailsRecord(run_id, attempts, jobs, fetched_at)
        changed = store_run_details(session, get_repository(session, 1), [details])
    roll_up(engine)
    return changed


def roll_up(engine: Engine, now: datetime = NOON) -> None:
    """As the collector does in the wake of what it stored."""
    for _ in refresh_rollups(engine, now):
        pass
