"""Counts failed runs by what is known of their failure causes: infrastructure failures, and runs without a cause.

The latest attempt of a run decides. A re-run of one job lists other failed jobs of the earlier attempt again; such a
copy has the cause of its original."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.definitions.scope import Scope, Window
from db.definitions.time_buckets import SECONDS_PER_HOUR
from db.enums import Conclusion, GroupBy, Interval, Outcome
from db.logs.outdated_causes import has_unextracted_logs
from db.models import Job, JobCause, Run
from db.runs.run_filters import in_scope, in_window, is_first_cause
from db.sql import epoch_seconds, execute
from health.metrics.definitions.failure_counts import INFRASTRUCTURE, NOT_COUNTED, FailureCounts
from health.metrics.queries.grouping import COLUMNS, REST, BucketStarts, Key, key_from_columns
from health.metrics.queries.plan import rollup_state

# Columns of all groups, so that one statement serves the total, the series and the groups of a window.
_COLUMNS = tuple(dict.fromkeys(name for names in COLUMNS.values() for name in names))
_JOB, _CAUSE = aliased(Job), aliased(JobCause)
_FAILED, _CANCELLED = _JOB.conclusion.in_(FAILED_CONCLUSIONS), _JOB.conclusion == Conclusion.CANCELLED


@dataclass(frozen=True)
class InfrastructureFailures:
    """The failed runs of a scope and window that have a failure cause: created_at in seconds since 1970, and the
    columns of groups. `rows` are the infrastructure failures, `others` the other ones; null if they were not
    requested. Runs that were created before `stored_since` are deleted; null: none is. `extracted` false: causes of
    stored logs are not extracted yet, so nothing is counted."""

    rows: Sequence[Any]
    window: Window
    stored_since: datetime | None
    others: Sequence[Any] | None = None
    extracted: bool = True

    def total(self) -> FailureCounts:
        if not self.is_stored(self.window.since):
            return NOT_COUNTED
        return FailureCounts(len(self.rows), None if self.others is None else len(self.rows) + len(self.others))

    def is_stored(self, since: datetime) -> bool:
        """True where the causes are extracted, and no run of the window that was created from `since` on is deleted."""
        return self.extracted and (self.stored_since is None or since >= self.stored_since)


@dataclass(frozen=True)
class PeriodFailures:
    """The infrastructure failures of a window and of its previous period."""

    current: InfrastructureFailures
    previous: InfrastructureFailures


def counts_by_key(
    failures: InfrastructureFailures | None,
    by: GroupBy | None = None,
    interval: Interval | None = None,
    *,
    selected: Collection[Any] | None = None,
) -> Callable[[Key], FailureCounts]:
    """Returns a function from keys of groups and buckets to their counts. `selected`: the groups to keep apart, all
    others are REST."""
    if failures is None:
        return lambda _: NOT_COUNTED
    window, starts = failures.window, BucketStarts(interval)

    def by_key(rows: Sequence[Any]) -> Counter[Key]:
        numbers = Counter[Key]()
        hours = [int(row[0]) // SECONDS_PER_HOUR if interval else 0 for row in rows]
        columns = [[row[_COLUMNS.index(name) + 1] for row in rows] for name in COLUMNS[by]]
        # Equal keys are counted first: there may be thousands of rows.
        for (hour, *values), number in Counter(zip(hours, *columns, strict=True)).items():
            key = key_from_columns(values)
            numbers[key if selected is None or key in selected else REST, starts.of_hour(hour)] += number
        return numbers

    numbers = by_key(failures.rows)
    others = None if failures.others is None else by_key(failures.others)

    def counts(key: Key) -> FailureCounts:
        if not failures.is_stored(max(key[1] or window.since, window.since)):
            return NOT_COUNTED
        return FailureCounts(numbers[key], None if others is None else numbers[key] + others[key])

    return counts


def read_failures(session: Session, scope: Scope, window: Window, *, others: bool = True) -> InfrastructureFailures:
    """Reads the failed runs of a scope and window that have a cause. `others` false saves reading those that are no
    infrastructure failures: they are known only if there is none at all."""
    state = rollup_state(session)
    stored_since = state.pruned_before if state else None
    if has_unextracted_logs(session, window.since):
        return InfrastructureFailures((), window, stored_since, None, extracted=False)
    columns = epoch_seconds(Run.created_at), *(getattr(Run, name) for name in _COLUMNS)
    if not others:
        rows = execute(session, _infrastructure_failures(columns, scope, window, session)).all()
        is_empty = not rows and not _has_cause(session, scope, window)
        return InfrastructureFailures(rows, window, stored_since, () if is_empty else None)
    classified: dict[bool, list[Any]] = {True: [], False: []}
    query = select(*columns, _causes_of_failed_jobs()).where(*_of_failed_runs(session, scope, window))
    for row in execute(session, query):
        if row[-1] not in (None, _NO_CAUSE):
            classified[row[-1] == _INFRASTRUCTURE_ALONE].append(row)
    return InfrastructureFailures(classified[True], window, stored_since, classified[False])


def read_period_failures(session: Session, scope: Scope, window: Window) -> PeriodFailures:
    """As read_failures, of a window and of its previous period."""
    return PeriodFailures(read_failures(session, scope, window), read_failures(session, scope, window.before()))


def failures_without_cause(session: Session, scope: Scope, window: Window) -> int | None:
    """The number of stored failed runs of a scope and window in which no failed job has a cause; null while causes of
    stored logs are not extracted yet."""
    if has_unextracted_logs(session, window.since):
        return None
    without = func.coalesce(_causes_of_failed_jobs(), _NO_CAUSE) == _NO_CAUSE
    query = select(func.count()).select_from(Run).where(*_of_failed_runs(session, scope, window), without)
    return int(execute(session, query).scalar_one())


def _of_failed_runs(session: Session, scope: Scope, window: Window) -> tuple[ColumnElement[bool], ...]:
    # By conclusion as well: an index has it, but not the outcome.
    failed = Run.outcome == Outcome.FAILURE, Run.conclusion.in_(FAILED_CONCLUSIONS)
    return *in_scope(session, scope), *in_window(window), *failed


def _infrastructure_failures(columns: Sequence[Any], scope: Scope, window: Window, session: Session) -> Select[Any]:
    """Few causes have the class, and an index finds them: other runs are not read."""
    candidates = (
        select(JobCause.repository_id, JobCause.run_id)
        .where(JobCause.kind == INFRASTRUCTURE, JobCause.position == 0)
        .where(JobCause.created_at >= window.since, JobCause.created_at < window.until)
        .distinct()
        .subquery()
    )
    of_run = and_(Run.repository_id == candidates.c.repository_id, Run.id == candidates.c.run_id)
    where = *in_scope(session, scope), *in_window(window), Run.outcome == Outcome.FAILURE
    alone = _causes_of_failed_jobs() == _INFRASTRUCTURE_ALONE
    return select(*columns).select_from(candidates.join(Run, of_run)).where(*where, alone)


def _has_cause(session: Session, scope: Scope, window: Window) -> bool:
    """Whether a failed run of the scope and window has a cause; stops at the first one."""
    known = _causes_of_failed_jobs() != _NO_CAUSE
    query = select(Run.id).where(*_of_failed_runs(session, scope, window), known).limit(1)
    return execute(session, query).first() is not None


# Of the failed jobs of a run, 3 × the greatest and the least of these: 0 infrastructure, 1 no cause, 2 another class.
_INFRASTRUCTURE_ALONE, _NO_CAUSE = 0, 3 * 1 + 1


@cache
def _causes_of_failed_jobs() -> ColumnElement[int]:
    """Returns the number that describes the causes of the failed jobs of a run; null without such jobs. It is evaluated
    for each run, whose jobs an index finds: with a join, PostgreSQL could read all jobs."""
    code = case((_CAUSE.kind == INFRASTRUCTURE, 0), (_CAUSE.kind.is_(None), 1), else_=2)

    def of(jobs: ColumnElement[bool]) -> ColumnElement[int]:
        return 3 * func.max(case((jobs, code))) + func.min(case((jobs, code)))

    # Without a failed job the cancelled ones decide.
    query = select(func.coalesce(of(_FAILED), of(_CANCELLED)))
    of_run = _of_latest_attempt(query.select_from(_JOB).outerjoin(_CAUSE, is_first_cause(_JOB, _CAUSE)))
    return of_run.correlate(Run).scalar_subquery()


def _of_latest_attempt(query: Select[Any]) -> Select[Any]:
    return query.where(
        _JOB.repository_id == Run.repository_id,
        _JOB.run_id == Run.id,
        _JOB.attempt == Run.attempt,
        ~_JOB.phantom,
        or_(_FAILED, _CANCELLED),
    )
