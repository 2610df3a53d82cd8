"""Which workflows are broken on their default branch now, since which commit."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.models import Repository, Run
from db.queries.filters import in_scope
from db.queries.runs import RunRow, select_runs
from db.vocabulary import Outcome

LOOK_BACK = timedelta(days=90)


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
    """Workflows whose last decided run on the default branch failed: most failures in a row first, then the
    longest broken."""
    where = [*in_scope(scope.whole_sequence()), Run.on_default_branch, Run.created_at >= now - LOOK_BACK]
    key = (Run.repository_id, Run.workflow_id)
    success = (
        select(*key, func.max(Run.created_at).label("at"))
        .where(*where, Run.outcome == Outcome.SUCCESS)
        .group_by(*key)
        .subquery()
    )
    same = and_(success.c.repository_id == Run.repository_id, success.c.workflow_id == Run.workflow_id)
    query = (
        select_runs(Run.repository_id, Repository.default_branch)
        .join(success, same, isouter=True)
        .where(*where, Run.outcome == Outcome.FAILURE)
        .where(success.c.at.is_(None) | (Run.created_at > success.c.at))
        .order_by(Run.created_at, Run.id)
    )
    grouped: dict[tuple[int, int, str], list[RunRow]] = defaultdict(list)
    for row in session.execute(query):
        run = RunRow(*row[:-2])
        grouped[row[-2], run.workflow_id, row[-1]].append(run)
    found = [_streak(*key, runs) for key, runs in grouped.items()]
    return sorted(found, key=lambda streak: (-streak.length, streak.since))


def _streak(repository_id: int, workflow_id: int, branch: str, runs: list[RunRow]) -> Streak:
    first = runs[0]
    return Streak(
        repository_id, workflow_id, first.repo, runs[-1].workflow, branch, first.completed_at or first.created_at, runs
    )
