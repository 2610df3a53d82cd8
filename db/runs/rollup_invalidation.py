"""Invalidation of roll-ups, in the transaction that changes the runs.

Days are whole days since 1970-01-01 UTC.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.definitions import time_buckets
from db.enums import RollupLevel
from db.models import Repository, Rollup, RollupInvalidation, RollupState, Run
from db.sql import insert_ignore

# Hours are kept for five weeks: longer windows lose at most a day of raw rows at their edges.
HOURLY_RETENTION = timedelta(days=35)
# The repository id of totals over all repositories.
ALL_REPOSITORIES = 0
ALL_HOURS_MASK = (1 << 24) - 1
_ROW_BATCH = 500


def invalidate_runs(session: Session, repository_id: int, created_at: Iterable[datetime]) -> None:
    """Invalidates the roll-ups of the hours in which these runs were created."""
    hours: dict[int, int] = defaultdict(int)
    for time in created_at:
        hours[time_buckets.day_of(time)] |= 1 << time.astimezone(UTC).hour
    invalidate(session, [(repository_id, day, mask) for day, mask in hours.items()])


def invalidate_repository(session: Session, repository_id: int) -> None:
    """Invalidates all days of a repository, as after a change of its default branch."""
    first, last = session.execute(
        select(func.min(Run.created_at), func.max(Run.created_at)).where(Run.repository_id == repository_id)
    ).one()
    if first and last:
        days = range(time_buckets.day_of(first), time_buckets.day_of(last) + 1)
        invalidate(session, [(repository_id, day, ALL_HOURS_MASK) for day in days])


def invalidate_totals(session: Session) -> None:
    """Invalidates the totals of all days, as after a change of the monitored repositories."""
    days = select(Rollup.bucket).where(Rollup.level == RollupLevel.REPO, *_with_resolution(time_buckets.DAY)).distinct()
    invalidate(
        session,
        [(ALL_REPOSITORIES, time_buckets.start_hour(bucket) // 24, ALL_HOURS_MASK) for bucket in session.scalars(days)],
    )


def invalidate_all(session: Session, now: datetime) -> None:
    """Invalidates all roll-ups except those whose runs are pruned."""
    first_day = retention_start(rollup_state(session, now))
    for repository_id in session.scalars(select(Repository.id)).all():
        days = select(Rollup.bucket).where(
            Rollup.repository_id == repository_id, Rollup.level == RollupLevel.REPO, *_with_resolution(time_buckets.DAY)
        )
        stored = {time_buckets.start_hour(bucket) // 24 for bucket in session.scalars(days)}
        invalidate(session, [(repository_id, day, ALL_HOURS_MASK) for day in stored if day >= first_day])
        invalidate_repository(session, repository_id)


def record_pruning(session: Session, before: datetime, now: datetime) -> None:
    """Records that the runs created before the start of that day are deleted. Their roll-ups are kept unchanged."""
    state = rollup_state(session, now)
    start = start_of_day(before)
    if state.pruned_before is None or state.pruned_before < start:
        state.pruned_before = start


def invalidate(session: Session, hour_masks: Sequence[tuple[int, int, int]]) -> None:
    """Stores invalidations: repository id, day, and a bit mask of hours. An existing row changes too, so that a program
    that recomputes its roll-ups detects the later change."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    listed = sorted(hour_masks)
    for first in range(0, len(listed), _ROW_BATCH):
        rows = [
            {"repository_id": repository_id, "day": day, "hour_mask": mask, "changes": 1}
            for repository_id, day, mask in listed[first : first + _ROW_BATCH]
        ]
        statement = dialect.insert(RollupInvalidation).values(rows)
        changed = {
            "hour_mask": RollupInvalidation.hour_mask.bitwise_or(statement.excluded.hour_mask),
            "changes": RollupInvalidation.changes + 1,
        }
        session.execute(statement.on_conflict_do_update(index_elements=["repository_id", "day"], set_=changed))


def count_invalidated_days(session: Session) -> int:
    """Returns the number of days of repositories whose roll-ups are to be recomputed."""
    return session.scalar(select(func.count()).select_from(RollupInvalidation)) or 0


def rollup_state(session: Session, now: datetime) -> RollupState:
    state = session.get(RollupState, 1)
    if state is None:
        insert_ignore(session, RollupState, [{"id": 1, "hours_from": start_of_day(now - HOURLY_RETENTION)}])
        state = session.get_one(RollupState, 1)
    return state


def retention_start(state: RollupState) -> int:
    """Returns the first day whose runs are stored; 0 where no runs were pruned."""
    return time_buckets.day_of(state.pruned_before) if state.pruned_before else 0


def start_of_day(time: datetime) -> datetime:
    return time_buckets.start_of_day(time_buckets.day_of(time))


def _with_resolution(level: int) -> tuple[Any, ...]:
    return Rollup.bucket >= time_buckets.bucket_id(level, 0), Rollup.bucket < time_buckets.bucket_id(level + 1, 0)


_Item = TypeVar("_Item")


def created_on(model: Any, days: Sequence[int]) -> Any:
    """Returns the condition that a row was created on one of these days."""
    spans = [
        (time_buckets.start_of_day(span[0]), time_buckets.start_of_day(span[-1] + 1)) for span in consecutive_days(days)
    ]
    return or_(*((model.created_at >= start) & (model.created_at < end) for start, end in spans))


def consecutive_days(days: Iterable[int]) -> Iterator[list[int]]:
    """Yields the days in ascending order, grouped into spans of consecutive days."""
    span: list[int] = []
    for day in sorted(days):
        if span and day != span[-1] + 1:
            yield span
            span = []
        span.append(day)
    if span:
        yield span


def chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
