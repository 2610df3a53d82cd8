"""Aggregates of runs that no roll-up has: computed in Python for few runs, in the database for many."""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Float, Integer, Select, Text, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.attempts import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Outcome
from db.models import Run
from db.runs.run_filters import in_parameterized_windows, in_scope, in_windows, window_parameters
from db.sql import epoch_seconds, execute
from health.metrics.definitions import histogram
from health.metrics.definitions.percentiles import Ints
from health.metrics.definitions.table import (
    COUNTS,
    HOUR_HISTOGRAMS,
    SUMS,
    AggregateTable,
    RunFact,
    Samples,
    SparseHistogram,
    concat_samples,
    empty_table,
    from_runs,
    span_samples,
)
from health.metrics.queries.grouping import (
    COLUMNS,
    REST,
    BucketStarts,
    GroupedTable,
    Key,
    MetricsQuery,
    bucket_start_hour,
    hour_of_week,
    key_from_columns,
)

_FACT_COLUMNS = [*(getattr(Run, name) for name in RunFact._fields[:-1]), epoch_seconds(Run.created_at)]
# Up to so many runs are read one by one, and the percentiles are exact.
_MAX_ROWS_IN_PYTHON = 20_000
# The limit beside roll-ups, whose percentiles are not exact.
_MAX_ROWS_BESIDE_ROLLUPS = 500
_HOUR = cast(func.floor(epoch_seconds(Run.created_at) / time_buckets.SECONDS_PER_HOUR), Integer)
_DECIDED, _PASSED = Run.outcome.in_(DECIDED), Run.outcome == Outcome.SUCCESS
_COMPLETED = Run.outcome != Outcome.IN_PROGRESS
_FIRST_OUTCOME = case((Run.attempt <= 1, Run.outcome), else_=Run.first_outcome)
# For each histogram the condition on its runs and the value of a run.
_SPANS = {
    "durations": (_DECIDED, Run.duration_seconds),
    "queues": (_DECIDED, Run.queue_seconds),
    "success_durations": (_PASSED, Run.duration_seconds),
}
_SUMS = {
    "duration": case((_DECIDED, Run.duration_seconds), else_=0.0),
    "queue": case((_DECIDED, Run.queue_seconds), else_=0.0),
    "compute": Run.compute_seconds,
    "wasted": Run.wasted_seconds,
    "cost": Run.cost_usd,
    "success_duration": case((_PASSED, Run.duration_seconds), else_=0.0),
    "wasted_flaky": Run.wasted_flaky_seconds,
    "wasted_cancelled": Run.wasted_cancelled_seconds,
    "wasted_superseded": Run.wasted_superseded_seconds,
    "defect": Run.defect_seconds,
}
_COUNTS = {
    **{str(outcome): Run.outcome == outcome for outcome in Outcome if outcome != Outcome.OTHER},
    "other": Run.outcome.not_in([outcome for outcome in Outcome if outcome != Outcome.OTHER]),
    "rerun": _COMPLETED & (Run.attempt > 1),
    "flaky": Run.flaky,
    "first_success": _FIRST_OUTCOME == Outcome.SUCCESS,
    "first_failure": _FIRST_OUTCOME == Outcome.FAILURE,
    "rerun_unapproved": _COMPLETED & (Run.reruns > 0),
    "failed_then_rerun": Run.failed_then_rerun,
}
# Whether the run succeeded, its duration and its queue time.
_SPAN_COLUMNS = (case((_PASSED, 1), else_=0), Run.duration_seconds, Run.queue_seconds)
_SUMMED_COUNTS = {"never_started": Run.never_started, "unpriced_minutes": Run.unpriced_minutes}


def read_runs(
    session: Session, metrics_query: MetricsQuery, scope: Scope, windows: Sequence[Window], *, as_samples: bool = True
) -> list[GroupedTable]:
    """Returns the aggregates of the runs of a scope in disjoint windows, without recoveries. The parts may have keys in
    common. `as_samples` false: beside roll-ups, where exact percentiles are not needed."""
    in_scope_conditions = in_scope(session, scope)
    where = [*in_scope_conditions, in_windows(Run.created_at, windows)]
    if session.get_bind().dialect.name == "postgresql":
        if _exceeds(session, where, _MAX_ROWS_IN_PYTHON if as_samples else _MAX_ROWS_BESIDE_ROLLUPS):
            return _aggregate_in_sql(session, metrics_query, where)
    elif (
        metrics_query.interval is None
        and not set(HOUR_HISTOGRAMS) & set(metrics_query.histograms)
        and _exceeds(session, where, _MAX_ROWS_IN_PYTHON)
    ):
        return _aggregate_in_sql(session, metrics_query, where)
    query = _select_facts(metrics_query.by, len(windows))
    result = execute(
        session, query.where(*in_scope_conditions) if in_scope_conditions else query, window_parameters(windows)
    )
    return [_aggregate_in_python(rows, metrics_query) for rows in result.partitions()]


@cache
def _select_facts(by: GroupBy | None, windows: int) -> Select[Any]:
    """Selects the columns of RunFact and the group of each run of so many windows."""
    query = select(*_FACT_COLUMNS, *(getattr(Run, name) for name in COLUMNS[by])).execution_options(
        yield_per=_MAX_ROWS_IN_PYTHON
    )
    return query.where(in_parameterized_windows(Run.created_at, windows))


def _exceeds(session: Session, where: Sequence[Any], limit: int) -> bool:
    """True where there are more than `limit` runs; counts no further."""
    return execute(session, select(Run.id).where(*where).offset(limit).limit(1)).scalar() is not None


def _aggregate_in_python(rows: Iterable[Sequence[Any]], metrics_query: MetricsQuery) -> GroupedTable:
    width, starts, selected = len(_FACT_COLUMNS), BucketStarts(metrics_query.interval), metrics_query.selected_keys
    facts, keys = [], []
    for row in rows:
        hour = int(row[width - 1]) // time_buckets.SECONDS_PER_HOUR
        facts.append(RunFact._make((*row[: width - 1], time_buckets.hour_of_week(hour))))
        key = key_from_columns(row[width:])
        keys.append((key if selected is None or key in selected else REST, starts.of_hour(hour)))
    index = _GroupIndex()
    return GroupedTable(index.keys, from_runs(facts, index.indices(keys), len(index.keys)))


def _aggregate_in_sql(session: Session, metrics_query: MetricsQuery, where: Sequence[Any]) -> list[GroupedTable]:
    group = _group_columns(session, metrics_query)
    keys = (bucket_start_hour(_HOUR, metrics_query.interval), *group)

    def grouped(*columns: Any, by: Sequence[Any] = ()) -> Select[Any]:
        return select(*keys, *by, *columns).where(*where).group_by(*keys, *by)

    counts = (_count(name) if name in metrics_query.counts else cast(0, Integer) for name in COUNTS)
    sums = [func.sum(_SUMS[name]) if name in _SUMS and name in metrics_query.sums else cast(0, Float) for name in SUMS]
    index = _GroupIndex(metrics_query, len(keys))
    rows = execute(session, grouped(*counts, *sums)).all()
    indices = index.indices_of_rows(rows)
    samples: Mapping[str, Samples] = {}
    histograms: Mapping[str, SparseHistogram] = {}
    if session.get_bind().dialect.name == "postgresql":
        histograms = _read_histograms(session, metrics_query, grouped, index)
    else:
        samples = _read_samples(session, metrics_query, where, index)
    # The table is created last: under READ COMMITTED a later statement may return groups that the first one did not.
    table = empty_table(len(index.keys))
    for row, group_index in zip(rows, indices, strict=True):
        values = [value or 0 for value in row[len(keys) :]]
        table.counts[group_index], table.sums[group_index] = values[: len(COUNTS)], values[len(COUNTS) :]
    return [
        GroupedTable(
            index.keys,
            AggregateTable(table.counts, table.sums, {**table.samples, **samples}, {**table.histograms, **histograms}),
        )
    ]


def _read_histograms(
    session: Session, metrics_query: MetricsQuery, grouped: Callable[..., Select[Any]], index: "_GroupIndex"
) -> dict[str, SparseHistogram]:
    histograms = {}
    for name in metrics_query.histograms:
        if name in _SPANS:
            condition, seconds = _SPANS[name]
            query = grouped(func.count(), by=[_bucket_index(seconds)]).where(condition, seconds.is_not(None))
        elif name in HOUR_HISTOGRAMS:
            outcomes = DECIDED if name == "decided_hours" else (Outcome.FAILURE,)
            query = grouped(func.count(), by=[hour_of_week(_HOUR)]).where(Run.outcome.in_(outcomes))
        else:
            continue
        rows = execute(session, query).all()
        buckets, numbers = (np.fromiter((row[column] for row in rows), np.int64, len(rows)) for column in (-2, -1))
        histograms[name] = SparseHistogram(index.indices_of_rows(rows), buckets, numbers)
    return histograms


def _read_samples(
    session: Session, metrics_query: MetricsQuery, where: Sequence[Any], index: "_GroupIndex"
) -> dict[str, Samples]:
    """Reads the spans of each run, for queries without an interval: SQLite may lack the functions of _bucket_index."""
    if not set(_SPANS) & set(metrics_query.histograms):
        return {}
    query = (
        select(*_group_columns(session, metrics_query), *_SPAN_COLUMNS)
        .where(*where, _DECIDED)
        .execution_options(yield_per=_MAX_ROWS_IN_PYTHON)
    )
    listed: dict[str, list[Samples]] = defaultdict(list)
    for rows in execute(session, query).partitions():
        *group, passed, durations, queues = zip(*rows, strict=True)
        for name, samples in span_samples(
            index.indices_of_columns(group, len(rows)), passed, durations, queues
        ).items():
            listed[name].append(samples)
    return {name: concat_samples(parts, [0] * len(parts)) for name, parts in listed.items()}


def _count(name: str) -> ColumnElement[int]:
    if name in _COUNTS:
        return func.count().filter(_COUNTS[name])
    return func.coalesce(func.sum(_SUMMED_COUNTS[name]), 0) if name in _SUMMED_COUNTS else cast(0, Integer)


def _bucket_index(seconds: Any) -> ColumnElement[int]:
    """The SQL of histogram.bucket_indices."""
    index = func.ceil(func.ln(func.greatest(seconds, histogram.MIN_VALUE) / histogram.MIN_VALUE) / histogram.LOG_GAMMA)
    inside = func.least(func.greatest(index, 1), histogram.BUCKET_COUNT - 1)
    return case((seconds < histogram.MIN_VALUE, 0), else_=cast(inside, Integer))


def _group_columns(session: Session, metrics_query: MetricsQuery) -> list[Any]:
    """Returns the columns of the group. Where groups of a single column are selected, these are its value (null for the
    rest) and a flag: 1 where null is a selected value itself, else 0."""
    columns = [getattr(Run, name) for name in COLUMNS[metrics_query.by]]
    if metrics_query.selected_keys is None or len(columns) != 1:
        return columns
    (column,), names = columns, sorted(key for key in metrics_query.selected_keys if key is not None)
    is_selected: ColumnElement[bool] = column.in_(names)
    if session.get_bind().dialect.name == "postgresql":
        # PostgreSQL compares a grouping expression with each value of a list one by one.
        is_selected = cast(literal(json.dumps(dict.fromkeys(names)), Text), JSONB).has_key(column)
    is_null_key = case((column.is_(None), 1), else_=0) if None in metrics_query.selected_keys else cast(0, Integer)
    return [case((is_selected, column)), is_null_key]


def _has_selection(metrics_query: MetricsQuery) -> bool:
    return metrics_query.selected_keys is not None and len(COLUMNS[metrics_query.by]) == 1


def _selected_key(key: Any, is_null_key: int) -> Any:
    return REST if key is None and not is_null_key else key


class _Memo(dict[Any, int]):
    """Caches the values of a function."""

    def __init__(self, function: Callable[[Any], int]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, key: Any) -> int:
        self[key] = value = self._function(key)
        return value


class _GroupIndex:
    """Numbers keys in the order in which they first occur."""

    def __init__(self, metrics_query: MetricsQuery | None = None, width: int = 0) -> None:
        self.keys: list[Key] = []
        self._index_of_key: dict[Any, int] = {}
        self._starts, self._width = BucketStarts(metrics_query.interval if metrics_query else None), width
        self._has_selection = metrics_query is not None and _has_selection(metrics_query)

    def indices(self, keys: Sequence[Key]) -> Ints:
        """Returns the number of each key; shape (len(keys),)."""
        return np.fromiter((self._index(key) for key in keys), np.int64, len(keys))

    def indices_of_rows(self, rows: Sequence[Sequence[Any]]) -> Ints:
        """Takes rows that begin with the first hour of the bucket and the columns of the group; shape (len(rows),)."""
        width = self._width
        if self._has_selection:
            return self.indices([(_selected_key(row[1], row[2]), self._starts.of_hour(int(row[0]))) for row in rows])
        return self.indices([(key_from_columns(row[1:width]), self._starts.of_hour(int(row[0]))) for row in rows])

    def indices_of_columns(self, group: Sequence[Sequence[Any]], size: int) -> Ints:
        """Takes the columns of the group, for hundreds of thousands of rows without a bucket; shape (size,)."""
        if not group:
            return np.full(size, self._index((None, None)))
        keys: Iterable[Any] = group[0] if len(group) == 1 else zip(*group, strict=True)
        if self._has_selection:
            keys = itertools.starmap(_selected_key, keys)
        indices = _Memo(lambda key: self._index((key, None)))
        return np.fromiter(map(indices.__getitem__, keys), np.int64, size)

    def _index(self, key: Key) -> int:
        if key not in self._index_of_key:
            self._index_of_key[key] = len(self.keys)
            self.keys.append(key)
        return self._index_of_key[key]
