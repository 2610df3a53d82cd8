"""Marking what roll-ups are not those of the rows any more. Whoever changes a run does it in the same transaction.

Days (whole days since 1970) as conditions, and long lists in portions.
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
# The repository that stands for all.
ALL_REPOSITORIES = 0
ALL_HOURS_MASK = (1 << 24) - 1
_ROW_BATCH = 500


def invalidate_runs(session: Session, repository_id: int, created_at: Iterable[datetime]) -> None:
    """The roll-ups of the hours in which these runs were created are to be made again."""
    hours: dict[int, int] = defaultdict(int)
    for moment in created_at:
        hours[time_buckets.day_of(moment)] |= 1 << moment.astimezone(UTC).hour
    invalidate(session, [(repository_id, day, mask) for day, mask in hours.items()])


def invalidate_repository(session: Session, repository_id: int) -> None:
    """All days of a repository: its default branch changed."""
    first, last = session.execute(
        select(func.min(Run.created_at), func.max(Run.created_at)).where(Run.repository_id == repository_id)
    ).one()
    if first and last:
        days = range(time_buckets.day_of(first), time_buckets.day_of(last) + 1)
        invalidate(session, [(repository_id, day, ALL_HOURS_MASK) for day in days])


def invalidate_totals(session: Session) -> None:
    """All days: other repositories are monitored now."""
    days = select(Rollup.bucket).where(Rollup.level == RollupLevel.REPO, *_with_resolution(time_buckets.DAY)).distinct()
    invalidate(
        session,
        [(ALL_REPOSITORIES, time_buckets.start_hour(tile) // 24, ALL_HOURS_MASK) for tile in session.scalars(days)],
    )


def invalidate_all(session: Session, now: datetime) -> None:
    """Makes all roll-ups again, but for those whose runs are pruned."""
    kept = retention_start(rollup_state(session, now))
    for repository_id in session.scalars(select(Repository.id)).all():
        days = select(Rollup.bucket).where(
            Rollup.repository_id == repository_id, Rollup.level == RollupLevel.REPO, *_with_resolution(time_buckets.DAY)
        )
        stored = {time_buckets.start_hour(tile) // 24 for tile in session.scalars(days)}
        invalidate(session, [(repository_id, day, ALL_HOURS_MASK) for day in stored if day >= kept])
        invalidate_repository(session, repository_id)


def record_pruning(session: Session, before: datetime, now: datetime) -> None:
    """Runs created before the start of that day are deleted: their roll-ups stay as they are."""
    state = rollup_state(session, now)
    start = start_of_day(before)
    if state.pruned_before is None or state.pruned_before < start:
        state.pruned_before = start


def count_invalidations(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(RollupInvalidation)) or 0


def invalidate(session: Session, hour_masks: Sequence[tuple[int, int, int]]) -> None:
    """Repository, day, and the hours of it as bits. The row is changed even if it is there: whoever makes its
    roll-ups now must see that something came after."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    listed = sorted(hour_masks)
    for first in range(0, len(listed), _ROW_BATCH):
        some = listed[first : first + _ROW_BATCH]
        rows = [{"repository_id": of, "day": day, "hour_mask": mask, "changes": 1} for of, day, mask in some]
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
    """The first day whose runs are still there."""
    return time_buckets.day_of(state.pruned_before) if state.pruned_before else 0


def start_of_day(time: datetime) -> datetime:
    return time_buckets.start_of_day(time_buckets.day_of(time))


def _with_resolution(level: int) -> tuple[Any, ...]:
    return Rollup.bucket >= time_buckets.bucket_id(level, 0), Rollup.bucket < time_buckets.bucket_id(level + 1, 0)


_Item = TypeVar("_Item")


def created_on(model: Any, days: Sequence[int]) -> Any:
    spans = [
        (time_buckets.start_of_day(span[0]), time_buckets.start_of_day(span[-1] + 1)) for span in consecutive_days(days)
    ]
    return or_(*((model.created_at >= start) & (model.created_at < end) for start, end in spans))


def consecutive_days(days: Iterable[int]) -> Iterator[list[int]]:
    """Days that follow each other."""
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
