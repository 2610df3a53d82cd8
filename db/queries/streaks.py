"""Which workflows are broken on their default branch now, since which commit."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, or_, select
from sqlalchemy.orm import Session

from db.metrics.outcome import DECIDED
from db.metrics.scope import Scope
from db.models import Repository, Run, Workflow
from db.queries.activity import is_active
from db.queries.filters import in_scope
from db.queries.runs import RunRow, select_runs
from db.vocabulary import Outcome

LOOK_BACK = timedelta(days=90)
# Broken workflows a question.
_AT_ONCE = 100


@dataclass(frozen=True)
class Streak:
    """Failed decided runs in a row up to now. `runs` is ascending, `since` the end of the first of them."""

    repository_id: int
    workflow_id: int
    repo: str
    workflow: str
    branch: str
    since: datetime
    runs: list[RunRow]

    @property
    def length(self) -> int:
        return len(self.runs)

    @property
    def first_bad(self) -> RunRow:
        return self.runs[0]


def failing_streaks(session: Session, scope: Scope, now: datetime) -> list[Streak]:
    """Active workflows whose last decided run on the default branch failed: most failures in a row first, then the
    longest broken."""
    where = [*in_scope(session, scope.whole_sequence()), Run.on_default_branch, Run.created_at >= now - LOOK_BACK]
    query = select_runs(Run.repository_id, Repository.default_branch).order_by(Run.created_at, Run.id)
    grouped: dict[tuple[int, int, str], list[RunRow]] = defaultdict(list)
    broken = _broken(session, where)
    for first in range(0, len(broken), _AT_ONCE):
        since = or_(*broken[first : first + _AT_ONCE])
        for row in session.execute(query.where(*where, Run.outcome == Outcome.FAILURE, since)):
            run = RunRow(*row[:-2])
            grouped[row[-2], run.workflow_id, row[-1]].append(run)
    found = [_streak(*key, runs) for key, runs in grouped.items()]
    return sorted(found, key=lambda streak: (-streak.length, streak.since))


def _broken(session: Session, where: Sequence[Any]) -> list[ColumnElement[bool]]:
    """Conditions, one a broken workflow, for its runs since the last success. An index leads to the last run of each
    workflow, so that it does not matter how many there are."""

    def last(column: Any, *outcomes: Outcome) -> ScalarSelect[Any]:
        ours = Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id
        query = select(column).where(*ours, *where, Run.outcome.in_(outcomes)).correlate(Workflow)
        return query.order_by(Run.created_at.desc(), Run.id.desc()).limit(1).scalar_subquery()

    passed, passed_id = last(Run.created_at, Outcome.SUCCESS), last(Run.id, Outcome.SUCCESS)
    query = select(Workflow.repository_id, Workflow.id, passed, passed_id)
    query = query.where(is_active(), last(Run.outcome, *DECIDED) == Outcome.FAILURE)
    return [
        and_(Run.repository_id == row[0], Run.workflow_id == row[1], *([_after(row[2], row[3])] if row[2] else []))
        for row in session.execute(query)
    ]


def _after(moment: datetime, run_id: int) -> ColumnElement[bool]:
    """Two runs can begin in one second. An index finds the first condition."""
    return and_(Run.created_at >= moment, or_(Run.created_at > moment, Run.id > run_id))


def _streak(repository_id: int, workflow_id: int, branch: str, runs: list[RunRow]) -> Streak:
    first = runs[0]
    return Streak(
        repository_id, workflow_id, first.repo, runs[-1].workflow, branch, first.completed_at or first.created_at, runs
    )
