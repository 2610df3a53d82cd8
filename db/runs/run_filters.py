"""A scope and a window as SQL conditions on runs.

Which branches of a scope are worth a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.models import Repository, Run, Workflow
from db.sql import execute

_MAX_ID = 2**63 - 1
_MONITORED = select(Repository.id).where(Repository.monitored)
_NOT_MONITORED = select(Repository.id).where(~Repository.monitored)


def in_scope(session: Session, scope: Scope, repository: Any = Run.repository_id) -> list[ColumnElement[bool]]:
    """Without a named repository: those that are monitored now. Names are looked up first: with plain ids in their
    place databases see which index finds the fewest rows, and in which order it gives them. `repository` is the column
    that names the repository."""
    found = _repository_conditions(session, scope, repository)
    if scope.workflows:
        found.append(
            _equals_any(Run.workflow_id, execute(session, workflow_ids(scope.workflows)).scalars().unique().all())
        )
    if scope.own_branches:
        found.append(_own_branches(session, scope))
    return [*found, *run_conditions(scope)]


def _own_branches(session: Session, scope: Scope) -> ColumnElement[bool]:
    """Without namesakes of default branches. Where the scope's only branch is the default branch of all its
    repositories, an index over the runs of default branches answers."""
    if len(scope.branches) == 1:
        named = select(Repository.default_branch).where(Repository.id.in_(repository_ids(scope))).distinct().limit(2)
        if session.scalars(named).all() == [scope.branches[0]]:
            return and_(Run.on_default_branch)
    default = (
        select(Repository.default_branch).where(Repository.id == Run.repository_id).correlate(Run).scalar_subquery()
    )
    return or_(Run.on_default_branch, Run.branch.is_(None), Run.branch != default)


def run_conditions(scope: Scope) -> list[ColumnElement[bool]]:
    """What the scope says beside repositories and workflows."""
    found = []
    for column, values in (
        (Run.branch, scope.branches),
        (Run.event, scope.events),
        (Run.actor, scope.actors),
        (Run.conclusion, scope.conclusions),
        (Run.status, scope.statuses),
    ):
        if values:
            found.append(_equals_any(column, values))
    return found


def _repository_conditions(session: Session, scope: Scope, column: Any) -> list[ColumnElement[bool]]:
    if scope.repos:
        return [_equals_any(column, execute(session, repository_ids(scope)).scalars().all())]
    left_out = execute(session, _NOT_MONITORED).scalars().all()
    return [column.not_in(left_out)] if left_out else []


def _equals_any(column: Any, values: Sequence[Any]) -> ColumnElement[bool]:
    """An equation where it can be one: only then an index over (column, created_at) gives the rows in their order."""
    found: ColumnElement[bool] = column == values[0] if len(values) == 1 else column.in_(values)
    return found


def in_window(window: Window) -> list[ColumnElement[bool]]:
    return [Run.created_at >= window.since, Run.created_at < window.until]


def in_windows(column: Any, windows: Sequence[Window]) -> ColumnElement[bool]:
    """In any of them."""
    return or_(*((column >= each.since) & (column < each.until) for each in windows))


def in_parameterized_windows(column: Any, count: int) -> ColumnElement[bool]:
    """As in_windows, for a statement that is built once: the windows are given as window_parameters."""
    bounds: list[tuple[Any, Any]] = [
        (bindparam(f"since_{place}"), bindparam(f"until_{place}")) for place in range(count)
    ]
    return or_(*((column >= since) & (column < until) for since, until in bounds))


def window_parameters(windows: Sequence[Window]) -> dict[str, datetime]:
    named = ((place, each) for place, each in enumerate(windows))
    return {name: at for k, w in named for name, at in ((f"since_{k}", w.since), (f"until_{k}", w.until))}


def repository_ids(scope: Scope) -> Select[Any]:
    return select(Repository.id).where(Repository.full_name.in_(scope.repos)) if scope.repos else _MONITORED


def workflow_ids(names: tuple[str, ...]) -> Select[Any]:
    numbers = [int(value) for value in names if value.isascii() and value.isdigit() and int(value) <= _MAX_ID]
    return select(Workflow.id).where(or_(Workflow.name.in_(names), Workflow.id.in_(numbers)))


# Runs whose branches are counted.
_MAX_RUNS = 20_000


@dataclass(frozen=True)
class Branch:
    """`default`: it is the default branch of a repository of the scope."""

    name: str
    default: bool


def busiest_branches(session: Session, scope: Scope, window: Window, limit: int) -> list[Branch]:
    """At most `limit`, by their runs among the newest 20,000; the commonest default branch first, whether it has any or
    not, unless the scope leaves it out."""
    where = [*in_scope(session, scope), *in_window(window), Run.branch.is_not(None)]
    newest = select(Run.branch).where(*where).order_by(Run.created_at.desc()).limit(_MAX_RUNS).subquery()
    runs = func.count().desc()
    busiest = select(newest.c.branch).group_by(newest.c.branch).order_by(runs, newest.c.branch).limit(limit)
    names = list(session.scalars(busiest))
    defaults = list(session.scalars(
        select(Repository.default_branch).where(Repository.id.in_(repository_ids(scope)))
        .group_by(Repository.default_branch).order_by(runs, Repository.default_branch)
    ))  # fmt: skip
    first = [name for name in defaults[:1] if not scope.branches or name in scope.branches]
    listed = first + [name for name in names if name not in first]
    return [Branch(name, name in defaults) for name in listed[:limit]]
