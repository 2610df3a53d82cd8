"""Runs as facts, for db.analytics alone."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.metrics.facts import RunFact
from db.metrics.outcome import DECIDED
from db.metrics.recovery import Episode, episodes
from db.metrics.scope import Scope
from db.metrics.timing import span_seconds
from db.metrics.window import Window
from db.models import Repository, Run, Workflow
from db.queries.filters import in_scope, in_window
from db.vocabulary import GroupBy, Outcome

_FACT = tuple(getattr(Run, name) for name in RunFact._fields)
# A branch that saw no decided run for this long before the window counts as not failing at its start.
_LOOK_BACK = timedelta(days=35)


def run_facts(session: Session, scope: Scope, window: Window) -> list[RunFact]:
    query = select(*_FACT).where(*in_scope(scope), *in_window(window))
    return [RunFact(*row) for row in session.execute(query)]


def grouped_facts(session: Session, scope: Scope, window: Window, by: GroupBy) -> dict[Any, list[RunFact]]:
    """Facts by key: repository id, (repository id, workflow id), branch, event, actor or runner labels."""
    keys: dict[GroupBy, Any] = {
        GroupBy.REPO: (Run.repository_id,),
        GroupBy.WORKFLOW: (Run.repository_id, Run.workflow_id),
        GroupBy.BRANCH: (Run.branch,),
        GroupBy.EVENT: (Run.event,),
        GroupBy.ACTOR: (Run.actor,),
        GroupBy.RUNNER: (Run.runner,),
    }
    columns = keys[by]
    width = len(columns)
    grouped: dict[Any, list[RunFact]] = defaultdict(list)
    for row in session.execute(select(*columns, *_FACT).where(*in_scope(scope), *in_window(window))):
        grouped[row[0] if width == 1 else tuple(row[:width])].append(RunFact(*row[width:]))
    return grouped


def broken_episodes(session: Session, scope: Scope, window: Window, *, every_branch: bool = False) -> list[Episode]:
    """Episodes whose first failure was created in the window: on the branches of the scope, else on default
    branches. The other filters of the scope apply, but not conclusion and status."""
    whole = scope.whole_sequence()
    where: list[Any] = [*in_scope(whole), Run.outcome.in_(DECIDED)]
    if not scope.branches and not every_branch:
        where.append(Run.on_default_branch)
    query = select(*_FACT).where(*where, *in_window(window)).order_by(Run.created_at, Run.id)
    found = episodes((RunFact(*row) for row in session.execute(query)), _failing_at(session, where, window.since))
    return _closed_later(session, where, window, found)


def _failing_at(session: Session, where: Sequence[Any], moment: datetime) -> frozenset[tuple[int, int, str | None]]:
    """Branches of workflows whose last decided run before that moment failed."""
    rank = func.row_number().over(
        partition_by=(Run.repository_id, Run.workflow_id, Run.branch), order_by=(Run.created_at.desc(), Run.id.desc())
    )
    last = (
        select(Run.repository_id, Run.workflow_id, Run.branch, Run.outcome, rank.label("rank"))
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
    key = (Run.repository_id, Run.workflow_id, Run.branch)
    query = (
        select(*key, func.min(Run.completed_at))
        .where(*where, Run.outcome == Outcome.SUCCESS, Run.created_at >= window.until)
        .group_by(*key)
    )
    ends = {(row[0], row[1], row[2]): row[3] for row in session.execute(query)}
    return [_close(episode, ends) for episode in found]


def _close(episode: Episode, ends: dict[tuple[int, int, str | None], datetime | None]) -> Episode:
    end = ends.get((episode.repository_id, episode.workflow_id, episode.branch))
    if episode.seconds is not None or end is None:
        return episode
    return replace(episode, seconds=span_seconds(episode.failed_at, end) or 0.0)


def repository_names(session: Session) -> dict[int, str]:
    return {row.id: row.full_name for row in session.execute(select(Repository.id, Repository.full_name))}


def workflow_names(session: Session) -> dict[tuple[int, int], str]:
    rows = session.execute(select(Workflow.repository_id, Workflow.id, Workflow.name))
    return {(row.repository_id, row.id): row.name for row in rows}
