"""When default branches were broken: kept beside the runs, because the sequence of a branch is long."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select, tuple_
from sqlalchemy.orm import Session

from db.metrics.outcome import DECIDED
from db.metrics.recovery import DecidedRun, Episode, episodes
from db.metrics.tiles import day_of, start_of_day
from db.models import BrokenEpisode, Run
from db.vocabulary import Outcome

_COLUMNS = tuple(getattr(Run, name) for name in DecidedRun._fields)
_AT = (Run.created_at, Run.id)
_Place = tuple[datetime, int]


def renew_episodes(session: Session, repository_id: int, days: Collection[int]) -> set[int]:
    """Makes the episodes anew that runs of these days (whole days since 1970) can have to do with: from the last
    success before them to the first one after. Returns the days whose episodes are others now."""
    begin, end = start_of_day(min(days)), start_of_day(max(days) + 1)
    query = (
        select(Run.workflow_id)
        .where(Run.repository_id == repository_id, Run.created_at >= begin, Run.created_at < end)
        .distinct()
    )
    changed: set[int] = set()
    for workflow_id in session.scalars(query).all():
        changed |= _renew(session, repository_id, workflow_id, begin, end)
    return changed


def _renew(session: Session, repository_id: int, workflow_id: int, begin: datetime, end: datetime) -> set[int]:
    after = _success(session, repository_id, workflow_id, before=begin)
    until = _success(session, repository_id, workflow_id, since=end)
    query = _sequence(repository_id, workflow_id).order_by(*_AT)
    known = select(BrokenEpisode).where(
        BrokenEpisode.repository_id == repository_id, BrokenEpisode.workflow_id == workflow_id
    )
    at = (BrokenEpisode.created_at, BrokenEpisode.run_id)
    if after:
        query, known = query.where(tuple_(*_AT) > after), known.where(tuple_(*at) > after)
    if until:
        query, known = query.where(tuple_(*_AT) <= until), known.where(tuple_(*at) <= until)
    runs = [DecidedRun(*row) for row in session.execute(query).all()]
    found = {each.first.id: each for each in episodes(runs, frozenset())}
    old = {row.run_id: row for row in session.scalars(known)}
    changed: set[int] = set()
    for run_id, row in old.items():
        if run_id not in found:
            changed.add(day_of(row.created_at))
    gone = [run_id for run_id in old if run_id not in found]
    if gone:
        session.execute(
            delete(BrokenEpisode).where(BrokenEpisode.repository_id == repository_id, BrokenEpisode.run_id.in_(gone))
        )
    for run_id, episode in found.items():
        if _store(session, old.get(run_id), episode):
            changed.add(day_of(episode.first.created_at))
    session.flush()
    return changed


def _store(session: Session, row: BrokenEpisode | None, episode: Episode) -> bool:
    first = episode.first
    values = {
        "workflow_id": first.workflow_id, "event": first.event, "created_at": first.created_at,
        "failed_at": first.completed_at, "seconds": episode.seconds,
    }  # fmt: skip
    if row is None:
        session.add(BrokenEpisode(repository_id=first.repository_id, run_id=first.id, **values))
        return True
    if all(getattr(row, name) == value for name, value in values.items()):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    return True


def _success(
    session: Session, repository_id: int, workflow_id: int, *, before: datetime | None = None,
    since: datetime | None = None,
) -> _Place | None:  # fmt: skip
    query = select(*_AT).where(
        *_of(repository_id, workflow_id), Run.outcome == Outcome.SUCCESS, Run.completed_at.is_not(None)
    )
    if before:
        query = query.where(Run.created_at < before).order_by(Run.created_at.desc(), Run.id.desc())
    else:
        query = query.where(Run.created_at >= since).order_by(*_AT)
    row = session.execute(query.limit(1)).first()
    return (row[0], row[1]) if row else None


def _sequence(repository_id: int, workflow_id: int) -> Select[Any]:
    return select(*_COLUMNS).where(*_of(repository_id, workflow_id), Run.outcome.in_(DECIDED))


def _of(repository_id: int, workflow_id: int) -> tuple[Any, ...]:
    return Run.repository_id == repository_id, Run.workflow_id == workflow_id, Run.on_default_branch
