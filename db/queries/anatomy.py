"""Reading jobs of many runs: always of the newest so many, so that it costs the same at any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from db.metrics.anatomy import JobFact
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Job, Run
from db.queries.filters import in_scope, in_window
from db.queries.runs import RunRow, select_runs
from db.vocabulary import Outcome

_DECIDED = (Outcome.SUCCESS, Outcome.FAILURE)


@dataclass(frozen=True)
class Dot:
    """A run as a point."""

    run_id: int
    created_at: datetime
    duration_seconds: float | None
    outcome: str
    branch: str | None
    on_default_branch: bool
    title: str
    attempt: int


def list_dots(session: Session, scope: Scope, window: Window, *, limit: int) -> list[Dot]:
    """Completed runs, newest first."""
    columns: list[Any] = [
        Run.id, Run.created_at, Run.duration_seconds, Run.outcome, Run.branch, Run.on_default_branch, Run.title,
        Run.attempt,
    ]  # fmt: skip
    query = select(*columns).where(
        *in_scope(session, scope), *in_window(window), Run.outcome != Outcome.IN_PROGRESS,
        Run.duration_seconds.is_not(None),
    )  # fmt: skip
    query = query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)
    return [Dot(*row) for row in session.execute(query)]


def list_job_facts(session: Session, scope: Scope, window: Window, *, runs: int) -> list[JobFact]:
    """Own jobs of the latest attempts of the newest decided runs."""
    columns = [getattr(Job, name) for name in JobFact.__dataclass_fields__]
    return [JobFact(*row) for row in session.execute(_jobs(session, scope, window, runs, columns))]


def list_steps(session: Session, scope: Scope, window: Window, *, runs: int) -> list[tuple[str, Any]]:
    """A job's name and a step, for all of them."""
    rows = session.execute(_jobs(session, scope, window, runs, [Job.name, Job.steps]))
    return [(name, step) for name, steps in rows for step in steps]


def _jobs(session: Session, scope: Scope, window: Window, runs: int, columns: Sequence[Any]) -> Select[Any]:
    newest = (
        select(Run.repository_id, Run.id, Run.attempt)
        .where(*in_scope(session, scope), *in_window(window), Run.outcome.in_(_DECIDED))
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(runs)
        .subquery()
    )
    own = and_(
        Job.repository_id == newest.c.repository_id, Job.run_id == newest.c.id, Job.attempt == newest.c.attempt,
        ~Job.copied, ~Job.phantom,
    )  # fmt: skip
    return select(*columns).select_from(newest).join(Job, own)


def find_last_green(session: Session, run: RunRow) -> RunRow | None:
    """The newest success of the same workflow and branch before the run; of the default branch where the branch has
    none."""
    owner = select(Run.repository_id).where(Run.id == run.id).limit(1).scalar_subquery()
    earlier = select_runs().where(
        Run.repository_id == owner, Run.workflow_id == run.workflow_id, Run.outcome == Outcome.SUCCESS,
        Run.created_at < run.created_at,
    )  # fmt: skip
    earlier = earlier.order_by(Run.created_at.desc(), Run.id.desc()).limit(1)
    for where in (Run.branch == run.branch, Run.on_default_branch):
        row = session.execute(earlier.where(where)).first()
        if row:
            return RunRow(*row)
    return None


def list_between(session: Session, first: RunRow, last: RunRow, *, limit: int) -> list[RunRow]:
    """Runs of the workflow and branch of `first` after it, up to `last` and with it, newest first."""
    owner = select(Run.repository_id).where(Run.id == last.id).limit(1).scalar_subquery()
    query = select_runs().where(
        Run.repository_id == owner, Run.workflow_id == last.workflow_id, Run.branch == last.branch,
        Run.created_at > first.created_at, Run.created_at <= last.created_at,
    )  # fmt: skip
    query = query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)
    return [RunRow(*row) for row in session.execute(query)]
