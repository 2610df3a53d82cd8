"""Broken episodes of any branch, from the runs in their order. Those of default branches are kept in a table."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db.metrics.outcome import DECIDED
from db.metrics.recovery import DecidedRun, Episode, episodes, seconds_between
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Repository, Run
from db.queries.filters import in_scope, in_window
from db.vocabulary import Outcome

_COLUMNS = tuple(getattr(Run, name) for name in DecidedRun._fields)
# A branch that saw no decided run for this long before the window counts as not failing at its start.
_LOOK_BACK = timedelta(days=35)
_KEY = (Run.repository_id, Run.workflow_id, Run.branch)


def branch_episodes(session: Session, scope: Scope, window: Window) -> list[Episode]:
    """Episodes on the branches of the scope, or on all, whose first failure was created in the window. Event and actor
    are those of the first failure; conclusion and status do not count."""
    sequence = replace(scope.whole_sequence(), events=(), actors=())
    where: list[Any] = [*in_scope(session, sequence), Run.outcome.in_(DECIDED), ~_namesake()]
    query = (
        select(*_COLUMNS)
        .where(*where, *in_window(window))
        .order_by(Run.created_at, Run.id)
        .execution_options(yield_per=20_000)
    )
    runs = (DecidedRun(*row) for row in session.execute(query))
    found = [each for each in episodes(runs, _failing_at(session, where, window.since)) if _begun_in(each, scope)]
    return _closed_later(session, where, window, found)


def _namesake() -> ColumnElement[bool]:
    """A pull request from a fork's `main` does not break ours."""
    default = select(Repository.default_branch).where(Repository.id == Run.repository_id).scalar_subquery()
    return ~Run.on_default_branch & (func.coalesce(Run.branch, "") == default)


def _begun_in(episode: Episode, scope: Scope) -> bool:
    first = episode.first
    return (not scope.events or first.event in scope.events) and (not scope.actors or first.actor in scope.actors)


def _failing_at(session: Session, where: Sequence[Any], moment: datetime) -> frozenset[tuple[int, int, str | None]]:
    """Branches of workflows whose last decided run before that moment failed."""
    rank = func.row_number().over(partition_by=_KEY, order_by=(Run.created_at.desc(), Run.id.desc()))
    last = (
        select(*_KEY, Run.outcome, rank.label("rank"))
        .where(*where, Run.created_at < moment, Run.created_at >= moment - _LOOK_BACK)
        .subquery()
    )
    query = select(last.c.repository_id, last.c.workflow_id, last.c.branch).where(
        last.c.rank == 1, last.c.outcome == Outcome.FAILURE
    )
    return frozenset((row[0], row[1], row[2]) for row in session.execute(query))


def _closed_later(session: Session, where: Sequence[Any], window: Window, found: list[Episode]) -> list[Episode]:
    """Looks past the end of the window for the success that ended an episode begun in it."""
    if all(episode.seconds is not None for episode in found):
        return found
    query = (
        select(*_KEY, func.min(Run.completed_at))
        .where(*where, Run.outcome == Outcome.SUCCESS, Run.created_at >= window.until)
        .group_by(*_KEY)
    )
    ends = {(row[0], row[1], row[2]): row[3] for row in session.execute(query)}
    return [_close(episode, ends) for episode in found]


def _close(episode: Episode, ends: dict[tuple[int, int, str | None], datetime | None]) -> Episode:
    first = episode.first
    end = ends.get((first.repository_id, first.workflow_id, first.branch))
    if episode.seconds is not None or end is None or first.completed_at is None:
        return episode
    return replace(episode, seconds=seconds_between(first.completed_at, end))
