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
from db.enums import Grain
from db.models import Repository, Rollup, RollupMark, RollupState, Run
from db.sql import add_missing

# Hours are kept for five weeks: longer windows lose at most a day of raw rows at their edges.
HOURS_KEPT = timedelta(days=35)
# The repository that stands for all.
ALL = 0
WHOLE_DAY = (1 << 24) - 1
_ROWS_AT_ONCE = 500


def mark_runs(session: Session, repository_id: int, moments: Iterable[datetime]) -> None:
    """The roll-ups of the hours in which these runs were created are to be made again."""
    hours: dict[int, int] = defaultdict(int)
    for moment in moments:
        hours[time_buckets.day_of(moment)] |= 1 << moment.astimezone(UTC).hour
    mark(session, [(repository_id, day, mask) for day, mask in hours.items()])


def mark_repository(session: Session, repository_id: int) -> None:
    """All days of a repository: its default branch changed."""
    first, last = session.execute(
        select(func.min(Run.created_at), func.max(Run.created_at)).where(Run.repository_id == repository_id)
    ).one()
    if first and last:
        days = range(time_buckets.day_of(first), time_buckets.day_of(last) + 1)
        mark(session, [(repository_id, day, WHOLE_DAY) for day in days])


def mark_over_all(session: Session) -> None:
    """All days: other repositories are monitored now."""
    days = select(Rollup.tile).where(Rollup.grain == Grain.REPO, *_at_level(time_buckets.DAY)).distinct()
    mark(session, [(ALL, time_buckets.first_hour(tile) // 24, WHOLE_DAY) for tile in session.scalars(days)])


def mark_everything(session: Session, now: datetime) -> None:
    """Makes all roll-ups again, but for those whose runs are pruned."""
    kept = kept_day(rollup_state(session, now))
    for repository_id in session.scalars(select(Repository.id)).all():
        days = select(Rollup.tile).where(
            Rollup.repository_id == repository_id, Rollup.grain == Grain.REPO, *_at_level(time_buckets.DAY)
        )
        stored = {time_buckets.first_hour(tile) // 24 for tile in session.scalars(days)}
        mark(session, [(repository_id, day, WHOLE_DAY) for day in stored if day >= kept])
        mark_repository(session, repository_id)


def note_pruned(session: Session, before: datetime, now: datetime) -> None:
    """Runs created before the start of that day are deleted: their roll-ups stay as they are."""
    state = rollup_state(session, now)
    start = start_of_day(before)
    if state.pruned_before is None or state.pruned_before < start:
        state.pruned_before = start


def waiting_marks(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(RollupMark)) or 0


def mark(session: Session, marks: Sequence[tuple[int, int, int]]) -> None:
    """Repository, day, and the hours of it as bits. The row is changed even if it is there: whoever makes its
    roll-ups now must see that something came after."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    listed = sorted(marks)
    for first in range(0, len(listed), _ROWS_AT_ONCE):
        some = listed[first : first + _ROWS_AT_ONCE]
        rows = [{"repository_id": of, "day": day, "hours": mask, "changes": 1} for of, day, mask in some]
        statement = dialect.insert(RollupMark).values(rows)
        changed = {
            "hours": RollupMark.hours.bitwise_or(statement.excluded.hours), "changes": RollupMark.changes + 1,
        }  # fmt: skip
        session.execute(statement.on_conflict_do_update(index_elements=["repository_id", "day"], set_=changed))


def rollup_state(session: Session, now: datetime) -> RollupState:
    state = session.get(RollupState, 1)
    if state is None:
        add_missing(session, RollupState, [{"id": 1, "hours_from": start_of_day(now - HOURS_KEPT)}])
        state = session.get_one(RollupState, 1)
    return state


def kept_day(state: RollupState) -> int:
    """The first day whose runs are still there."""
    return time_buckets.day_of(state.pruned_before) if state.pruned_before else 0


def start_of_day(moment: datetime) -> datetime:
    return time_buckets.start_of_day(time_buckets.day_of(moment))


def _at_level(level: int) -> tuple[Any, ...]:
    return Rollup.tile >= time_buckets.tile(level, 0), Rollup.tile < time_buckets.tile(level + 1, 0)


_Each = TypeVar("_Each")


def created_on(model: Any, days: Sequence[int]) -> Any:
    return or_(*(
        (model.created_at >= time_buckets.start_of_day(span[0])) & (model.created_at < time_buckets.start_of_day(span[-1] + 1))
        for span in spans(days)
    ))  # fmt: skip


def spans(days: Iterable[int]) -> Iterator[list[int]]:
    """Days that follow each other."""
    span: list[int] = []
    for day in sorted(days):
        if span and day != span[-1] + 1:
            yield span
            span = []
        span.append(day)
    if span:
        yield span


def portions(listed: Sequence[_Each], size: int) -> Iterator[Sequence[_Each]]:
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
