"""What is stored, compared row by row with what the simulator says a correct collector must have."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, select

from db.models import Attempt, Job, Run
from tests.simulator.truth import Truth

_RUN = {
    "repository_id": "repository_id", "workflow_id": "workflow_id", "run_number": "run_number", "attempt": "attempt",
    "status": "status", "conclusion": "conclusion", "created_at": "created_at", "branch": "branch", "event": "event",
    "head_sha": "head_sha",
}  # fmt: skip
_ATTEMPT = {"status": "status", "conclusion": "conclusion", "started_at": "started_at"}
_JOB = {
    "run_id": "run_id", "attempt": "attempt", "name": "name", "status": "status", "conclusion": "conclusion",
    "completed_at": "completed_at", "copied": "copied", "phantom": "phantom",
}  # fmt: skip


def differences(engine: Engine, truth: Truth) -> list[str]:
    """One line for each row that is missing, too many or not equal; runs that were deleted on GitHub may be there."""
    gone = set(truth.deleted)
    with engine.connect() as connection:
        runs = {row.id: row for row in connection.execute(select(*Run.__table__.columns)) if row.id not in gone}
        attempts = {
            (row.run_id, row.attempt): row
            for row in connection.execute(select(*Attempt.__table__.columns))
            if row.run_id not in gone
        }
        jobs = {row.id: row for row in connection.execute(select(*Job.__table__.columns)) if row.run_id not in gone}
    return [
        *_compare("run", truth.runs, runs, _RUN),
        *_compare("attempt", truth.attempts, attempts, _ATTEMPT),
        *_compare("job", truth.jobs, jobs, _JOB),
    ]


def _compare(
    kind: str, wanted: Mapping[Any, Any], found: Mapping[Any, Any], fields: Mapping[str, str]
) -> Iterator[str]:
    for key in wanted.keys() - found.keys():
        yield f"{kind} {key} is missing"
    for key in found.keys() - wanted.keys():
        yield f"{kind} {key} should not be there"
    for key in wanted.keys() & found.keys():
        for ours, theirs in fields.items():
            if getattr(found[key], ours) != getattr(wanted[key], theirs):
                yield f"{kind} {key}: {ours} is {getattr(found[key], ours)!r}, not {getattr(wanted[key], theirs)!r}"
