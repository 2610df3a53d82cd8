"""A scope and a window as SQL conditions on runs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Repository, Run, Workflow

_BIGGEST_ID = 2**63 - 1


def in_scope(scope: Scope) -> list[ColumnElement[bool]]:
    """Without a named repository: those that are monitored now."""
    found: list[ColumnElement[bool]] = [Run.repository_id.in_(repository_ids(scope))]
    if scope.workflows:
        found.append(Run.workflow_id.in_(workflow_ids(scope.workflows)))
    for column, values in (
        (Run.branch, scope.branches),
        (Run.event, scope.events),
        (Run.actor, scope.actors),
        (Run.conclusion, scope.conclusions),
        (Run.status, scope.statuses),
    ):
        if values:
            found.append(column.in_(values))
    return found


def in_window(window: Window) -> list[ColumnElement[bool]]:
    return [Run.created_at >= window.since, Run.created_at < window.until]


def in_windows(column: Any, windows: Sequence[Window]) -> ColumnElement[bool]:
    """In any of them."""
    return or_(*((column >= each.since) & (column < each.until) for each in windows))


def repository_ids(scope: Scope) -> Select[Any]:
    query = select(Repository.id)
    return query.where(Repository.full_name.in_(scope.repos)) if scope.repos else query.where(Repository.monitored)


def workflow_ids(named: tuple[str, ...]) -> Select[Any]:
    numbers = [int(value) for value in named if value.isascii() and value.isdigit() and int(value) <= _BIGGEST_ID]
    return select(Workflow.id).where(or_(Workflow.name.in_(named), Workflow.id.in_(numbers)))
