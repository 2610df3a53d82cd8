"""SQL conditions on runs for scopes and windows, and the busiest branches of a scope."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, case, cast, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.definitions.attempts import FAILED_CONCLUSIONS
from db.definitions.scope import LABEL_SEPARATOR, Scope, Window
from db.enums import Conclusion, Outcome
from db.models import Job, JobCause, Repository, Run, Workflow
from db.sql import execute

_MAX_ID = 2**63 - 1
_MONITORED = select(Repository.id).where(Repository.monitored)
_NOT_MONITORED = select(Repository.id).where(~Repository.monitored)


def in_scope(session: Session, scope: Scope, repository: Any = Run.repository_id) -> list[ColumnElement[bool]]:
    """Returns the conditions of the scope; without named repositories they include all monitored ones. Names are
    resolved to ids first: with ids the query planner can choose the index with the fewest rows and use its order.
    `repository` is the column with the id of the repository."""
    conditions = _repository_conditions(session, scope, repository)
    if scope.workflows:
        ids = execute(session, workflow_ids(scope.workflows)).scalars().unique().all()
        conditions.append(_equals_any(Run.workflow_id, ids))
    if scope.own_branches:
        conditions.append(_own_branches(session, scope))
    return [*conditions, *run_conditions(scope)]


def _own_branches(session: Session, scope: Scope) -> ColumnElement[bool]:
    """Returns the condition that excludes branches of forks with the name of the default branch. Where the scope's only
    branch is the default branch of all its repositories, an index over the runs of default branches is used."""
    if len(scope.branches) == 1:
        named = select(Repository.default_branch).where(Repository.id.in_(repository_ids(scope))).distinct().limit(2)
        if session.scalars(named).all() == [scope.branches[0]]:
            return and_(Run.on_default_branch)
    default = (
        select(Repository.default_branch).where(Repository.id == Run.repository_id).correlate(Run).scalar_subquery()
    )
    return or_(Run.on_default_branch, Run.branch.is_(None), Run.branch != default)


def run_conditions(scope: Scope) -> list[ColumnElement[bool]]:
    """Returns the conditions of the scope except those on repositories and workflows."""
    conditions = []
    for column, values in (
        (Run.branch, scope.branches),
        (Run.event, scope.events),
        (Run.actor, scope.actors),
        (Run.conclusion, scope.conclusions),
        (Run.status, scope.statuses),
        (Run.outcome, scope.outcomes),
    ):
        if values:
            conditions.append(_equals_any(column, values))
    if scope.runners:
        conditions.append(_has_job_on(scope.runners))
    if scope.classes:
        conditions += [Run.outcome == Outcome.FAILURE, _has_cause_of(scope.classes)]
    return conditions


def _has_job_on(runners: Sequence[str]) -> ColumnElement[bool]:
    """Returns the condition that a job of the run, in any attempt, has the labels of one of these runners. Copies of
    jobs, and check runs that reporters posted, ran on no runner."""
    jobs = aliased(Job)
    # Labels are stored as JSON, in the form that Python writes.
    labels = [json.dumps(runner.split(LABEL_SEPARATOR)) for runner in runners]
    of_run = (jobs.repository_id == Run.repository_id) & (jobs.run_id == Run.id)
    own = ~jobs.copied, ~jobs.phantom, func.coalesce(jobs.conclusion, "") != Conclusion.SKIPPED
    return select(jobs.id).where(of_run, _equals_any(cast(jobs.labels, Text), labels), *own).correlate(Run).exists()


def _has_cause_of(classes: Sequence[str]) -> ColumnElement[bool]:
    """Returns the condition that a failed or cancelled job of the latest attempt has a first cause of these classes."""
    jobs, causes = aliased(Job), aliased(JobCause)
    of_run = jobs.repository_id == Run.repository_id, jobs.run_id == Run.id, jobs.attempt == Run.attempt, ~jobs.phantom
    did_fail = jobs.conclusion.in_((*FAILED_CONCLUSIONS, Conclusion.CANCELLED))
    query = select(jobs.id).join(causes, is_first_cause(jobs, causes)).where(*of_run, did_fail)
    return query.where(_equals_any(causes.kind, classes)).correlate(Run).exists()


def is_first_cause(job: Any, cause: Any) -> ColumnElement[bool]:
    """Returns the condition that an alias of JobCause is the first cause of an alias of Job. A re-run of one job lists
    the other failed jobs of the earlier attempt again; such a copy has the cause of its original."""
    originals = aliased(Job)
    original = (
        select(originals.id)
        .where(originals.repository_id == job.repository_id, originals.run_id == job.run_id)
        .where(originals.attempt < job.attempt, ~originals.copied, originals.name == job.name)
        .where(originals.started_at == job.started_at, originals.completed_at == job.completed_at)
        .order_by(originals.attempt.desc())
        .limit(1)
        .correlate(job)
        .scalar_subquery()
    )
    job_id = case((job.copied, original), else_=job.id)
    return and_(cause.repository_id == job.repository_id, cause.job_id == job_id, cause.position == 0)


def _repository_conditions(session: Session, scope: Scope, column: Any) -> list[ColumnElement[bool]]:
    if scope.repos:
        return [_equals_any(column, execute(session, repository_ids(scope)).scalars().all())]
    excluded = execute(session, _NOT_MONITORED).scalars().all()
    return [column.not_in(excluded)] if excluded else []


def _equals_any(column: Any, values: Sequence[Any]) -> ColumnElement[bool]:
    """Returns an equality for a single value: only then an index over (column, created_at) returns rows in order."""
    condition: ColumnElement[bool] = column == values[0] if len(values) == 1 else column.in_(values)
    return condition


def in_window(window: Window) -> list[ColumnElement[bool]]:
    return [Run.created_at >= window.since, Run.created_at < window.until]


def in_windows(column: Any, windows: Sequence[Window]) -> ColumnElement[bool]:
    """Returns the condition that the column is in any of the windows."""
    return or_(*((column >= window.since) & (column < window.until) for window in windows))


def in_parameterized_windows(column: Any, count: int) -> ColumnElement[bool]:
    """Returns the condition of in_windows for a reusable statement, whose values are window_parameters."""
    bounds: list[tuple[Any, Any]] = [
        (bindparam(f"since_{index}"), bindparam(f"until_{index}")) for index in range(count)
    ]
    return or_(*((column >= since) & (column < until) for since, until in bounds))


def window_parameters(windows: Sequence[Window]) -> dict[str, datetime]:
    parameters = {}
    for index, window in enumerate(windows):
        parameters[f"since_{index}"], parameters[f"until_{index}"] = window.since, window.until
    return parameters


def repository_ids(scope: Scope) -> Select[Any]:
    return select(Repository.id).where(Repository.full_name.in_(scope.repos)) if scope.repos else _MONITORED


def workflow_ids(names: tuple[str, ...]) -> Select[Any]:
    numbers = [int(value) for value in names if value.isascii() and value.isdigit() and len(value) < 20]
    numbers = [number for number in numbers if number <= _MAX_ID]
    return select(Workflow.id).where(or_(Workflow.name.in_(names), Workflow.id.in_(numbers)))


# Runs whose branches are counted.
_MAX_RUNS = 20_000


@dataclass(frozen=True)
class Branch:
    """A branch of a scope. `default`: it is the default branch of one of its repositories."""

    name: str
    default: bool


def busiest_branches(session: Session, scope: Scope, window: Window, limit: int) -> list[Branch]:
    """Returns at most `limit` branches by their number of runs among the newest 20,000 runs. The most common default
    branch comes first, even without runs, unless the scope excludes it."""
    where = [*in_scope(session, scope), *in_window(window), Run.branch.is_not(None)]
    newest = select(Run.branch).where(*where).order_by(Run.created_at.desc()).limit(_MAX_RUNS).subquery()
    runs = func.count().desc()
    busiest = select(newest.c.branch).group_by(newest.c.branch).order_by(runs, newest.c.branch).limit(limit)
    names = list(session.scalars(busiest))
    default_branches = (
        select(Repository.default_branch)
        .where(Repository.id.in_(repository_ids(scope)))
        .group_by(Repository.default_branch)
        .order_by(runs, Repository.default_branch)
    )
    defaults = list(session.scalars(default_branches))
    first = [name for name in defaults[:1] if not scope.branches or name in scope.branches]
    listed = first + [name for name in names if name not in first]
    return [Branch(name, name in defaults) for name in listed[:limit]]
