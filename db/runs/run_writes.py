"""Writes of runs. The state of a run only moves forward: a stale or repeated report changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.collection.claims import lock_repository
from db.definitions.attempts import outcome_of
from db.definitions.job_times import span_seconds
from db.definitions.records import RunRecord
from db.enums import Status
from db.models import Attempt, Repository, Run
from db.runs.merge import merge_attempt, status_rank
from db.runs.rollup_invalidation import invalidate_repository, invalidate_runs


@dataclass(frozen=True)
class UpsertResult:
    inserted: int
    updated: int

    @property
    def changed(self) -> int:
        return self.inserted + self.updated


_COPIED_FIELDS = (
    "workflow_id",
    "workflow_name",
    "run_number",
    "attempt",
    "title",
    "event",
    "branch",
    "head_sha",
    "actor",
    "triggering_actor",
    "commit_author",
    "commit_message",
    "status",
    "conclusion",
    "created_at",
    "started_at",
    "updated_at",
    "html_url",
)
# A stored value is not replaced by null: some deliveries omit these fields, and accounts can be deleted.
_STICKY_FIELDS = ("actor", "commit_author", "commit_message")
_DETAIL_TRIGGERS = ("attempt", "status", "conclusion")


def upsert_runs(session: Session, repository: Repository, records: Sequence[RunRecord]) -> UpsertResult:
    """Stores the newer states among the records. An id that occurs twice, because pages shift while they are read,
    counts once."""
    lock_repository(session, repository.id)
    unique = {record.id: record for record in sorted(records, key=_progress)}
    known = {
        run.id: run
        for run in session.scalars(select(Run).where(Run.repository_id == repository.id, Run.id.in_(list(unique))))
    }
    attempts = _current_attempts(session, repository.id, unique.values())
    inserted = updated = 0
    changed: list[datetime] = []
    for record in unique.values():
        run, attempt = known.get(record.id), attempts.get((record.id, record.attempt))
        if run is None:
            run = Run(repository_id=repository.id, id=record.id, details_pending=True, flaky=False)
            _apply(run, repository, record)
            session.add(run)
            inserted += 1
            changed.append(record.created_at)
        elif _is_newer(run, record) and _apply(run, repository, record):
            updated += 1
            changed.append(record.created_at)
        elif attempt is None or record.attempt != run.attempt:
            continue
        if attempt is None:
            attempt = Attempt(repository_id=repository.id, run_id=record.id, attempt=record.attempt)
            session.add(attempt)
        merge_attempt(attempt, record)
    session.flush()
    invalidate_runs(session, repository.id, changed)
    return UpsertResult(inserted, updated)


def set_default_branch(session: Session, repository: Repository) -> None:
    """Recomputes which runs are on the default branch, after it changed."""
    of_repository = Run.repository_id == repository.id
    on_branch = (Run.branch == repository.default_branch) & Run.event.not_like("pull_request%")
    session.execute(update(Run).where(of_repository, Run.on_default_branch, ~on_branch).values(on_default_branch=False))
    session.execute(update(Run).where(of_repository, ~Run.on_default_branch, on_branch).values(on_default_branch=True))
    invalidate_repository(session, repository.id)


def mark_deleted(session: Session, repository_id: int, run_id: int) -> None:
    """Completes a run that was deleted while it ran: it has no conclusion and counts as "other". A run whose end a
    webhook has reported meanwhile keeps that end."""
    lock_repository(session, repository_id)
    run = session.get_one(Run, (repository_id, run_id))
    if run.status == Status.COMPLETED:
        return
    run.status, run.conclusion, run.details_pending = Status.COMPLETED, None, False
    run.outcome = str(outcome_of(run.status, run.conclusion))
    invalidate_runs(session, repository_id, [run.created_at])


def record_check(session: Session, repository_id: int, run_id: int, now: datetime) -> None:
    """Records that an unfinished run was fetched by itself; the next check is due relative to this time."""
    session.execute(update(Run).where(Run.repository_id == repository_id, Run.id == run_id).values(checked_at=now))


def mark_details_unavailable(session: Session, repository_id: int, run_id: int, now: datetime) -> None:
    """Records that GitHub has deleted the jobs of the run: they are not fetched again, and stored ones remain."""
    session.execute(
        update(Run)
        .where(Run.repository_id == repository_id, Run.id == run_id)
        .values(details_pending=False, details_at=now)
    )


def _progress(record: RunRecord) -> tuple[int, bool, Any, int]:
    return record.attempt, record.status == Status.COMPLETED, record.updated_at, status_rank(record.status)


def _is_newer(run: Run, record: RunRecord) -> bool:
    """Returns whether the record shows a later attempt, or a later state of the same attempt: completed before not
    completed, then the later updated_at, then the status."""
    if record.attempt != run.attempt:
        return record.attempt > run.attempt
    if (run.status == Status.COMPLETED) != (record.status == Status.COMPLETED):
        return record.status == Status.COMPLETED
    return (record.updated_at, status_rank(record.status)) >= (run.updated_at, status_rank(run.status))


def _apply(run: Run, repository: Repository, record: RunRecord) -> bool:
    """Returns whether something other than updated_at changed: GitHub updates old runs without other changes."""
    values = {name: getattr(record, name) for name in _COPIED_FIELDS}
    for name in _STICKY_FIELDS:
        values[name] = values[name] or getattr(run, name)
    if record.attempt == run.attempt:
        values["triggering_actor"] = record.triggering_actor or run.triggering_actor
    values["on_default_branch"] = is_on_default_branch(repository, record)
    values["outcome"] = str(outcome_of(record.status, record.conclusion))
    changed = {name for name, value in values.items() if getattr(run, name) != value}
    if not changed - {"updated_at"}:
        if record.status != Status.COMPLETED:
            run.updated_at = record.updated_at  # Reports from before this one are stale from now on.
        return False
    for name in changed:
        setattr(run, name, values[name])
    if changed.intersection(_DETAIL_TRIGGERS):
        run.details_pending = True
        _estimate_end(run, record)
    return True


def is_on_default_branch(repository: Repository, record: RunRecord) -> bool:
    """Returns whether the run is on the repository's default branch. A pull request from the `main` of a fork has that
    branch name and is not."""
    if record.from_fork or record.event.startswith("pull_request"):
        return False
    return record.branch == repository.default_branch


def _estimate_end(run: Run, record: RunRecord) -> None:
    """Sets the end of the run to the first updated_at that shows it completed, until its jobs are known."""
    run.completed_at = record.updated_at if record.status == Status.COMPLETED else None
    run.duration_seconds = span_seconds(record.started_at, run.completed_at)
    run.queue_seconds = None


def _current_attempts(session: Session, repository_id: int, records: Any) -> dict[tuple[int, int], Attempt]:
    rows = session.scalars(
        select(Attempt).where(
            Attempt.repository_id == repository_id, Attempt.run_id.in_([record.id for record in records])
        )
    )
    return {(row.run_id, row.attempt): row for row in rows}
