"""What is asked of runs, and how their sums are grouped; for db.queries alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast

from db.metrics.scope import Scope
from db.metrics.table import COUNTS, SECONDS, SUMS, Table
from db.metrics.window import Window, bucket_start
from db.vocabulary import GroupBy, Interval

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


@dataclass(frozen=True)
class Question:
    """`counts`, `sums` and `histograms` are those that the answer needs, others may be 0 or empty in it; recoveries
    cost the database questions of their own. `now`: until when open episodes have lasted; null: until the window's
    end."""

    scope: Scope
    window: Window
    by: GroupBy | None = None
    interval: Interval | None = None
    histograms: tuple[str, ...] = SECONDS
    recoveries: bool = True
    now: datetime | None = None
    counts: tuple[str, ...] = COUNTS
    sums: tuple[str, ...] = SUMS


@dataclass(frozen=True)
class Found:
    """Rows of a table, with the group of each (a value, or a tuple of several, or null) and its bucket.
    `rollups_from`: start of the oldest roll-up among what was added up; null where there is none. `open_since`: of each
    broken episode that is still open its group and bucket, and when its first run failed."""

    keys: list[tuple[Any, datetime | None]]
    table: Table
    rollups_from: datetime | None = None
    open_since: tuple[tuple[tuple[Any, datetime | None], datetime], ...] = ()


def key_of(values: Sequence[Any]) -> Any:
    """As callers know it: a value, a tuple of several, null for none."""
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


def first_hour(hour: ColumnElement[int], interval: Interval | None) -> ColumnElement[int]:
    """The hour at which the bucket of an hour begins, for the database to group by; both in whole hours since 1970,
    UTC."""
    if interval is None:
        return cast(0, Integer)  # a bare number would be the place of a column
    length, before = _LENGTHS[interval]
    return ((hour + before) // length) * length - before


class Buckets:
    """Starts of buckets, each worked out once an hour of time."""

    def __init__(self, interval: Interval | None) -> None:
        self._interval, self._known = interval, dict[int, datetime]()

    def of_hour(self, hour: int) -> datetime | None:
        if self._interval is None:
            return None
        if hour not in self._known:
            self._known[hour] = bucket_start(datetime.fromtimestamp(hour * 3600, UTC), self._interval)
        return self._known[hour]
