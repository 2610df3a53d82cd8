"""Rows of failure causes, of which a test names only what it is about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.enums import CauseSource
from db.models import Job, JobCause, Run
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


def store_causes(engine: Engine, kinds: dict[int, Sequence[str]]) -> None:
    """The classes of the causes of stored jobs, by id of the job, the cause that is shown first at the start."""
    with write_scope(engine) as session:
        for job_id, classes in kinds.items():
            run_id = session.get_one(Job, (1, job_id)).run_id
            created_at = session.get_one(Run, (1, run_id)).created_at
            for position, kind in enumerate(classes):
                add_cause(session, job_id, run_id, position, at=created_at, kind=kind)
