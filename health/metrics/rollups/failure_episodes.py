"""Stored broken episodes of default branches, so that queries need not read the sequences of their runs."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import DECIDED
from db.definitions.time_buckets import day_of, start_of_day
from db.enums import Outcome
from db.models import FailureEpisode, RollupState, Run
from db.sql import epoch_seconds
from health.metrics.definitions.episodes import DecidedRun, Episode, episodes, seconds_between

_COLUMNS = tuple(getattr(Run, name) for name in DecidedRun._fields)
_RUN_POSITION = (Run.created_at, Run.id)
_EPISODE_POSITION = (FailureEpisode.created_at, FailureEpisode.run_id)
_Position = tuple[datetime, int]


def recompute_episodes(session: Session, repository_id: int, days: Collection[int]) -> set[int]:
    """Recomputes the episodes that runs of these days (whole days since 1970) may change: those that begin between the
    last success before the days and the first one after them, and earlier ones that were open when the days began.
    Returns the days with changed episodes."""
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
    """Returns a condition on FailureEpisode: a later success was created before that time, so that runs created since
    then do not belong to the episode."""
    later = aliased(Run)
    return exists().where(
        later.repository_id == FailureEpisode.repository_id,
        later.workflow_id == FailureEpisode.workflow_id,
        later.on_default_branch,
        later.outcome == Outcome.SUCCESS,
        later.created_at < time,
        or_(
            later.created_at > FailureEpisode.created_at,
            and_(later.created_at == FailureEpisode.created_at, later.id > FailureEpisode.run_id),
        ),
    )


class _BranchSequence:
    """The runs of a workflow on the default branch."""

    def __init__(self, session: Session, repository_id: int, workflow_id: int) -> None:
        self._session = session
        self._conditions = Run.repository_id == repository_id, Run.workflow_id == workflow_id, Run.on_default_branch
        self._episodes = select(FailureEpisode).where(
            FailureEpisode.repository_id == repository_id, FailureEpisode.workflow_id == workflow_id
        )
        state = session.get(RollupState, 1)
        self._runs_from = state.pruned_before if state else None

    def recompute(self, begin: datetime, end: datetime) -> set[int]:
        """Recomputes the episodes that runs from `begin` to `end` may change; returns the days of changed ones."""
        after = self._success(Run.created_at < begin, newest=True)
        until = self._success(Run.created_at >= end)
        changed = self._recompute_between(after, until)
        for row in self._open_episodes(begin, after):
            recovered_at = self._recovered_at((row.created_at, row.run_id))
            seconds = None if recovered_at is None else seconds_between(row.failed_at, recovered_at)
            if row.seconds != seconds:
                row.seconds = seconds
                changed.add(day_of(row.created_at))
        self._session.flush()
        return changed

    def _recompute_between(self, after: _Position | None, until: _Position | None) -> set[int]:
        """Recomputes the episodes that began between two successes, null: since the first run, up to the last one."""
        query, stored_query = self._decided().order_by(*_RUN_POSITION), self._episodes
        if after:
            query = query.where(tuple_(*_RUN_POSITION) > after)
            stored_query = stored_query.where(tuple_(*_EPISODE_POSITION) > after)
        elif self._runs_from:
            stored_query = stored_query.where(FailureEpisode.created_at >= self._runs_from)
        if until:
            query = query.where(tuple_(*_RUN_POSITION) <= until)
            stored_query = stored_query.where(tuple_(*_EPISODE_POSITION) <= until)
        runs = [DecidedRun(*row) for row in self._session.execute(query)]
        failing = after is None and self._was_broken_before_retention()
        begun = episodes(runs, {runs[0][:3]} if failing and runs else ())
        computed = {episode.first.id: episode for episode in self._with_later_success(begun, until)}
        stored = {row.run_id: row for row in self._session.scalars(stored_query)}
        obsolete = [row for run_id, row in stored.items() if run_id not in computed]
        for row in obsolete:
            self._session.delete(row)
        changed = {day_of(row.created_at) for row in obsolete}
        for run_id, episode in computed.items():
            if _store(self._session, stored.get(run_id), episode):
                changed.add(day_of(episode.first.created_at))
        return changed

    def _with_later_success(self, begun: Sequence[Episode], until: _Position | None) -> list[Episode]:
        """Ends episodes at a success that was created after `until` and completed before their present end."""
        latest_end = max((episode.recovered_at for episode in begun if episode.recovered_at), default=None)
        if until is None or latest_end is None or latest_end <= until[0]:
            return list(begun)
        completed_at = self._earliest_completion(until, latest_end)
        return [episode.with_recovery(completed_at) for episode in begun]

    def _open_episodes(self, begin: datetime, after: _Position | None) -> list[FailureEpisode]:
        """Returns the stored episodes before the success `after`, and those whose runs are deleted, that were open at
        `begin`."""
        if after is None and self._runs_from is None:
            return []
        before: Any = tuple_(*_EPISODE_POSITION) < after if after else FailureEpisode.created_at < self._runs_from
        ends = epoch_seconds(FailureEpisode.failed_at) + FailureEpisode.seconds
        # SQLite drops fractions of seconds.
        is_open = or_(FailureEpisode.seconds.is_(None), ends >= begin.timestamp() - 1)
        return list(self._session.scalars(self._episodes.where(before, is_open)))

    def _recovered_at(self, position: _Position) -> datetime | None:
        """Returns the earliest completion of a success after a position."""
        query = (
            select(Run.completed_at)
            .where(*self._passed(), tuple_(*_RUN_POSITION) > position)
            .order_by(*_RUN_POSITION)
            .limit(1)
        )
        first = self._session.scalar(query)
        return None if first is None else self._earliest_completion(position, first)

    def _earliest_completion(self, position: _Position, latest: datetime) -> datetime | None:
        """Returns the earliest completion of a success after a position. Successes created after `latest`, a completion
        of one of them, completed later."""
        return self._session.scalar(
            select(func.min(Run.completed_at)).where(
                *self._passed(), tuple_(*_RUN_POSITION) > position, Run.created_at <= latest
            )
        )

    def _was_broken_before_retention(self) -> bool:
        """True where the branch was broken when its earlier runs were deleted."""
        if self._runs_from is None:
            return False
        earlier = self._episodes.with_only_columns(FailureEpisode.run_id)
        earlier = earlier.where(FailureEpisode.created_at < self._runs_from)
        return self._session.scalar(earlier.limit(1)) is not None

    def _success(self, where: ColumnElement[bool], *, newest: bool = False) -> _Position | None:
        """Returns the position of the oldest (or newest) success that meets the condition."""
        query = select(*_RUN_POSITION).where(*self._passed(), where)
        order = [column.desc() for column in _RUN_POSITION] if newest else list(_RUN_POSITION)
        row = self._session.execute(query.order_by(*order).limit(1)).first()
        return (row[0], row[1]) if row else None

    def _decided(self) -> Select[Any]:
        return select(*_COLUMNS).where(*self._conditions, Run.outcome.in_(DECIDED))

    def _passed(self) -> tuple[Any, ...]:
        return *self._conditions, Run.outcome == Outcome.SUCCESS, Run.completed_at.is_not(None)


def _store(session: Session, row: FailureEpisode | None, episode: Episode) -> bool:
    """Inserts or updates the row of an episode; returns whether it changed."""
    first = episode.first
    values = {
        "workflow_id": first.workflow_id,
        "event": first.event,
        "created_at": first.created_at,
        "failed_at": episode.failed_at,
        "seconds": episode.seconds,
    }
    if row is None:
        session.add(FailureEpisode(repository_id=first.repository_id, run_id=first.id, **values))
        return True
    if all(getattr(row, name) == value for name, value in values.items()):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    return True
