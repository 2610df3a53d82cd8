"""What the collector still has to fetch."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session

from db.models import Attempt, Run
from db.vocabulary import Outcome, Status

# What is not over changes without telling us: it is looked at again after this long, by its age. That is at most a
# twentieth of the age, so that a run that waits for an approval for weeks costs a few requests a day.
LIVE_LEVELS = (
    (timedelta(hours=1), timedelta(seconds=60)),
    (timedelta(days=1), timedelta(minutes=10)),
    (timedelta(days=3650), timedelta(hours=3)),
)


@dataclass(frozen=True)
class WantedDetails:
    """A run whose jobs are to be fetched, and the earlier attempts of it that are not known to be over. `over`: the
    run was completed when this was asked, so what is fetched from now on is final."""

    repository_id: int
    run_id: int
    attempt: int
    over: bool
    missing_attempts: tuple[int, ...]


def wanted_details(
    session: Session, repository_ids: Collection[int], now: datetime, limit: int, *, live: bool = True,
    run_id: int | None = None,
) -> list[WantedDetails]:  # fmt: skip
    """Failed runs first, then the newest. Without `live` only runs with news, not those that are merely running."""
    query = (
        select(Run.repository_id, Run.id, Run.attempt, Run.status)
        .where(_details_wanted(repository_ids, now, live))
        .order_by(case((Run.outcome == Outcome.FAILURE, 0), else_=1), Run.created_at.desc())
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(Run.id == run_id)
    runs = session.execute(query).all()
    over = _finished_attempts(session, [(row.repository_id, row.id) for row in runs if row.attempt > 1])
    return [
        WantedDetails(
            row.repository_id,
            row.id,
            row.attempt,
            row.status == Status.COMPLETED,
            tuple(k for k in range(1, row.attempt) if k not in over.get(row.id, ())),
        )
        for row in runs
    ]


def count_wanted_details(session: Session, repository_ids: Collection[int], now: datetime) -> dict[int, int]:
    """By repository; those with none are left out."""
    query = select(Run.repository_id, func.count()).where(_details_wanted(repository_ids, now, live=False))
    return {row[0]: row[1] for row in session.execute(query.group_by(Run.repository_id))}


def pending_details(session: Session, repository_id: int, run_ids: Collection[int]) -> set[int]:
    """Those of these runs whose jobs are still to be fetched, or to be fetched again."""
    ours = Run.repository_id == repository_id, Run.id.in_(list(run_ids)), Run.details_pending
    return set(session.scalars(select(Run.id).where(*ours)))


def _details_wanted(repository_ids: Collection[int], now: datetime, live: bool) -> ColumnElement[bool]:
    ours = Run.repository_id.in_(list(repository_ids))
    if not live:
        return and_(ours, Run.details_pending)
    return and_(ours, or_(Run.details_pending, and_(_not_over(), _due(Run.details_at, now))))


def _not_over() -> ColumnElement[bool]:
    """Two ranges instead of one inequality: those an index can find."""
    return or_(Run.status < Status.COMPLETED, Run.status > Status.COMPLETED)


def _due(last: Any, now: datetime) -> ColumnElement[bool]:
    levels = [and_(Run.created_at > now - age, last < now - every) for age, every in LIVE_LEVELS]
    return or_(last.is_(None), *levels)


def _finished_attempts(session: Session, runs: list[tuple[int, int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for start in range(0, len(runs), 300):
        query = select(Attempt.run_id, Attempt.attempt).where(
            tuple_(Attempt.repository_id, Attempt.run_id).in_(runs[start : start + 300]),
            Attempt.status == Status.COMPLETED,
        )
        for row in session.execute(query):
            found.setdefault(row.run_id, set()).add(row.attempt)
    return found


def unfinished_runs(
    session: Session, repository_id: int, seen: Collection[int], now: datetime, *, skip_newest: int, limit: int
) -> list[int]:
    """Runs that were not over when last seen, that this pass has not met in a list and whose turn it is, the longest
    unseen first; `skip_newest` leaves out those on an unchanged first page of that size."""
    query = (
        select(Run.id, Run.created_at)
        .where(Run.repository_id == repository_id, _not_over(), _due(Run.looked_at, now))
        .order_by(Run.looked_at.is_not(None), Run.looked_at, Run.created_at.desc())
    )
    last = _created_at_place(session, repository_id, skip_newest) if skip_newest else None
    if skip_newest and last is None:
        return []
    rows = [row for row in session.execute(query) if row.id not in seen and (last is None or row.created_at < last)]
    return [row.id for row in rows[:limit]]


def _created_at_place(session: Session, repository_id: int, place: int) -> datetime | None:
    newest = select(Run.created_at).where(Run.repository_id == repository_id).order_by(Run.created_at.desc())
    return session.scalar(newest.offset(place - 1).limit(1))
