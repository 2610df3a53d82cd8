"""The groups with the most runs and the rest as one group, and commits all of whose runs passed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, collate, func, select
from sqlalchemy.orm import Session

from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Outcome
from db.models import Run
from db.runs.run_filters import in_scope, in_window
from db.sql import execute
from health.metrics.definitions.aggregates import Aggregates
from health.metrics.definitions.formulas import PassCounts
from health.metrics.definitions.losses import Losses
from health.metrics.definitions.table import OUTCOMES, take
from health.metrics.queries.executor import aggregates_by_key, run
from health.metrics.queries.grouping import COLUMNS, REST, GroupedTable, MetricsQuery, merge_unselected
from health.metrics.queries.plan import plan, rollup_state

# The number of these groups is not bounded: people and branches are as many as the runs name.
_UNBOUNDED_GROUPS = (GroupBy.BRANCH, GroupBy.ACTOR, GroupBy.RUNNER)
# Commits cannot be added up across roll-ups, and longer windows have too many runs to read for each page.
MAX_WINDOW = timedelta(days=35)
_BY_COMMIT = (
    select(func.max(case((Run.outcome == Outcome.FAILURE, 1), else_=0)).label("failed"))
    .where(Run.outcome.in_(DECIDED), Run.head_sha != "")
    .group_by(Run.repository_id, Run.head_sha)
)


class LargestAggregates(NamedTuple):
    """`aggregates` of the groups with the most runs, the largest first; `rest` of all other groups together, null where
    there are none; `total` is the number of groups with runs. `losses` are those of the plan that was executed."""

    aggregates: dict[Any, Aggregates]
    rest: Aggregates | None
    total: int
    losses: Losses


def largest_aggregates(
    session: Session, metrics_query: MetricsQuery, limit: int, order: Callable[[Any], Any]
) -> LargestAggregates:
    """Returns at most `limit` groups. `order` is the sort key of groups with the same number of runs. Percentiles are
    computed for these groups and the rest alone, however many groups there are."""
    total = None
    if metrics_query.by in _UNBOUNDED_GROUPS:
        keys, total = _largest_keys(session, metrics_query, limit)
        if total > limit:
            metrics_query = replace(metrics_query, selected_keys=frozenset(keys))
    planned = plan(session, metrics_query)
    grouped = run(session, planned)
    rows = _order_by_size(grouped, order)
    if metrics_query.selected_keys is None:
        total = len(rows)
        grouped = _take(grouped, rows)
        rows = list(range(min(total, limit)))
        if total > limit:
            grouped = merge_unselected(grouped, {key for key, _ in grouped.keys[:limit]})
    aggregates = aggregates_by_key(planned, grouped)
    listed = {grouped.keys[row][0]: aggregates[grouped.keys[row]] for row in rows if grouped.keys[row][0] is not REST}
    total = len(listed) if total is None else total
    return LargestAggregates(listed, aggregates.get((REST, None)), total, planned.losses)


def _take(grouped: GroupedTable, rows: Sequence[int]) -> GroupedTable:
    """Keeps these rows, in this order."""
    keys = [grouped.keys[row] for row in rows]
    among = set(keys)
    open_since = tuple(episode for episode in grouped.open_since if episode[0] in among)
    return replace(grouped, keys=keys, table=take(grouped.table, rows), open_since=open_since)


def _order_by_size(grouped: GroupedTable, order: Callable[[Any], Any]) -> list[int]:
    """Returns the rows of groups with runs, the largest first."""
    runs = grouped.table.counts[:, : len(OUTCOMES)].sum(axis=1).tolist()
    rows = [row for row, number in enumerate(runs) if number and grouped.keys[row][0] is not REST]
    return sorted(rows, key=lambda row: (-runs[row], order(grouped.keys[row][0])))


def _largest_keys(session: Session, metrics_query: MetricsQuery, limit: int) -> tuple[list[Any], int]:
    """Returns the keys of the groups with the most runs, at most `limit`, and the number of all groups, from counts
    alone. Groups with the same number of runs are in the order of the code points of their keys."""
    where = [*in_scope(session, metrics_query.scope), *in_window(metrics_query.window)]
    column = getattr(Run, COLUMNS[metrics_query.by][0])
    groups = select(column.label("key"), func.count().label("runs")).where(*where).group_by(column).cte("groups")
    name: ColumnElement[str] = func.coalesce(groups.c.key, "")
    if session.get_bind().dialect.name == "postgresql":
        name = collate(name, "C")
    total = select(func.count()).select_from(groups).scalar_subquery()
    query = select(groups.c.key, total).order_by(groups.c.runs.desc(), name).limit(limit)
    rows = execute(session, query).all()
    return [row[0] for row in rows], rows[0][1] if rows else 0


def count_passed_commits(session: Session, scope: Scope, window: Window) -> PassCounts | None:
    """Counts the commits (by repository and sha) with completed runs in the window, and as successes those all of whose
    runs there passed, in one grouped statement. Returns null for windows longer than MAX_WINDOW, and where runs of the
    window are deleted."""
    state = rollup_state(session)
    if window.span > MAX_WINDOW or (state and state.pruned_before and window.since < state.pruned_before):
        return None
    by_commit = _BY_COMMIT.where(*in_scope(session, scope), *in_window(window)).subquery()
    query = select(func.count(), func.count().filter(by_commit.c.failed == 0)).select_from(by_commit)
    decided, passed = execute(session, query).one()
    return PassCounts(passed, decided)
