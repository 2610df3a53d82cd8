"""Gaps in the run numbers of workflows.

GitHub numbers the runs of a workflow 1, 2, 3 …, so that a gap is a run that was deleted there or was not collected."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from db.enums import GapState
from db.models import Run, RunGap
from db.sql import UtcDateTime

# The runs of a gap are requested from GitHub after these delays; runs that are still missing then count as deleted.
RECHECK_DELAYS = (timedelta(0), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
# A repository with more gaps deletes runs regularly; only the newest gaps are recorded.
_MAX_GAPS = 2000
_MARGIN = timedelta(hours=1)


@dataclass(frozen=True)
class NewRunGap:
    """A gap from `first_number` to `last_number`, both missing. The runs before and after it were created at these
    times."""

    workflow_id: int
    first_number: int
    last_number: int
    created_after: datetime
    created_before: datetime


@dataclass(frozen=True)
class OpenGap:
    workflow_id: int
    first_number: int
    created_after: datetime
    created_before: datetime


def audit_run_numbers(session: Session, repository_id: int, since: datetime, until: datetime, now: datetime) -> int:
    """Updates the stored gaps between the runs created from `since` to `until`; returns the number of new ones. Gaps
    that were filled are deleted."""
    gaps = _find_gaps(session, repository_id, since, until, _MAX_GAPS)
    known = {
        (row.workflow_id, row.first_number): row
        for row in session.scalars(
            select(RunGap).where(
                RunGap.repository_id == repository_id, RunGap.created_before >= since, RunGap.created_before <= until
            )
        )
    }
    added = 0
    for gap in gaps:
        row = known.pop((gap.workflow_id, gap.first_number), None)
        if row is None:
            session.add(
                RunGap(repository_id=repository_id, state=str(GapState.OPEN), checks=0, detected_at=now, **vars(gap))
            )
            added += 1
        elif row.last_number != gap.last_number:
            row.last_number, row.created_before = gap.last_number, gap.created_before
    filled = list(known)
    if filled:
        keys = tuple_(RunGap.workflow_id, RunGap.first_number)
        session.execute(delete(RunGap).where(RunGap.repository_id == repository_id, keys.in_(filled)))
    session.flush()
    return added


def due_gaps(session: Session, repository_id: int, now: datetime, *, limit: int = 1000) -> list[OpenGap]:
    """Returns the open gaps whose runs are to be requested from GitHub now, newest first."""
    query = (
        select(RunGap)
        .where(RunGap.repository_id == repository_id, RunGap.state == GapState.OPEN)
        .order_by(RunGap.created_before.desc())
        .limit(limit)
    )
    return [
        OpenGap(row.workflow_id, row.first_number, row.created_after, row.created_before)
        for row in session.scalars(query)
        if row.checked_at is None or now - row.checked_at >= RECHECK_DELAYS[min(row.checks, len(RECHECK_DELAYS) - 1)]
    ]


def record_checks(session: Session, repository_id: int, gaps: Collection[OpenGap], now: datetime) -> None:
    """Records that the runs of these gaps were requested and stored. Gaps that remain after the last check become
    absent: GitHub does not have the runs."""
    keys = [(gap.workflow_id, gap.first_number) for gap in gaps]
    query = select(RunGap).where(
        RunGap.repository_id == repository_id, tuple_(RunGap.workflow_id, RunGap.first_number).in_(keys)
    )
    for row in session.scalars(query):
        row.checks, row.checked_at = row.checks + 1, now
        if row.checks >= len(RECHECK_DELAYS):
            row.state = str(GapState.ABSENT)


def _find_gaps(session: Session, repository_id: int, since: datetime, until: datetime, limit: int) -> list[NewRunGap]:
    """Returns at most `limit` gaps between runs created from `since` to `until`, newest first."""
    numbered = (
        select(
            Run.workflow_id,
            Run.run_number,
            Run.created_at,
            func.lag(Run.run_number).over(partition_by=Run.workflow_id, order_by=Run.run_number).label("before"),
            func.lag(Run.created_at, type_=UtcDateTime())
            .over(partition_by=Run.workflow_id, order_by=Run.run_number)
            .label("created_after"),
        )
        # Numbers and times can differ in order by seconds: the margin includes neighbours outside of the window.
        .where(Run.repository_id == repository_id, Run.created_at >= since - _MARGIN)
        .subquery()
    )
    query = (
        select(numbered)
        .where(numbered.c.run_number - numbered.c.before > 1)
        .where(numbered.c.created_at >= since, numbered.c.created_at <= until)
        .order_by(numbered.c.created_at.desc())
        .limit(limit)
    )
    return [
        NewRunGap(row.workflow_id, row.before + 1, row.run_number - 1, row.created_after, row.created_at)
        for row in session.execute(query)
    ]
