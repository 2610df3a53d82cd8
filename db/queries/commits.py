"""Commits all of whose runs passed."""

from datetime import timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.metrics.formulas import Passed
from db.metrics.outcome import DECIDED
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Run
from db.queries.filters import in_scope, in_window
from db.queries.plan import rollup_state
from db.queries.reading import read
from db.vocabulary import Outcome

# No roll-up can tell the commits of several days apart, and the rows of longer windows are too many to read each time.
LONGEST = timedelta(days=35)
_BY_COMMIT = (
    select(func.max(case((Run.outcome == Outcome.FAILURE, 1), else_=0)).label("failed"))
    .where(Run.outcome.in_(DECIDED), Run.head_sha != "")
    .group_by(Run.repository_id, Run.head_sha)
)


def commits_passed(session: Session, scope: Scope, window: Window) -> Passed | None:
    """Commits (of a repository) with decided runs in the window, and those of them all of whose runs there passed; one
    grouped statement. Null for windows longer than LONGEST, and where runs of the window were pruned."""
    state = rollup_state(session)
    if window.span > LONGEST or (state and state.pruned_before and window.since < state.pruned_before):
        return None
    by_commit = _BY_COMMIT.where(*in_scope(session, scope), *in_window(window)).subquery()
    query = select(func.count(), func.count().filter(by_commit.c.failed == 0)).select_from(by_commit)
    decided, passed = read(session, query).one()
    return Passed(passed, decided)
