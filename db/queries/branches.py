"""Which branches of a scope are worth a look."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Repository, Run
from db.queries.filters import in_scope, in_window, repository_ids

# Runs whose branches are counted.
_LATEST = 20_000


@dataclass(frozen=True)
class Branch:
    """`default`: it is the default branch of a repository of the scope."""

    name: str
    default: bool


def busiest_branches(session: Session, scope: Scope, window: Window, limit: int) -> list[Branch]:
    """At most `limit`, by their runs among the newest 20,000; the commonest default branch first, whether it has any or
    not, unless the scope leaves it out."""
    where = [*in_scope(session, scope), *in_window(window), Run.branch.is_not(None)]
    newest = select(Run.branch).where(*where).order_by(Run.created_at.desc()).limit(_LATEST).subquery()
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
