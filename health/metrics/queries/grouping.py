"""What is asked of runs, and how their sums are grouped; for db.logs alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Integer, cast

from db.definitions.scope import Scope, Window, bucket_start
from db.enums import GroupBy, Interval
from health.metrics.definitions.table import COUNTS, SPAN_HISTOGRAMS, SUMS, AggregateTable, sum_rows

COLUMNS: dict[GroupBy | None, tuple[str, ...]] = {
    None: (),
    GroupBy.REPO: ("repository_id",),
    GroupBy.WORKFLOW: ("repository_id", "workflow_id"),
    GroupBy.BRANCH: ("branch",),
    GroupBy.EVENT: ("event",),
    GroupBy.ACTOR: ("actor",),
    GroupBy.RUNNER: ("runner",),
}
# Length in hours, and by how much the first one after 1970 began before: weeks begin on Monday, 1970 on a Thursday.
_LENGTHS = {Interval.HOUR: (1, 0), Interval.DAY: (24, 0), Interval.WEEK: (168, 72)}


class _Rest(Enum):
    REST = "rest"


# The key of all groups that a question does not select, which are one group.
REST: Final = _Rest.REST


@dataclass(frozen=True)
class MetricsQuery:
    """`counts`, `sums` and `histograms` are those that the answer needs, others may be 0 or empty in it; recoveries
    cost the database questions of their own. `now`: until when open episodes have lasted; null: until the window's
    end. `selected`: keys of the groups that the answer tells apart, all others are REST; null: all groups."""

    scope: Scope
    window: Window
    by: GroupBy | None = None
    interval: Interval | None = None
    histograms: tuple[str, ...] = SPAN_HISTOGRAMS
    recoveries: bool = True
    now: datetime | None = None
    counts: tuple[str, ...] = COUNTS
    sums: tuple[str, ...] = SUMS
    selected_keys: frozenset[Any] | None = None


@dataclass(frozen=True)
class GroupedTable:
    """Rows of a table, with the group of each (a value, or a tuple of several, or null) and its bucket.
    `rollups_from`: start of the oldest roll-up among what was added up; null where there is none. `open_since`: of each
    broken episode that is still open its group and bucket, and when its first run failed."""

    keys: list[tuple[Any, datetime | None]]
    table: AggregateTable
    rollups_from: datetime | None = None
    open_since: tuple[tuple[tuple[Any, datetime | None], datetime], ...] = ()


def key_from_columns(values: Sequence[Any]) -> Any:
    """As callers know it: a value, a tuple of several, null for none."""
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


def merge_unselected(grouped: GroupedTable, selected: Collection[Any]) -> GroupedTable:
    """Groups that are not selected added up to one, REST: percentiles of it are those of all its values."""

    def shown(key: Any) -> Any:
        return key if key in selected else REST

    places: dict[tuple[Any, datetime | None], int] = {}
    rows = [places.setdefault((shown(key), start), len(places)) for key, start in grouped.keys]
    table = sum_rows(grouped.table, np.asarray(rows, dtype=np.int64), len(places))
    open_since = tuple(((shown(key), start), moment) for (key, start), moment in grouped.open_since)
    return replace(grouped, keys=list(places), table=table, open_since=open_since)


def bucket_start_hour(hour: ColumnElement[int], interval: Interval | None) -> ColumnElement[int]:
    """The hour at which the bucket of an hour begins, for the database to group by; both in whole hours since 1970,
    UTC."""
    if interval is None:
        return cast(0, Integer)  # a bare number would be the place of a column
    length, before = _LENGTHS[interval]
    return ((hour + before) // length) * length - before


class BucketStarts:
    """Starts of buckets, each worked out once an hour of time."""

    def __init__(self, interval: Interval | None) -> None:
        self._interval, self._known = interval, dict[int, datetime]()

    def of_hour(self, hour: int) -> datetime | None:
        if self._interval is None:
            return None
        if hour not in self._known:
            self._known[hour] = bucket_start(datetime.fromtimestamp(hour * 3600, UTC), self._interval)
        return self._known[hour]
