"""What is missing, written straight into the tables, of the repository that the builders make."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from db.collection.sync_state import sync_state
from db.engine import write_scope
from db.models import Backfill, InboxItem, RunGap
from tests.builders import NOON, WORKFLOW

DAY = timedelta(days=1)


def mark_complete(engine: Engine, repository_id: int = 1, **changed: Any) -> None:
    """A repository of which nothing is missing."""
    values = {
        "complete_since": NOON - 30 * DAY, "covered_to": NOON, "synced_at": NOON, "rescanned_deep_at": NOON,
        "audited_at": NOON,
    }  # fmt: skip
    with write_scope(engine) as session:
        state = sync_state(session, repository_id)
        for name, value in (values | changed).items():
            setattr(state, name, value)


def add(engine: Engine, *rows: Any) -> None:
    with write_scope(engine) as session:
        session.add_all(rows)


def run_gap(first: int, last: int, state: str = "open", *, days: float = 1, **changed: Any) -> RunGap:
    moment = NOON - days * DAY
    values = {
        "repository_id": 1, "workflow_id": WORKFLOW.id, "first_number": first, "last_number": last, "state": state,
        "created_after": moment, "created_before": moment + timedelta(minutes=38), "checks": 1, "detected_at": NOON,
    }  # fmt: skip
    return RunGap(**(values | changed))


def backfill(*, phase: str = "reading", done: int = 400, expected: int | None = 1600, **changed: Any) -> Backfill:
    """From 90 to 30 days ago, read down to 45 days ago since ten minutes."""
    values = {
        "repository_id": 1, "since": NOON - 90 * DAY, "until": NOON - 30 * DAY, "cursor": NOON - 45 * DAY,
        "phase": phase, "runs_done": done, "runs_expected": expected, "started_at": NOON - timedelta(minutes=10),
    }  # fmt: skip
    return Backfill(**(values | changed))


def delivery(name: str, state: str = "pending", received_at: datetime = NOON) -> InboxItem:
    """Of a webhook."""
    return InboxItem(delivery_id=name, event="workflow_run", body=b"", state=state, received_at=received_at)
