"""Sums of runs that no roll-up holds, made from the rows: one by one where they are few, in the database where they are
many."""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Float, Integer, Select, Text, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.definitions.job_times import DECIDED
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Outcome
from db.models import Run
from db.runs.run_filters import in_parameterized_windows, in_scope, in_windows, window_parameters
from db.sql import epoch_seconds, execute
from health.metrics.definitions import histogram
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
    MetricsQuery,
    bucket_start_hour,
    key_from_columns,
)

_FACT_COLUMNS = [*(getattr(Run, name) for name in RunFact._fields[:-1]), epoch_seconds(Run.created_at)]
# Up to so many are read one by one, and the percentiles are exact.
_MAX_ROWS_IN_PYTHON = 20_000
# Beside roll-ups, which are not.
_MAX_ROWS_BESIDE_ROLLUPS = 500
_HOUR = cast(func.floor(epoch_seconds(Run.created_at) / 3600), Integer)
_DECIDED, _PASSED = Run.outcome.in_(DECIDED), Run.outcome == Outcome.SUCCESS
_COMPLETED = Run.outcome != Outcome.IN_PROGRESS
_FIRST_OUTCOME = case((Run.attempt <= 1, Run.outcome), else_=Run.first_outcome)
# The runs of which a histogram is made, and the value of each.
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
# Whether the run succeeded, and its spans.
_SPAN_COLUMNS = (case((_PASSED, 1), else_=0), Run.duration_seconds, Run.queue_seconds)
_SUMMED_COUNTS = {"never_started": Run.never_started, "unpriced_minutes": Run.unpriced_minutes}


def read_runs(
    session: Session, metrics_query: MetricsQuery, scope: Scope, windows: Sequence[Window], *, as_samples: bool = True
) -> list[GroupedTable]:
    """Without recoveries."""
    ours = in_scope(session, scope)
    where = [*ours, in_windows(Run.created_at, windows)]
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
    found = execute(session, query.where(*ours) if ours else query, window_parameters(windows))
    return [_aggregate_in_python(rows, metrics_query) for rows in found.partitions()]


@cache
def _select_facts(by: GroupBy | None, windows: int) -> Select[Any]:
    """The facts of each run and its group, of that many windows."""
    query = select(*_FACT_COLUMNS, *(getattr(Run, name) for name in COLUMNS[by])).execution_options(
        yield_per=_MAX_ROWS_IN_PYTHON
    )
    return query.where(in_parameterized_windows(Run.created_at, windows))


def _exceeds(session: Session, where: Sequence[Any], limit: int) -> bool:
    """Stops counting where it is clear."""
    return execute(session, select(Run.id).where(*where).offset(limit).limit(1)).scalar() is not None


def _aggregate_in_python(rows: Iterable[Sequence[Any]], question: MetricsQuery) -> GroupedTable:
    width, buckets, selected = len(_FACT_COLUMNS), BucketStarts(question.interval), question.selected_keys
    found, keys = [], []
    for row in rows:
        hour = int(row[width - 1]) // 3600
        found.append(RunFact._make((*row[: width - 1], time_buckets.hour_of_week(hour))))
        key = key_from_columns(row[width:])
        keys.append((key if selected is None or key in selected else REST, buckets.of_hour(hour)))
    places = _GroupIndex()
    return GroupedTable(places.keys, from_runs(found, places.indices(keys), len(places.keys)))


def _aggregate_in_sql(session: Session, question: MetricsQuery, where: Sequence[Any]) -> list[GroupedTable]:
    group = _group(session, question)
    keys = (bucket_start_hour(_HOUR, question.interval), *group)

    def grouped(*columns: Any, by: Sequence[Any] = ()) -> Select[Any]:
        return select(*keys, *by, *columns).where(*where).group_by(*keys, *by)

    counts = (_count(name) if name in question.counts else cast(0, Integer) for name in COUNTS)
    sums = [func.sum(_SUMS[name]) if name in _SUMS and name in question.sums else cast(0, Float) for name in SUMS]
    found = _GroupIndex(question, len(keys))
    added = execute(session, grouped(*counts, *sums)).all()
    at = found.indices_of_rows(added)
    exact: Mapping[str, Samples] = {}
    histograms: Mapping[str, SparseHistogram] = {}
    if session.get_bind().dialect.name == "postgresql":
        histograms = _histograms(session, question, grouped, found)
    else:
        exact = _read_samples(session, question, where, found)
    # Made last: under READ COMMITTED a later statement may see groups that the first one did not.
    table = empty_table(len(found.keys))
    for row, place in zip(added, at, strict=True):
        values = [each or 0 for each in row[len(keys) :]]
        table.counts[place], table.sums[place] = values[: len(COUNTS)], values[len(COUNTS) :]
    return [
        GroupedTable(
            found.keys,
            AggregateTable(table.counts, table.sums, {**table.samples, **exact}, {**table.histograms, **histograms}),
        )
    ]


def _histograms(
    session: Session, question: MetricsQuery, grouped: Callable[..., Select[Any]], found: "_GroupIndex"
) -> dict[str, SparseHistogram]:
    made = {}
    for name in question.histograms:
        if name in _SPANS:
            among, seconds = _SPANS[name]
            query = grouped(func.count(), by=[_sketch_bucket(seconds)]).where(among, seconds.is_not(None))
        elif name in HOUR_HISTOGRAMS:
            outcomes = DECIDED if name == "decided_hours" else (Outcome.FAILURE,)
            query = grouped(func.count(), by=[(_HOUR + 72) % 168]).where(Run.outcome.in_(outcomes))
        else:
            continue
        rows = execute(session, query).all()
        buckets, numbers = (np.fromiter((row[place] for row in rows), np.int64, len(rows)) for place in (-2, -1))
        made[name] = SparseHistogram(found.indices_of_rows(rows), buckets, numbers)
    return made


def _read_samples(
    session: Session, question: MetricsQuery, where: Sequence[Any], found: "_GroupIndex"
) -> dict[str, Samples]:
    """The spans of each run, of questions without an interval: SQLite may lack the functions that find a bucket."""
    if not set(_SPANS) & set(question.histograms):
        return {}
    query = (
        select(*_group(session, question), *_SPAN_COLUMNS)
        .where(*where, _DECIDED)
        .execution_options(yield_per=_MAX_ROWS_IN_PYTHON)
    )
    listed: dict[str, list[Samples]] = defaultdict(list)
    for rows in execute(session, query).partitions():
        *group, passed, durations, queues = zip(*rows, strict=True)
        for name, exact in span_samples(found.indices_of_columns(group, len(rows)), passed, durations, queues).items():
            listed[name].append(exact)
    return {name: concat_samples(parts, [0] * len(parts)) for name, parts in listed.items()}


def _count(name: str) -> ColumnElement[int]:
    if name in _COUNTS:
        return func.count().filter(_COUNTS[name])
    return func.coalesce(func.sum(_SUMMED_COUNTS[name]), 0) if name in _SUMMED_COUNTS else cast(0, Integer)


def _sketch_bucket(seconds: Any) -> ColumnElement[int]:
    """As sketch.buckets."""
    place = func.ceil(func.ln(func.greatest(seconds, histogram.MIN_VALUE) / histogram.MIN_VALUE) / histogram.LOG_GAMMA)
    inside = func.least(func.greatest(place, 1), histogram.BUCKET_COUNT - 1)
    return case((seconds < histogram.MIN_VALUE, 0), else_=cast(inside, Integer))


def _columns(by: GroupBy | None) -> list[Any]:
    return [getattr(Run, name) for name in COLUMNS[by]]


def _group(session: Session, question: MetricsQuery) -> list[Any]:
    """The columns of the group. Where some groups of a single column are selected: its value, null for the rest, and 1
    where the null is the value itself and selected, else 0."""
    columns = _columns(question.by)
    if question.selected_keys is None or len(columns) != 1:
        return columns
    (column,), names = columns, sorted(key for key in question.selected_keys if key is not None)
    among: ColumnElement[bool] = column.in_(names)
    if session.get_bind().dialect.name == "postgresql":
        # In what it groups by, PostgreSQL compares with each value of a list.
        among = cast(literal(json.dumps(dict.fromkeys(names)), Text), JSONB).has_key(column)
    lacks = case((column.is_(None), 1), else_=0) if None in question.selected_keys else cast(0, Integer)
    return [case((among, column)), lacks]


def _is_narrowed(question: MetricsQuery) -> bool:
    return question.selected_keys is not None and len(COLUMNS[question.by]) == 1


def _selected_key(key: Any, is_null_key: int) -> Any:
    return REST if key is None and not is_null_key else key


class _Memo(dict[Any, int]):
    """Values of a function, each worked out once."""

    def __init__(self, of: Callable[[Any], int]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, key: Any) -> int:
        self[key] = value = self._of(key)
        return value


class _GroupIndex:
    """The place of each key among those seen."""

    def __init__(self, question: MetricsQuery | None = None, width: int = 0) -> None:
        self.keys: list[tuple[Any, datetime | None]] = []
        self._known: dict[Any, int] = {}
        self._buckets, self._width = BucketStarts(question.interval if question else None), width
        self._narrowed = question is not None and _is_narrowed(question)

    def indices(self, keys: Sequence[tuple[Any, datetime | None]]) -> Any:
        return np.fromiter((self._index(key) for key in keys), np.int64, len(keys))

    def indices_of_rows(self, rows: Sequence[Sequence[Any]]) -> Any:
        """Of rows that begin with the first hour of the bucket and the columns of the group."""
        width = self._width
        if self._narrowed:
            return self.indices([(_selected_key(row[1], row[2]), self._buckets.of_hour(int(row[0]))) for row in rows])
        return self.indices([(key_from_columns(row[1:width]), self._buckets.of_hour(int(row[0]))) for row in rows])

    def indices_of_columns(self, group: Sequence[Sequence[Any]], size: int) -> Any:
        """Of the columns of the group, of so many rows without a bucket: by the column, for hundreds of thousands."""
        if not group:
            return np.full(size, self._index((None, None)))
        keys: Iterable[Any] = group[0] if len(group) == 1 else zip(*group, strict=True)
        if self._narrowed:
            keys = itertools.starmap(_selected_key, keys)
        places = _Memo(lambda key: self._index((key, None)))
        return np.fromiter(map(places.__getitem__, keys), np.int64, size)

    def _index(self, key: tuple[Any, datetime | None]) -> int:
        if key not in self._known:
            self._known[key] = len(self.keys)
            self.keys.append(key)
        return self._known[key]
