"""The last runs of each workflow of a table."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, func, select, true, type_coerce
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Run, Workflow
from db.queries.filters import in_scope, in_window
from db.queries.reading import read
from db.types import BigId, stored_moment


@dataclass(frozen=True)
class Recent:
    """The last runs of a workflow, oldest first: ids and outcomes."""

    runs: list[tuple[int, str]]
    last_at: datetime


def recent_outcomes(
    session: Session, scope: Scope, window: Window, keys: Collection[tuple[int, int]], *, limit: int = 20
) -> dict[tuple[int, int], Recent]:
    """Of the workflows (repository id, workflow id) that have runs. An index leads to the last runs of each, so that
    the window may hold any number of them."""
    where = [*in_scope(session, scope), *in_window(window)]
    if session.get_bind().dialect.name == "postgresql":
        return _recent_by_lateral(session, where, keys, limit)
    return _recent_by_json(session, where, keys, limit)


def _recent_by_lateral(
    session: Session, where: Sequence[Any], keys: Collection[tuple[int, int]], limit: int
) -> dict[tuple[int, int], Recent]:
    newest: dict[tuple[int, int], list[Any]] = {}
    latest = _latest(where, Workflow.repository_id, Workflow.id, limit).lateral()
    query = select(Workflow.repository_id, Workflow.id, latest).select_from(Workflow).join(latest, true())
    for row in read(session, query.where(Workflow.repository_id.in_({key[0] for key in keys}))):
        newest.setdefault((row[0], row[1]), []).append(row)
    return {key: Recent([(row[3], row[4]) for row in reversed(listed)], listed[0][2]) for key, listed in newest.items()}


def _recent_by_json(
    session: Session, where: Sequence[Any], keys: Collection[tuple[int, int]], limit: int
) -> dict[tuple[int, int], Recent]:
    """One statement that gives a JSON array a workflow: SQLite has no lateral join, and one statement a workflow takes
    most of the time of the whole table."""
    asked = func.json_each(json.dumps(list(keys))).table_valued("value")
    repository_id, workflow_id = (func.json_extract(asked.c.value, f"$[{place}]", type_=BigId) for place in (0, 1))
    latest = _latest(where, repository_id, workflow_id, limit).correlate(asked).subquery().c
    # Times as they are stored, which has them in the order of time.
    packed = func.json_array(type_coerce(latest.created_at, Text), latest.id, latest.outcome)
    runs = select(func.json_group_array(packed)).correlate(asked).scalar_subquery()
    found = {}
    for repository, workflow, text in read(session, select(repository_id, workflow_id, runs)):
        # SQLite does not promise that a group keeps the order of its rows.
        listed = sorted(json.loads(text))
        if listed:
            found[repository, workflow] = Recent([(each[1], each[2]) for each in listed], stored_moment(listed[-1][0]))
    return found


def _latest(where: Sequence[Any], repository_id: Any, workflow_id: Any, limit: int) -> Select[Any]:
    """When they were created, their ids and outcomes."""
    columns: list[Any] = [Run.created_at, Run.id, Run.outcome]
    return (
        select(*columns)
        .where(Run.repository_id == repository_id, Run.workflow_id == workflow_id, *where)
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(limit)
    )
