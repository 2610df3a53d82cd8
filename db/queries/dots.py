"""Runs as points of a picture."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Run
from db.queries.filters import in_scope, in_window
from db.queries.runs import titled


@dataclass(frozen=True)
class Dot:
    """A run as a point in a picture."""

    run_id: int
    created_at: datetime
    duration_seconds: float | None
    queue_seconds: float | None
    outcome: str
    branch: str | None
    title: str
    sha: str
    attempt: int
    run_number: int
    actor: str | None
    flaky: bool
    workflow_name: str
    commit_message: str | None

    @property
    def headline(self) -> str:
        """As RunRow.headline."""
        return titled(self.title, self.workflow_name, self.commit_message)


_COLUMNS: list[Any] = [
    getattr(Run, {"run_id": "id", "sha": "head_sha"}.get(name, name)) for name in Dot.__dataclass_fields__
]


def newest_dots(session: Session, scope: Scope, window: Window, limit: int) -> list[Dot]:
    """Newest first."""
    query = select(*_COLUMNS).where(*in_scope(session, scope), *in_window(window))
    rows = session.connection().execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit))
    return [Dot(*row) for row in rows]
