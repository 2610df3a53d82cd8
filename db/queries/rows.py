"""Sums of runs that no roll-up holds, made from the rows: one by one where they are few, in the database where they are
many."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Float, Integer, Select, case, cast, func, select
from sqlalchemy.orm import Session

from db.metrics import sketch, tiles
from db.metrics.outcome import DECIDED
from db.metrics.scope import Scope
from db.metrics.table import COUNTS, HOURS, SUMS, Entries, RunFact, Table, nothing, of_runs
from db.metrics.window import Window
from db.models import Run
from db.queries.filters import in_scope, in_some_windows, in_windows, window_parameters
from db.queries.grouping import COLUMNS, Buckets, Found, Question, first_hour, key_of
from db.queries.reading import read
from db.types import epoch_seconds
from db.vocabulary import GroupBy, Outcome

_FACTS = [*(getattr(Run, name) for name in RunFact._fields[:-1]), epoch_seconds(Run.created_at)]
# Up to so many are read one by one, and the percentiles are exact.
_FEW = 20_000
# Beside roll-ups, which are not.
_FEW_MORE = 500
_HOUR = cast(func.floor(epoch_seconds(Run.created_at) / 3600), Integer)
_DECIDED, _PASSED = Run.outcome.in_(DECIDED), Run.outcome == Outcome.SUCCESS
_OVER = Run.outcome != Outcome.IN_PROGRESS
_FIRST = case((Run.attempt <= 1, Run.outcome), else_=Run.first_outcome)
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
    "rerun": _OVER & (Run.attempt > 1),
    "flaky": Run.flaky,
    "first_success": _FIRST == Outcome.SUCCESS,
    "first_failure": _FIRST == Outcome.FAILURE,
    "rerun_unapproved": _OVER & (Run.reruns > 0),
    "failed_then_rerun": Run.failed_then_rerun,
}
_ADDED = {"never_started": Run.never_started, "unpriced_minutes": Run.unpriced_minutes}


def read_runs(
    session: Session, question: Question, scope: Scope, windows: Sequence[Window], *, exact: bool = True
) -> list[Found]:
    """Without recoveries."""
    ours = in_scope(session, scope)
    if session.get_bind().dialect.name == "postgresql":
        where = [*ours, in_windows(Run.created_at, windows)]
        if _many(session, where, _FEW if exact else _FEW_MORE):
            return _add_up(session, question, where)
    query = _selected(question.by, len(windows))
    found = read(session, query.where(*ours) if ours else query, window_parameters(windows))
    return [_one_by_one(rows, question) for rows in found.partitions()]


@cache
def _selected(by: GroupBy | None, windows: int) -> Select[Any]:
    """The facts of each run and its group, of that many windows."""
    query = select(*_FACTS, *(getattr(Run, name) for name in COLUMNS[by])).execution_options(yield_per=_FEW)
    return query.where(in_some_windows(Run.created_at, windows))


def _many(session: Session, where: Sequence[Any], few: int) -> bool:
    """Stops counting where it is clear."""
    return read(session, select(Run.id).where(*where).offset(few).limit(1)).scalar() is not None


def _one_by_one(rows: Iterable[Sequence[Any]], question: Question) -> Found:
    width, buckets = len(_FACTS), Buckets(question.interval)
    found, keys = [], []
    for row in rows:
        hour = int(row[width - 1]) // 3600
        found.append(RunFact._make((*row[: width - 1], tiles.hour_of_the_week(hour))))
        keys.append((key_of(row[width:]), buckets.of_hour(hour)))
    places = _Places()
    return Found(places.keys, of_runs(found, places.of(keys), len(places.keys)))


def _add_up(session: Session, question: Question, where: Sequence[Any]) -> list[Found]:
    keys = (first_hour(_HOUR, question.interval), *_group(question))

    def grouped(*columns: Any, by: Sequence[Any] = ()) -> Select[Any]:
        return select(*keys, *by, *columns).where(*where).group_by(*keys, *by)

    sums = [func.sum(_SUMS[name]) if name in _SUMS else cast(0, Float) for name in SUMS]
    found = _Places(question, len(keys))
    added = read(session, grouped(*(_count(name) for name in COUNTS), *sums)).all()
    at = found.of_rows(added)
    histograms = {}
    for name in question.histograms:
        if name in _SPANS:
            among, seconds = _SPANS[name]
            query = grouped(func.count(), by=[_bucket(seconds)]).where(among, seconds.is_not(None))
        elif name in HOURS:
            outcomes = DECIDED if name == "decided_hours" else (Outcome.FAILURE,)
            query = grouped(func.count(), by=[(_HOUR + 72) % 168]).where(Run.outcome.in_(outcomes))
        else:
            continue
        rows = read(session, query).all()
        buckets, numbers = (np.fromiter((row[place] for row in rows), np.int64, len(rows)) for place in (-2, -1))
        histograms[name] = Entries(found.of_rows(rows), buckets, numbers)
    # Made last: under READ COMMITTED a later statement may see groups that the first one did not.
    table = nothing(len(found.keys))
    for row, place in zip(added, at, strict=True):
        values = [each or 0 for each in row[len(keys) :]]
        table.counts[place], table.sums[place] = values[: len(COUNTS)], values[len(COUNTS) :]
    return [Found(found.keys, Table(table.counts, table.sums, table.exact, {**table.histograms, **histograms}))]


def _count(name: str) -> ColumnElement[int]:
    if name in _COUNTS:
        return func.count().filter(_COUNTS[name])
    return func.coalesce(func.sum(_ADDED[name]), 0) if name in _ADDED else cast(0, Integer)


def _bucket(seconds: Any) -> ColumnElement[int]:
    """As sketch.buckets."""
    place = func.ceil(func.ln(func.greatest(seconds, sketch.LEAST) / sketch.LEAST) / sketch.LOG_GAMMA)
    inside = func.least(func.greatest(place, 1), sketch.WIDTH - 1)
    return case((seconds < sketch.LEAST, 0), else_=cast(inside, Integer))


def _group(question: Question) -> list[Any]:
    return [getattr(Run, name) for name in COLUMNS[question.by]]


class _Places:
    """The place of each key among those seen."""

    def __init__(self, question: Question | None = None, width: int = 0) -> None:
        self.keys: list[tuple[Any, datetime | None]] = []
        self._known: dict[Any, int] = {}
        self._buckets, self._width = Buckets(question.interval if question else None), width

    def of(self, keys: Sequence[tuple[Any, datetime | None]]) -> Any:
        return np.fromiter((self._place(key) for key in keys), np.int64, len(keys))

    def of_rows(self, rows: Sequence[Sequence[Any]]) -> Any:
        """Of rows that begin with the first hour of the bucket and the columns of the group."""
        return self.of([(key_of(row[1 : self._width]), self._buckets.of_hour(int(row[0]))) for row in rows])

    def _place(self, key: tuple[Any, datetime | None]) -> int:
        if key not in self._known:
            self._known[key] = len(self.keys)
            self.keys.append(key)
        return self._known[key]
