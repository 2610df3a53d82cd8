"""A query for figures, and how its results are grouped by key and time bucket."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Integer, cast

from db.definitions.scope import INTERVAL_LENGTHS, Scope, Window, bucket_start
from db.definitions.time_buckets import EPOCH_HOUR_OF_WEEK, HOURS_PER_WEEK, SECONDS_PER_HOUR
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
# A group's value (a tuple where it has several columns, null where the query has no group) and the start of its bucket
# (null where the query has no interval).
Key = tuple[Any, datetime | None]


class _Rest(Enum):
    REST = "rest"


# The key of all groups that a query does not select; they are one group.
REST: Final = _Rest.REST


@dataclass(frozen=True)
class MetricsQuery:
    """What to aggregate. `counts`, `sums` and `histograms` name the columns that the caller reads; others may be 0 or
    empty in the result. `recoveries` false saves the statements that read broken episodes. Open episodes last until
    `now`, null: until the end of the window. `selected_keys`: groups to keep apart, all others become REST; null keeps
    all groups."""

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
    """Row k of `table` is the aggregate of `keys[k]`. `open_since` has the key of each broken episode that is still
    open, and when its first run failed."""

    keys: list[Key]
    table: AggregateTable
    open_since: tuple[tuple[Key, datetime], ...] = ()


def key_from_columns(values: Sequence[Any]) -> Any:
    """Returns the value of a group: the value of its single column, a tuple of several, null without columns."""
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


def merge_unselected(grouped: GroupedTable, selected: Collection[Any]) -> GroupedTable:
    """Merges the groups that are not selected into REST. Percentiles of REST are those of all its values."""

    def merged(key: Any) -> Any:
        return key if key in selected else REST

    row_of_key: dict[Key, int] = {}
    rows = [row_of_key.setdefault((merged(key), start), len(row_of_key)) for key, start in grouped.keys]
    table = sum_rows(grouped.table, np.asarray(rows, dtype=np.int64), len(row_of_key))
    open_since = tuple(((merged(key), start), failed_at) for (key, start), failed_at in grouped.open_since)
    return replace(grouped, keys=list(row_of_key), table=table, open_since=open_since)


def bucket_start_hour(hour: ColumnElement[int], interval: Interval | None) -> ColumnElement[int]:
    """Returns the first hour of the bucket that holds `hour`, for GROUP BY; both in whole hours since 1970, UTC."""
    if interval is None:
        return cast(0, Integer)  # a bare number would be the position of a column
    length = INTERVAL_LENGTHS[interval] // timedelta(hours=1)
    # Weeks begin on Monday: the first one began before 1970.
    offset = EPOCH_HOUR_OF_WEEK if interval is Interval.WEEK else 0
    return ((hour + offset) // length) * length - offset


def hour_of_week(hour: ColumnElement[int]) -> ColumnElement[int]:
    """The SQL of db.definitions.time_buckets.hour_of_week."""
    return (hour + EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK


def is_partial(start: datetime, interval: Interval, window: Window) -> bool:
    """True where the bucket that begins at `start` is not entirely in the window."""
    return start < window.since or start + INTERVAL_LENGTHS[interval] > window.until


class BucketStarts:
    """Starts of the buckets of an interval, cached by hour. All are null without an interval."""

    def __init__(self, interval: Interval | None) -> None:
        self._interval, self._starts = interval, dict[int, datetime]()

    def of_hour(self, hour: int) -> datetime | None:
        """`hour` in whole hours since 1970, UTC."""
        if self._interval is None:
            return None
        if hour not in self._starts:
            self._starts[hour] = bucket_start(datetime.fromtimestamp(hour * SECONDS_PER_HOUR, UTC), self._interval)
        return self._starts[hour]
