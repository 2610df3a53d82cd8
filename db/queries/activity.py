"""Which workflows can still run. The last failure of one that cannot is not broken now: no success can follow it."""

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from db.models import Repository, Workflow
from db.vocabulary import DISABLED_PREFIX, WorkflowState, is_inactive

Key = tuple[int, int]
ARCHIVED = "archived"


def is_active() -> ColumnElement[bool]:
    """A condition on Workflow: neither deleted nor disabled, in a repository that is not archived. Unknown states count
    as active."""
    archived = select(Repository.id).where(Repository.archived)
    return and_(
        Workflow.state != WorkflowState.DELETED,
        Workflow.state.not_like(f"{DISABLED_PREFIX}%"),
        Workflow.repository_id.not_in(archived),
    )


def inactive_states(session: Session) -> dict[Key, str]:
    """Why workflows of monitored repositories cannot run, by (repository id, workflow id): their WorkflowState, or
    `archived` where the repository is."""
    inactive = or_(
        Workflow.state == WorkflowState.DELETED, Workflow.state.like(f"{DISABLED_PREFIX}%"), Repository.archived
    )
    query = (
        select(Workflow.repository_id, Workflow.id, Workflow.state)
        .join(Repository, Repository.id == Workflow.repository_id)
        .where(Repository.monitored, inactive)
    )
    return {(row[0], row[1]): row[2] if is_inactive(row[2]) else ARCHIVED for row in session.execute(query)}


def inactive_names(session: Session) -> frozenset[tuple[str, int]]:
    """As inactive_workflows, with owner/name in place of the repository's id."""
    names = {row[0]: row[1] for row in session.execute(select(Repository.id, Repository.full_name))}
    return frozenset((names[repository_id], workflow_id) for repository_id, workflow_id in inactive_states(session))


def inactive_workflows(session: Session) -> frozenset[Key]:
    """(repository id, workflow id) of monitored repositories' workflows that cannot run."""
    return frozenset(inactive_states(session))
