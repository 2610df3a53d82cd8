"""Counts failed runs by what is known of their failure causes: infrastructure failures, and runs without a cause.

The latest attempt of a run decides. A re-run of one job lists other failed jobs of the earlier attempt again; such a
copy has the cause of its original."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.definitions.scope import Scope, Window
from db.definitions.time_buckets import SECONDS_PER_HOUR
from db.enums import Conclusion, GroupBy, Interval, Outcome
from db.models import Job, JobCause, Run
from db.runs.run_filters import in_scope, in_window
from db.sql import epoch_seconds, execute
from health.metrics.definitions.failure_counts import INFRASTRUCTURE, NOT_COUNTED, FailureCounts
from health.metrics.queries.grouping import COLUMNS, REST, BucketStarts, Key, key_from_columns
from health.metrics.queries.plan import rollup_state

# Columns of all groups, so that one statement serves the total, the series and the groups of a window.
_COLUMNS = tuple(dict.fromkeys(name for names in COLUMNS.values() for name in names))
_JOB, _ORIGINAL, _CAUSE = aliased(Job), aliased(Job), aliased(JobCause)
_FAILED, _CANCELLED = _JOB.conclusion.in_(FAILED_CONCLUSIONS), _JOB.conclusion == Conclusion.CANCELLED


@dataclass(frozen=True)
class InfrastructureFailures:
    """The infrastructure failures of a scope and window: created_at in seconds since 1970, and the columns of groups.
    Runs that were created before `stored_since` are deleted; null: none is. `without_cause` as in FailureCounts."""

    rows: Sequence[Any]
    window: Window
    stored_since: datetime | None
    without_cause: int | None = None

    def total(self) -> FailureCounts:
        number = len(self.rows) if self.is_stored(self.window.since) else None
        return FailureCounts(number, self.without_cause)

    def is_stored(self, since: datetime) -> bool:
        """True where no run of the window that was created from `since` on is deleted."""
        return self.stored_since is None or since >= self.stored_since


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
    """Returns a function from keys of groups and buckets to their counts, without `without_cause`. `selected`: the
    groups to keep apart, all others are REST."""
    if failures is None:
        return lambda _: NOT_COUNTED
    window, numbers, starts = failures.window, Counter[Key](), BucketStarts(interval)
    hours = [int(row[0]) // SECONDS_PER_HOUR if interval else 0 for row in failures.rows]
    columns = [[row[_COLUMNS.index(name) + 1] for row in failures.rows] for name in COLUMNS[by]]
    # Equal keys are counted first: there may be thousands of rows.
    for (hour, *values), number in Counter(zip(hours, *columns, strict=True)).items():
        key = key_from_columns(values)
        numbers[key if selected is None or key in selected else REST, starts.of_hour(hour)] += number

    def counts(key: Key) -> FailureCounts:
        since = max(key[1] or window.since, window.since)
        return FailureCounts(numbers[key]) if failures.is_stored(since) else NOT_COUNTED

    return counts


def read_failures(
    session: Session, scope: Scope, window: Window, *, without_cause: bool = True
) -> InfrastructureFailures:
    """Reads the infrastructure failures of a scope and window. `without_cause` false saves the statement that counts
    failed runs without a cause."""
    state = rollup_state(session)
    stored_since = state.pruned_before if state else None
    # Few causes have the class, and an index finds them: other runs are not read.
    candidates = (
        select(JobCause.repository_id, JobCause.run_id)
        .where(JobCause.kind == INFRASTRUCTURE, JobCause.position == 0)
        .where(JobCause.created_at >= window.since, JobCause.created_at < window.until)
        .distinct()
        .subquery()
    )
    of_run = and_(Run.repository_id == candidates.c.repository_id, Run.id == candidates.c.run_id)
    where = *in_scope(session, scope), *in_window(window), Run.outcome == Outcome.FAILURE
    query = (
        select(epoch_seconds(Run.created_at), *(getattr(Run, name) for name in _COLUMNS))
        .select_from(candidates.join(Run, of_run))
        .where(*where, _has_only_infrastructure_causes())
    )
    failures = InfrastructureFailures(execute(session, query).all(), window, stored_since)
    return with_number_without_cause(session, scope, failures) if without_cause else failures


def with_number_without_cause(
    session: Session, scope: Scope, failures: InfrastructureFailures
) -> InfrastructureFailures:
    """Returns the failures of a scope with `without_cause`, which reads all failed runs of the window."""
    if not failures.is_stored(failures.window.since):
        return failures
    # By conclusion as well: an index has it, but not the outcome.
    failed = Run.outcome == Outcome.FAILURE, Run.conclusion.in_(FAILED_CONCLUSIONS), ~_jobs_with_cause().exists()
    where = *in_scope(session, scope), *in_window(failures.window), *failed
    query = select(func.count()).select_from(Run).where(*where)
    return replace(failures, without_cause=int(execute(session, query).scalar_one()))


def read_period_failures(session: Session, scope: Scope, window: Window) -> PeriodFailures:
    """As read_failures, of a window and of its previous period, which has no `without_cause`."""
    before = read_failures(session, scope, window.before(), without_cause=False)
    return PeriodFailures(read_failures(session, scope, window), before)


@cache
def _has_only_infrastructure_causes() -> ColumnElement[bool]:
    """Returns the condition on a run. It is evaluated for each run, whose jobs an index finds: with a join, PostgreSQL
    could read all jobs."""
    other = case((_CAUSE.kind == INFRASTRUCTURE, 0), else_=1)
    # Without a failed job the cancelled ones decide.
    worst = func.coalesce(func.max(case((_FAILED, other))), func.max(case((_CANCELLED, other))))
    of_run = _of_latest_attempt(select(worst).select_from(_JOB).outerjoin(_CAUSE, _is_cause_of_job()))
    return of_run.correlate(Run).scalar_subquery() == 0


@cache
def _jobs_with_cause() -> Select[Any]:
    query = select(_JOB.id).select_from(_JOB).join(_CAUSE, _is_cause_of_job())
    return _of_latest_attempt(query).correlate(Run)


def _of_latest_attempt(query: Select[Any]) -> Select[Any]:
    return query.where(
        _JOB.repository_id == Run.repository_id,
        _JOB.run_id == Run.id,
        _JOB.attempt == Run.attempt,
        ~_JOB.phantom,
        or_(_FAILED, _CANCELLED),
    )


def _is_cause_of_job() -> ColumnElement[bool]:
    original = (
        select(_ORIGINAL.id)
        .where(_ORIGINAL.repository_id == _JOB.repository_id, _ORIGINAL.run_id == _JOB.run_id)
        .where(_ORIGINAL.attempt < _JOB.attempt, ~_ORIGINAL.copied, _ORIGINAL.name == _JOB.name)
        .where(_ORIGINAL.started_at == _JOB.started_at, _ORIGINAL.completed_at == _JOB.completed_at)
        .order_by(_ORIGINAL.attempt.desc())
        .limit(1)
        .correlate(_JOB)
        .scalar_subquery()
    )
    job_id = case((_JOB.copied, original), else_=_JOB.id)
    return and_(_CAUSE.repository_id == _JOB.repository_id, _CAUSE.job_id == job_id, _CAUSE.position == 0)
