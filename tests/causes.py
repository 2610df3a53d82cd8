"""Rows of failure causes, of which a test names only what it is about."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from db.enums import CauseSource
from db.models import JobCause
from tests.builders import NOON


def add_cause(
    session: Session, job_id: int, run_id: int, position: int = 0, *, at: datetime = NOON, **changed: Any
) -> None:
    """A cause of a job of repository 1: a failed test on line 12 of its log."""
    values: dict[str, Any] = {
        "repository_id": 1, "kind": "test", "tool": "pytest", "subject": None, "message": "assert",
        "line": "FAILED test_a.py::test_one - assert", "line_number": 12, "source": CauseSource.LOG, "rule_id": None,
        "fingerprint": "f",
    }  # fmt: skip
    session.add(JobCause(job_id=job_id, run_id=run_id, position=position, created_at=at, **(values | changed)))
    session.flush()
