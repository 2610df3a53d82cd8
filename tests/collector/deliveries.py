"""Webhook deliveries in the form GitHub gives them, of which a test names only what it is about."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from collector.sync.inbox import InboxProcessor, InboxResult
from db.engine import write_scope
from db.webhook_inbox import NewDelivery, store_deliveries
from tests.builders import NOON

REPOSITORY = {"id": 1, "full_name": "acme/web", "default_branch": "main"}
_numbers = itertools.count(1)
# A state of a run or job: event, payload.
Event = tuple[str, dict[str, Any]]


def at(seconds: float) -> str:
    """Seconds after noon."""
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def run_event(
    run_id: int = 100, *, status: str = "completed", conclusion: str | None = "success", second: float = 60,
    attempt: int = 1, repository: dict[str, Any] | None = None, **changed: Any,
) -> Event:  # fmt: skip
    """A push to main at noon; `second` is its updated_at. A re-run begins an hour later."""
    actions = {"completed": "completed", "in_progress": "in_progress"}
    begun = 3600 * (attempt - 1)
    run = {
        "id": run_id, "workflow_id": 5, "name": "CI", "path": ".github/workflows/ci.yml", "run_number": run_id,
        "run_attempt": attempt, "display_title": "a change", "event": "push", "status": status,
        "conclusion": conclusion, "head_branch": "main", "head_sha": f"{run_id:040x}", "actor": {"login": "alice"},
        "triggering_actor": {"login": "alice"}, "created_at": at(0), "run_started_at": at(begun),
        "updated_at": at(begun + second), "html_url": f"https://github.com/acme/web/actions/runs/{run_id}",
        "head_repository": {"id": 1}, "repository": {"id": 1}, **changed,
    }  # fmt: skip
    workflow = {"id": 5, "name": "CI", "path": ".github/workflows/ci.yml", "state": "active"}
    return "workflow_run", {
        "action": actions.get(status, "requested"),
        "workflow_run": run,
        "workflow": workflow,
        "repository": repository or REPOSITORY,
    }


def job_event(
    job_id: int = 1, run_id: int = 100, *, status: str = "completed", conclusion: str | None = "success",
    attempt: int = 1, start: float = 5, end: float = 55, **changed: Any,
) -> Event:  # fmt: skip
    """A job on ubuntu-latest; start and end are seconds after its attempt began."""
    begun, over = 3600 * (attempt - 1), status == "completed"
    running = over or status == "in_progress"
    job = {
        "id": job_id, "run_id": run_id, "run_attempt": attempt, "name": "build", "status": status,
        "conclusion": conclusion if over else None, "created_at": at(begun + 1),
        "started_at": at(begun + start if running else begun + 1), "completed_at": at(begun + end) if over else None,
        "runner_name": "GitHub Actions 1" if running else None, "labels": ["ubuntu-latest"],
        "steps": [{"number": 1, "name": "Set up job", "status": status, "conclusion": conclusion}] if running else [],
        "html_url": None, "head_branch": "main", "workflow_name": "CI", **changed,
    }  # fmt: skip
    return "workflow_job", {"action": status, "workflow_job": job, "repository": REPOSITORY}


def once(run_id: int) -> list[Event]:
    return [
        run_event(run_id, status="queued", conclusion=None, second=0),
        run_event(run_id, status="in_progress", conclusion=None, second=4),
        run_event(run_id, second=60),
        job_event(run_id * 10, run_id, status="in_progress"),
        job_event(run_id * 10, run_id),
    ]


def deliver(engine: Engine, *events: Event | tuple[str, bytes]) -> list[str]:
    """Into the inbox, in this order; returns the ids."""
    deliveries = []
    for event, payload in events:
        number = next(_numbers)
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        moment = datetime(2026, 11, 18, 12, tzinfo=UTC) + timedelta(milliseconds=number)
        deliveries.append(NewDelivery(f"d-{number:08}", event, body, moment))
    for start in range(0, len(deliveries), 500):
        with write_scope(engine) as session:
            store_deliveries(session, deliveries[start : start + 500])
    return [each.delivery_id for each in deliveries]


def apply(engine: Engine, *, batch: int = 400) -> InboxResult:
    return InboxProcessor(engine, lambda: NOON, batch=batch).apply()


def values(row: Any, *without: str) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns if column.name not in without}
