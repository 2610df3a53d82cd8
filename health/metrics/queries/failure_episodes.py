"""Broken episodes of any branch, from the runs in their order. Those of default branches are kept in a table."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Text, case, column, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope, Window
from db.engine import is_sharded
from db.enums import Outcome
from db.models import BrokenEpisode, Repository, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import execute
from health.metrics.definitions.episodes import Branch, DecidedRun, FailureEpisode, with_later_successes
from health.metrics.queries.plan import rollup_state

_BATCH_SIZE = 5_000
_DEFAULT_BRANCHES = select(Repository.id, Repository.default_branch)
# Branches as one value of JSON, a list of places, repositories, workflows and names: a statement of always the same
# words is compiled once.
_KEY_SQL = {
    "postgresql": "SELECT CAST(value->>0 AS INTEGER) AS place, CAST(value->>1 AS BIGINT) AS repository_id, "
    "CAST(value->>2 AS BIGINT) AS workflow_id, value->>3 AS branch "
    "FROM jsonb_array_elements(CAST(:branches AS jsonb)) AS listed (value)",
    "sqlite": "SELECT json_extract(value, '$[0]') AS place, json_extract(value, '$[1]') AS repository_id, "
    "json_extract(value, '$[2]') AS workflow_id, json_extract(value, '$[3]') AS branch FROM json_each(:branches)",
}
_KEY_COLUMNS = (
    column("place", Integer), column("repository_id", BigInteger), column("workflow_id", BigInteger),
    column("branch", Text),
)  # fmt: skip


class _BranchLookup(Enum):
    """By which index the runs of a branch are found."""

    DEFAULT = "default"
    NAMED = "named"
    UNNAMED = "unnamed"


class _BranchBatch(NamedTuple):
    """Branches of workflows in a statement: all rows of `keys`, which are of one kind."""

    kind: _BranchLookup
    keys: Any
    # Where all rows of `keys` are of one repository, its id.
    repository_id: int | None = None


def branch_episodes(session: Session, scope: Scope, window: Window) -> list[FailureEpisode]:
    """Episodes on the branches of the scope, or on all, whose first failure was created in the window, in the order of
    these failures. Event and actor are those of the first failure; conclusion and status do not count."""
    sequence = replace(scope.for_sequences(), events=(), actors=())
    begun = [_EpisodeStart(*row) for row in execute(session, _select_episode_starts(session, sequence, window)).all()]
    unknown = [_branch_of(each) for each in begun if each.previous_outcome is None]
    failing = _failing_at(session, unknown, window.since)
    found = [
        _episode(each)
        for each in begun
        if not (each.previous_outcome is None and _branch_of(each) in failing) and _starts_in_scope(each, scope)
    ]
    return with_later_successes(found, _successes_since(session, found, window.until))


class _EpisodeStart(NamedTuple):
    """A failed run whose predecessor on its branch did not fail. `before`: outcome of that predecessor, null where it
    was created before the window or never; `recovered_at`: the earliest end of a success that was created later in the
    window."""

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
    """The rules of health.metrics.definitions.episodes.episodes in SQL, which sorts only the runs of branches with a failure: most
    branches have a few runs, none of which failed."""
    where = [*in_scope(session, scope), *_decided(), *in_window(window)]
    # What is null in a list of values equals nothing.
    name = func.coalesce(Run.branch, "")
    # PostgreSQL would look for the repository of each run in a subquery.
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


def _episode(begun: _EpisodeStart) -> FailureEpisode:
    first = DecidedRun(
        begun.repository_id, begun.workflow_id, begun.branch, begun.id, begun.event, begun.actor, begun.created_at,
        begun.completed_at, str(Outcome.FAILURE),
    )  # fmt: skip
    return FailureEpisode(first, begun.completed_at, begun.recovered_at)


def _branch_of(begun: _EpisodeStart) -> Branch:
    return begun.repository_id, begun.workflow_id, begun.branch


def _decided() -> list[ColumnElement[bool]]:
    """Runs, joined with their repositories, that are part of a sequence. A pull request from a fork's `main` does not
    break ours."""
    namesake = ~Run.on_default_branch & (func.coalesce(Run.branch, "") == Repository.default_branch)
    return [Run.outcome.in_(DECIDED), Run.completed_at.is_not(None), ~namesake]


def _starts_in_scope(first: _EpisodeStart, scope: Scope) -> bool:
    return (not scope.events or first.event in scope.events) and (not scope.actors or first.actor in scope.actors)


def _failing_at(session: Session, branches: Sequence[Branch], moment: datetime) -> set[Branch]:
    """Those of the branches whose last decided run before that moment failed, however long before."""

    def last(branch: _BranchBatch) -> Select[Any]:
        query = select(Run.outcome).where(*_sequence_conditions(Run, branch), Run.created_at < moment)
        return query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1)

    outcomes = _value_per_branch(session, branches, last) if _has_runs(session, Run.created_at < moment) else {}
    unknown = [branch for branch in branches if outcomes.get(branch) is None]
    return {branch for branch in branches if outcomes.get(branch) == Outcome.FAILURE} | _broken_before_retention(
        session, unknown
    )


def _has_runs(session: Session, where: ColumnElement[bool]) -> bool:
    return execute(session, select(Run.id).where(where).limit(1)).scalar() is not None


def _broken_before_retention(session: Session, branches: Collection[Branch]) -> set[Branch]:
    """Default branches that were broken when their earlier runs were deleted (health.retention)."""
    state = rollup_state(session) if branches else None
    if state is None or state.pruned_before is None:
        return set()
    query = (
        select(BrokenEpisode.repository_id, BrokenEpisode.workflow_id, Repository.default_branch)
        .join(Repository, Repository.id == BrokenEpisode.repository_id)
        .where(BrokenEpisode.created_at < state.pruned_before)
    )
    kept: set[Branch] = {(row[0], row[1], row[2]) for row in session.execute(query)}
    return kept & set(branches)


def _successes_since(session: Session, found: Sequence[FailureEpisode], moment: datetime) -> dict[Branch, Any]:
    """The earliest completion of a success created since then, on branches of episodes that it can have ended: a run
    ends after it was created, so what ended before that moment stays as it is."""
    if not _has_runs(session, Run.created_at >= moment):
        return {}
    branches = {each.branch for each in found if each.recovered_at is None or each.recovered_at > moment}

    def soonest(branch: _BranchBatch) -> Select[Any]:
        first = aliased(Run)
        of_first = (
            select(first.completed_at)
            .where(*_sequence_conditions(first, branch), first.outcome == Outcome.SUCCESS, first.created_at >= moment)
            .order_by(first.created_at, first.id)
            .limit(1)
        )
        end_of_first = of_first.correlate(branch.keys).scalar_subquery()
        # What was created after the end of another success ended after it.
        return select(func.min(Run.completed_at)).where(
            *_sequence_conditions(Run, branch),
            Run.outcome == Outcome.SUCCESS,
            Run.created_at >= moment,
            Run.created_at <= end_of_first,
        )

    return _value_per_branch(session, branches, soonest)


def _sequence_conditions(run: Any, branch: _BranchBatch) -> list[ColumnElement[bool]]:
    """The decided runs of that sequence."""
    keys = branch.keys.c
    repository_id = keys.repository_id if branch.repository_id is None else branch.repository_id
    over = [run.outcome.in_(DECIDED), run.completed_at.is_not(None), run.repository_id == repository_id]
    if branch.kind is _BranchLookup.DEFAULT:
        return [*over, run.on_default_branch, run.workflow_id == keys.workflow_id]
    name = run.branch == keys.branch if branch.kind is _BranchLookup.NAMED else run.branch.is_(None)
    # The sum keeps databases from the index by workflow: it has the runs of all branches.
    return [*over, name, run.workflow_id + 0 == keys.workflow_id]


def _value_per_branch(
    session: Session, branches: Collection[Branch], question: Callable[[_BranchBatch], Select[Any]]
) -> dict[Branch, Any]:
    """One value for each branch, null where the question finds none. Each answer comes from an index, and many are
    asked for in one statement."""
    defaults = {(row.id, row.default_branch) for row in session.execute(_DEFAULT_BRANCHES)} if branches else set()
    kinds: dict[_BranchLookup, list[Branch]] = {kind: [] for kind in _BranchLookup}
    for each in branches:
        is_default = (each[0], each[2]) in defaults
        kinds[
            _BranchLookup.DEFAULT if is_default else _BranchLookup.UNNAMED if each[2] is None else _BranchLookup.NAMED
        ].append(each)
    found: dict[Branch, Any] = {}
    plain = _KEY_SQL[session.get_bind().dialect.name]
    for kind, listed in kinds.items():
        for repository_id, some in _batches(listed, by_repository=is_sharded(session.connection())):
            listing = json.dumps([(place, *branch) for place, branch in enumerate(some)])
            keys = text(plain).bindparams(branches=listing).columns(*_KEY_COLUMNS).cte("branches")
            answer = question(_BranchBatch(kind, keys, repository_id)).correlate(keys).scalar_subquery()
            found |= {some[row[0]]: row[1] for row in session.execute(select(keys.c.place, answer))}
    return found


def _batches(branches: list[Branch], *, by_repository: bool) -> Iterator[tuple[int | None, list[Branch]]]:
    """Lists of branches for one statement each. A sharded database takes subqueries that depend on another table only
    where one node can answer: the branches of one repository."""
    if by_repository:
        by_id: dict[int, list[Branch]] = defaultdict(list)
        for branch in branches:
            by_id[branch[0]].append(branch)
        yield from by_id.items()
        return
    for start in range(0, len(branches), _BATCH_SIZE):
        yield None, branches[start : start + _BATCH_SIZE]
