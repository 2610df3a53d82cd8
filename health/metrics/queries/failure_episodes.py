"""Broken episodes of any branch, computed from its runs. Those of default branches are stored
(rollups.failure_episodes)."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Text, case, column, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.engine import is_sharded
from db.enums import Outcome
from db.models import FailureEpisode, Repository, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import execute
from health.metrics.definitions.episodes import Branch, DecidedRun, Episode, with_later_successes
from health.metrics.queries.plan import rollup_state

_BATCH_SIZE = 5_000
_DEFAULT_BRANCHES = select(Repository.id, Repository.default_branch)
# Branches are one JSON parameter, a list of [index, repository id, workflow id, name]: the text of the statement does
# not depend on their number, so that it is compiled once.
_KEY_SQL = {
    "postgresql": "SELECT CAST(value->>0 AS INTEGER) AS branch_index, CAST(value->>1 AS BIGINT) AS repository_id, "
    "CAST(value->>2 AS BIGINT) AS workflow_id, value->>3 AS branch "
    "FROM jsonb_array_elements(CAST(:branches AS jsonb)) AS listed (value)",
    "sqlite": "SELECT json_extract(value, '$[0]') AS branch_index, json_extract(value, '$[1]') AS repository_id, "
    "json_extract(value, '$[2]') AS workflow_id, json_extract(value, '$[3]') AS branch FROM json_each(:branches)",
}
_KEY_COLUMNS = (
    column("branch_index", Integer),
    column("repository_id", BigInteger),
    column("workflow_id", BigInteger),
    column("branch", Text),
)


class _BranchLookup(Enum):
    """Which index finds the runs of a branch."""

    DEFAULT = "default"
    NAMED = "named"
    UNNAMED = "unnamed"


class _BranchBatch(NamedTuple):
    """Branches of workflows in one statement: the rows of the table `keys`, all with the same lookup. `repository_id`
    is set where all of them are in one repository."""

    lookup: _BranchLookup
    keys: Any
    repository_id: int | None = None


def branch_episodes(session: Session, scope: Scope, window: Window) -> list[Episode]:
    """Returns the episodes of the scope whose first failure was created in the window, in the order of these failures.
    Events and actors of the scope apply to the first failure; conclusions, statuses, outcomes and runners do not
    count."""
    sequence = replace(scope.for_sequences(), events=(), actors=())
    starts = [_EpisodeStart(*row) for row in execute(session, _select_episode_starts(session, sequence, window)).all()]
    unknown = [_branch_of(start) for start in starts if start.previous_outcome is None]
    failing = _failing_at(session, unknown, window.since)
    episodes = [
        _episode(start)
        for start in starts
        if not (start.previous_outcome is None and _branch_of(start) in failing) and _starts_in_scope(start, scope)
    ]
    return with_later_successes(episodes, _successes_since(session, episodes, window.until))


class _EpisodeStart(NamedTuple):
    """A failed run whose predecessor on its branch did not fail. `previous_outcome` is that of the predecessor, null
    where there is none in the window; `recovered_at` is the earliest completion of a success that was created later in
    the window."""

    repository_id: int
    workflow_id: int
    branch: str | None
    id: int
    event: str
    actor: str | None
    created_at: datetime
    completed_at: datetime
    previous_outcome: str | None
    recovered_at: datetime | None


def _select_episode_starts(session: Session, scope: Scope, window: Window) -> Select[Any]:
    """The SQL of health.metrics.definitions.episodes.episodes. It sorts only the runs of branches with a failure: most
    branches have a few runs, none of which failed."""
    where = [*in_scope(session, scope), *_decided(), *in_window(window)]
    # NULL is not equal to anything, also not in a list of values.
    name = func.coalesce(Run.branch, "")
    # A join, because PostgreSQL would execute a subquery for each run.
    of_repository = Repository.id == Run.repository_id
    if not scope.branches:
        failed = select(name).join(Repository, of_repository).where(*where, Run.outcome == Outcome.FAILURE)
        where.append(name.in_(failed.correlate(None)))
    backwards: dict[str, Any] = {
        "partition_by": (Run.repository_id, Run.workflow_id, Run.branch),
        "order_by": (Run.created_at.desc(), Run.id.desc()),
    }
    passed = case((Run.outcome == Outcome.SUCCESS, Run.completed_at))
    runs = (
        select(
            *(getattr(Run, name) for name in _EpisodeStart._fields[:-2]),
            func.lead(Run.outcome).over(**backwards).label("previous_outcome"),
            func.min(passed).over(**backwards, rows=(None, -1)).label("recovered_at"),
            Run.outcome,
        )
        .join(Repository, of_repository)
        .where(*where)
        .subquery()
        .c
    )
    begins = or_(runs.previous_outcome.is_(None), runs.previous_outcome != Outcome.FAILURE)
    query = select(*(runs[name] for name in _EpisodeStart._fields)).where(runs.outcome == Outcome.FAILURE, begins)
    return query.order_by(runs.created_at, runs.id)


def _episode(start: _EpisodeStart) -> Episode:
    first = DecidedRun(
        repository_id=start.repository_id,
        workflow_id=start.workflow_id,
        branch=start.branch,
        id=start.id,
        event=start.event,
        actor=start.actor,
        created_at=start.created_at,
        completed_at=start.completed_at,
        outcome=str(Outcome.FAILURE),
    )
    return Episode(first, start.completed_at, start.recovered_at)


def _branch_of(start: _EpisodeStart) -> Branch:
    return start.repository_id, start.workflow_id, start.branch


def _decided() -> list[ColumnElement[bool]]:
    """Returns the conditions on runs, joined with their repositories, that are part of a sequence. A run of a pull
    request from a fork's `main` is not a run of the repository's `main`."""
    from_fork = ~Run.on_default_branch & (func.coalesce(Run.branch, "") == Repository.default_branch)
    return [Run.outcome.in_(DECIDED), Run.completed_at.is_not(None), ~from_fork]


def _starts_in_scope(start: _EpisodeStart, scope: Scope) -> bool:
    return (not scope.events or start.event in scope.events) and (not scope.actors or start.actor in scope.actors)


def _failing_at(session: Session, branches: Sequence[Branch], time: datetime) -> set[Branch]:
    """Returns the branches whose last completed run before that time failed, however long before."""

    def last_outcome(batch: _BranchBatch) -> Select[Any]:
        query = select(Run.outcome).where(*_sequence_conditions(Run, batch), Run.created_at < time)
        return query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1)

    outcomes = _value_per_branch(session, branches, last_outcome) if _has_runs(session, Run.created_at < time) else {}
    unknown = [branch for branch in branches if outcomes.get(branch) is None]
    return {branch for branch in branches if outcomes.get(branch) == Outcome.FAILURE} | _broken_before_retention(
        session, unknown
    )


def _has_runs(session: Session, where: ColumnElement[bool]) -> bool:
    return execute(session, select(Run.id).where(where).limit(1)).scalar() is not None


def _broken_before_retention(session: Session, branches: Collection[Branch]) -> set[Branch]:
    """Returns the default branches that were broken when their earlier runs were deleted."""
    state = rollup_state(session) if branches else None
    if state is None or state.pruned_before is None:
        return set()
    query = (
        select(FailureEpisode.repository_id, FailureEpisode.workflow_id, Repository.default_branch)
        .join(Repository, Repository.id == FailureEpisode.repository_id)
        .where(FailureEpisode.created_at < state.pruned_before)
    )
    broken: set[Branch] = {(row[0], row[1], row[2]) for row in session.execute(query)}
    return broken & set(branches)


def _successes_since(session: Session, episodes: Sequence[Episode], time: datetime) -> dict[Branch, Any]:
    """Returns the earliest completion of a success created since then, by branch, for episodes that it can have ended:
    a run ends after its creation, so that episodes that ended before that time do not change."""
    if not _has_runs(session, Run.created_at >= time):
        return {}
    branches = {episode.branch for episode in episodes if episode.recovered_at is None or episode.recovered_at > time}

    def earliest_completion(batch: _BranchBatch) -> Select[Any]:
        first = aliased(Run)
        of_first = (
            select(first.completed_at)
            .where(*_sequence_conditions(first, batch), first.outcome == Outcome.SUCCESS, first.created_at >= time)
            .order_by(first.created_at, first.id)
            .limit(1)
        )
        end_of_first = of_first.correlate(batch.keys).scalar_subquery()
        # A run that was created after the end of another success ended after it.
        return select(func.min(Run.completed_at)).where(
            *_sequence_conditions(Run, batch),
            Run.outcome == Outcome.SUCCESS,
            Run.created_at >= time,
            Run.created_at <= end_of_first,
        )

    return _value_per_branch(session, branches, earliest_completion)


def _sequence_conditions(run: Any, batch: _BranchBatch) -> list[ColumnElement[bool]]:
    """Returns the conditions on the completed runs of the branches."""
    keys = batch.keys.c
    repository_id = keys.repository_id if batch.repository_id is None else batch.repository_id
    decided = [run.outcome.in_(DECIDED), run.completed_at.is_not(None), run.repository_id == repository_id]
    if batch.lookup is _BranchLookup.DEFAULT:
        return [*decided, run.on_default_branch, run.workflow_id == keys.workflow_id]
    name = run.branch == keys.branch if batch.lookup is _BranchLookup.NAMED else run.branch.is_(None)
    # The addition prevents the use of the index by workflow, which has the runs of all branches.
    return [*decided, name, run.workflow_id + 0 == keys.workflow_id]


def _value_per_branch(
    session: Session, branches: Collection[Branch], subquery: Callable[[_BranchBatch], Select[Any]]
) -> dict[Branch, Any]:
    """Returns the value of a scalar subquery for each branch, null where it has no row. Each value comes from an index,
    and a statement reads many of them."""
    defaults = {(row.id, row.default_branch) for row in session.execute(_DEFAULT_BRANCHES)} if branches else set()
    by_lookup: dict[_BranchLookup, list[Branch]] = {lookup: [] for lookup in _BranchLookup}
    for branch in branches:
        is_default = (branch[0], branch[2]) in defaults
        named = _BranchLookup.UNNAMED if branch[2] is None else _BranchLookup.NAMED
        by_lookup[_BranchLookup.DEFAULT if is_default else named].append(branch)
    values: dict[Branch, Any] = {}
    keys_sql = _KEY_SQL[session.get_bind().dialect.name]
    for lookup, listed in by_lookup.items():
        for repository_id, batch in _batches(listed, by_repository=is_sharded(session.connection())):
            listing = json.dumps([(index, *branch) for index, branch in enumerate(batch)])
            keys = text(keys_sql).bindparams(branches=listing).columns(*_KEY_COLUMNS).cte("branches")
            value = subquery(_BranchBatch(lookup, keys, repository_id)).correlate(keys).scalar_subquery()
            values |= {batch[row[0]]: row[1] for row in session.execute(select(keys.c.branch_index, value))}
    return values


def _batches(branches: list[Branch], *, by_repository: bool) -> Iterator[tuple[int | None, list[Branch]]]:
    """Yields the branches of each statement. A sharded database executes correlated subqueries only where one node can
    answer them: for the branches of one repository."""
    if by_repository:
        by_id: dict[int, list[Branch]] = defaultdict(list)
        for branch in branches:
            by_id[branch[0]].append(branch)
        yield from by_id.items()
        return
    for start in range(0, len(branches), _BATCH_SIZE):
        yield None, branches[start : start + _BATCH_SIZE]
