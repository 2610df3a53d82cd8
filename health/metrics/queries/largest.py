"""The groups with the most runs, and all others as one; for db.analytics alone.

Commits all of whose runs passed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, collate, func, select
from sqlalchemy.orm import Session

from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Outcome
from db.models import Run
from db.runs.run_filters import in_scope, in_window
from db.sql import execute
from health.metrics.definitions.aggregates import Aggregates
from health.metrics.definitions.formulas import PassCounts
from health.metrics.definitions.table import OUTCOMES, take
from health.metrics.queries.executor import aggregates_by_key, read_groups
from health.metrics.queries.grouping import COLUMNS, REST, GroupedTable, MetricsQuery, merge_unselected
from health.metrics.queries.plan import rollup_state

# As many groups as people and branches name: nobody keeps them few.
_UNBOUNDED_GROUPS = (GroupBy.BRANCH, GroupBy.ACTOR, GroupBy.RUNNER)


class LargestAggregates(NamedTuple):
    """`facts` by the keys of the groups with the most runs, the largest first; `rest`: of all other groups together,
    null where there is none; `total`: how many groups have runs."""

    aggregates: dict[Any, Aggregates]
    rest: Aggregates | None
    total: int


def largest_aggregates(
    session: Session, metrics_query: MetricsQuery, limit: int, order: Callable[[Any], Any]
) -> LargestAggregates:
    """At most `limit` groups; `order` sorts the keys of groups of the same number of runs. The work for the figures of
    a group is done for these alone, however many there are."""
    total = None
    if metrics_query.by in _UNBOUNDED_GROUPS:
        keys, total = _largest_keys(session, metrics_query, limit)
        if total > limit:
            metrics_query = replace(metrics_query, selected_keys=frozenset(keys))
    found = read_groups(session, metrics_query)
    rows = _order_by_size(found, order)
    if metrics_query.selected_keys is None:
        total = len(rows)
        found = _take(found, rows)
        rows = list(range(min(total, limit)))
        if total > limit:
            found = merge_unselected(found, {key for key, _ in found.keys[:limit]})
    facts = aggregates_by_key(session, metrics_query, found)
    listed = {found.keys[row][0]: facts[found.keys[row]] for row in rows if found.keys[row][0] is not REST}
    return LargestAggregates(listed, facts.get((REST, None)), len(listed) if total is None else total)


def _take(found: GroupedTable, rows: Sequence[int]) -> GroupedTable:
    """These rows, in this order."""
    keys = [found.keys[row] for row in rows]
    among = set(keys)
    open_since = tuple(each for each in found.open_since if each[0] in among)
    return replace(found, keys=keys, table=take(found.table, rows), open_since=open_since)


def _order_by_size(found: GroupedTable, order: Callable[[Any], Any]) -> list[int]:
    """Rows of the groups that have runs, the largest first."""
    runs = found.table.counts[:, : len(OUTCOMES)].sum(axis=1).tolist()
    rows = [row for row, number in enumerate(runs) if number and found.keys[row][0] is not REST]
    return sorted(rows, key=lambda row: (-runs[row], order(found.keys[row][0])))


def _largest_keys(session: Session, question: MetricsQuery, limit: int) -> tuple[list[Any], int]:
    """Keys of the groups with the most runs, at most `limit` of them, and how many groups there are: from counts alone.
    Of as many runs, those first whose key comes first by its code points."""
    where = [*in_scope(session, question.scope), *in_window(question.window)]
    column = getattr(Run, COLUMNS[question.by][0])
    groups = select(column.label("key"), func.count().label("runs")).where(*where).group_by(column).cte("groups")
    name: ColumnElement[str] = func.coalesce(groups.c.key, "")
    if session.get_bind().dialect.name == "postgresql":
        name = collate(name, "C")
    total = select(func.count()).select_from(groups).scalar_subquery()
    query = select(groups.c.key, total).order_by(groups.c.runs.desc(), name).limit(limit)
    rows = execute(session, query).all()
    return [row[0] for row in rows], rows[0][1] if rows else 0


# No roll-up can tell the commits of several days apart, and the rows of longer windows are too many to read each time.
MAX_WINDOW = timedelta(days=35)
_BY_COMMIT = (
    select(func.max(case((Run.outcome == Outcome.FAILURE, 1), else_=0)).label("failed"))
    .where(Run.outcome.in_(DECIDED), Run.head_sha != "")
    .group_by(Run.repository_id, Run.head_sha)
)


def count_passed_commits(session: Session, scope: Scope, window: Window) -> PassCounts | None:
    """Commits (of a repository) with decided runs in the window, and those of them all of whose runs there passed; one
    grouped statement. Null for windows longer than LONGEST, and where runs of the window were pruned."""
    state = rollup_state(session)
    if window.span > MAX_WINDOW or (state and state.pruned_before and window.since < state.pruned_before):
        return None
    by_commit = _BY_COMMIT.where(*in_scope(session, scope), *in_window(window)).subquery()
    query = select(func.count(), func.count().filter(by_commit.c.failed == 0)).select_from(by_commit)
    decided, passed = execute(session, query).one()
    return PassCounts(passed, decided)
