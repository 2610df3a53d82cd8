"""What the collector still has to fetch."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from db.models import Attempt, Run
from db.vocabulary import Outcome, Status

# The jobs of a running run change without its row changing; they are worth a request this often.
LIVE_REFRESH = timedelta(seconds=60)


@dataclass(frozen=True)
class WantedDetails:
    """A run whose jobs are to be fetched, and the earlier attempts of it that are not known to be over."""

    run_id: int
    attempt: int
    missing_attempts: tuple[int, ...]


def wanted_details(session: Session, repository_id: int, now: datetime, limit: int) -> list[WantedDetails]:
    """Failed runs first, then the newest."""
    query = (
        select(Run.id, Run.attempt)
        .where(_details_wanted(repository_id, now))
        .order_by(case((Run.outcome == Outcome.FAILURE, 0), else_=1), Run.created_at.desc())
        .limit(limit)
    )
    runs = session.execute(query).all()
    rerun = [row.id for row in runs if row.attempt > 1]
    over = _finished_attempts(session, repository_id, rerun)
    return [
        WantedDetails(row.id, row.attempt, tuple(k for k in range(1, row.attempt) if k not in over.get(row.id, ())))
        for row in runs
    ]


def count_wanted_details(session: Session, repository_id: int, now: datetime) -> int:
    query = select(func.count()).select_from(Run).where(_details_wanted(repository_id, now))
    return session.scalar(query) or 0


def _details_wanted(repository_id: int, now: datetime) -> ColumnElement[bool]:
    running = and_(Run.status != Status.COMPLETED, or_(Run.details_at.is_(None), Run.details_at < now - LIVE_REFRESH))
    return and_(Run.repository_id == repository_id, or_(Run.details_pending, running))


def _finished_attempts(session: Session, repository_id: int, run_ids: list[int]) -> dict[int, set[int]]:
    query = select(Attempt.run_id, Attempt.attempt).where(
        Attempt.repository_id == repository_id, Attempt.run_id.in_(run_ids), Attempt.status == Status.COMPLETED
    )
    found: dict[int, set[int]] = {}
    for row in session.execute(query):
        found.setdefault(row.run_id, set()).add(row.attempt)
    return found


def unfinished_runs(
    session: Session, repository_id: int, seen: Collection[int], *, skip_newest: int, limit: int
) -> list[int]:
    """Runs that were not over when last seen and that this pass has not met in a list; `skip_newest` leaves out
    those on an unchanged first page of that size."""
    query = (
        select(Run.id)
        .where(Run.repository_id == repository_id, Run.status != Status.COMPLETED, Run.id.not_in(list(seen)))
        .order_by(Run.created_at.desc())
        .limit(limit)
    )
    if skip_newest:
        newest = select(Run.created_at).where(Run.repository_id == repository_id).order_by(Run.created_at.desc())
        last = session.scalar(newest.offset(skip_newest - 1).limit(1))
        if last is None:
            return []
        query = query.where(Run.created_at < last)
    return list(session.scalars(query))
