"""When default branches were broken: kept beside the runs, because the sequence of a branch is long."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from db.definitions.job_times import DECIDED
from db.definitions.time_buckets import day_of, start_of_day
from db.enums import Outcome
from db.models import BrokenEpisode, RollupState, Run
from db.sql import epoch_seconds
from health.metrics.definitions.episodes import DecidedRun, FailureEpisode, episodes, seconds_between

_COLUMNS = tuple(getattr(Run, name) for name in DecidedRun._fields)
_RUN_POSITION = (Run.created_at, Run.id)
_EPISODE_POSITION = (BrokenEpisode.created_at, BrokenEpisode.run_id)
_Position = tuple[datetime, int]


def recompute_episodes(session: Session, repository_id: int, days: Collection[int]) -> set[int]:
    """Computes the episodes again that runs of these days (whole days since 1970) can have to do with: those that
    begin between the last success before them and the first one after, and earlier ones that were not over when the
    days began. Returns the days whose episodes are others now."""
    begin, end = start_of_day(min(days)), start_of_day(max(days) + 1)
    query = (
        select(Run.workflow_id)
        .where(Run.repository_id == repository_id, Run.created_at >= begin, Run.created_at < end)
        .distinct()
    )
    changed: set[int] = set()
    for workflow_id in session.scalars(query).all():
        changed |= _BranchSequence(session, repository_id, workflow_id).recompute(begin, end)
    return changed


def is_recovered_before(time: datetime) -> ColumnElement[bool]:
    """Of episodes: a later success was created before that moment, so that runs created since then do not belong to
    it."""
    later = aliased(Run)
    return exists().where(
        later.repository_id == BrokenEpisode.repository_id, later.workflow_id == BrokenEpisode.workflow_id,
        later.on_default_branch, later.outcome == Outcome.SUCCESS, later.created_at < time,
        or_(
            later.created_at > BrokenEpisode.created_at,
            and_(later.created_at == BrokenEpisode.created_at, later.id > BrokenEpisode.run_id),
        ),
    )  # fmt: skip


class _BranchSequence:
    """The runs of a workflow on the default branch."""

    def __init__(self, session: Session, repository_id: int, workflow_id: int) -> None:
        self._session = session
        self._ours = Run.repository_id == repository_id, Run.workflow_id == workflow_id, Run.on_default_branch
        self._episodes = select(BrokenEpisode).where(
            BrokenEpisode.repository_id == repository_id, BrokenEpisode.workflow_id == workflow_id
        )
        state = session.get(RollupState, 1)
        self._rows_from = state.pruned_before if state else None

    def recompute(self, begin: datetime, end: datetime) -> set[int]:
        after = self._success(Run.created_at < begin, newest=True)
        until = self._success(Run.created_at >= end)
        changed = self._recompute_between(after, until)
        for row in self._unfinished(begin, after):
            recovered_at = self._recovered_at((row.created_at, row.run_id))
            seconds = None if recovered_at is None else seconds_between(row.failed_at, recovered_at)
            if row.seconds != seconds:
                row.seconds = seconds
                changed.add(day_of(row.created_at))
        self._session.flush()
        return changed

    def _recompute_between(self, after: _Position | None, until: _Position | None) -> set[int]:
        """Those that began after the one success and before the other."""
        query, known = self._decided().order_by(*_RUN_POSITION), self._episodes
        if after:
            query, known = query.where(tuple_(*_RUN_POSITION) > after), known.where(tuple_(*_EPISODE_POSITION) > after)
        elif self._rows_from:
            known = known.where(BrokenEpisode.created_at >= self._rows_from)
        if until:
            query, known = (
                query.where(tuple_(*_RUN_POSITION) <= until),
                known.where(tuple_(*_EPISODE_POSITION) <= until),
            )
        runs = [DecidedRun(*row) for row in self._session.execute(query)]
        failing = after is None and self._was_broken_before_retention()
        listed = episodes(runs, {runs[0][:3]} if failing and runs else ())
        found = {each.first.id: each for each in self._with_later(listed, until)}
        old = {row.run_id: row for row in self._session.scalars(known)}
        gone = [row for run_id, row in old.items() if run_id not in found]
        for row in gone:
            self._session.delete(row)
        changed = {day_of(row.created_at) for row in gone}
        for run_id, episode in found.items():
            if _store(self._session, old.get(run_id), episode):
                changed.add(day_of(episode.first.created_at))
        return changed

    def _with_later(self, found: Sequence[FailureEpisode], until: _Position | None) -> list[FailureEpisode]:
        """Where a success after `until` was over before it."""
        most = max((each.recovered_at for each in found if each.recovered_at), default=None)
        if until is None or most is None or most <= until[0]:
            return list(found)
        sooner = self._earliest_completion(until, most)
        return [each.with_recovery(sooner) for each in found]

    def _unfinished(self, begin: datetime, after: _Position | None) -> list[BrokenEpisode]:
        """Episodes before the success `after`, and those whose runs are deleted, that were not over when the days
        began."""
        if after is None and self._rows_from is None:
            return []
        before: Any = tuple_(*_EPISODE_POSITION) < after if after else BrokenEpisode.created_at < self._rows_from
        ends = epoch_seconds(BrokenEpisode.failed_at) + BrokenEpisode.seconds
        # SQLite drops fractions of seconds.
        unfinished = or_(BrokenEpisode.seconds.is_(None), ends >= begin.timestamp() - 1)
        return list(self._session.scalars(self._episodes.where(before, unfinished)))

    def _recovered_at(self, place: _Position) -> datetime | None:
        query = (
            select(Run.completed_at)
            .where(*self._passed(), tuple_(*_RUN_POSITION) > place)
            .order_by(*_RUN_POSITION)
            .limit(1)
        )
        first = self._session.scalar(query)
        return None if first is None else self._earliest_completion(place, first)

    def _earliest_completion(self, place: _Position, latest: datetime) -> datetime | None:
        """The earliest completion of a success created after the place, up to `most`: one created later ended later."""
        return self._session.scalar(
            select(func.min(Run.completed_at)).where(
                *self._passed(), tuple_(*_RUN_POSITION) > place, Run.created_at <= latest
            )
        )

    def _was_broken_before_retention(self) -> bool:
        """When its earlier runs were deleted."""
        if self._rows_from is None:
            return False
        kept = self._episodes.with_only_columns(BrokenEpisode.run_id).where(BrokenEpisode.created_at < self._rows_from)
        return self._session.scalar(kept.limit(1)) is not None

    def _success(self, where: ColumnElement[bool], *, newest: bool = False) -> _Position | None:
        query = select(*_RUN_POSITION).where(*self._passed(), where)
        order = [column.desc() for column in _RUN_POSITION] if newest else list(_RUN_POSITION)
        row = self._session.execute(query.order_by(*order).limit(1)).first()
        return (row[0], row[1]) if row else None

    def _decided(self) -> Select[Any]:
        return select(*_COLUMNS).where(*self._ours, Run.outcome.in_(DECIDED))

    def _passed(self) -> tuple[Any, ...]:
        return *self._ours, Run.outcome == Outcome.SUCCESS, Run.completed_at.is_not(None)


def _store(session: Session, row: BrokenEpisode | None, episode: FailureEpisode) -> bool:
    first = episode.first
    values = {
        "workflow_id": first.workflow_id, "event": first.event, "created_at": first.created_at,
        "failed_at": episode.failed_at, "seconds": episode.seconds,
    }  # fmt: skip
    if row is None:
        session.add(BrokenEpisode(repository_id=first.repository_id, run_id=first.id, **values))
        return True
    if all(getattr(row, name) == value for name, value in values.items()):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    return True
