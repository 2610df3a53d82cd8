"""How each workflow stands on its default branch now."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.metrics.outcome import DECIDED
from db.metrics.scope import Scope
from db.metrics.standing import WorkflowStanding, standing_of
from db.models import Heartbeat, Repository, Run, Workflow
from db.queries.completeness import collected_once
from db.queries.filters import repository_ids, workflow_ids
from db.queries.streaks import LOOK_BACK

WorkflowPath = tuple[str, int]


def standings(session: Session, scope: Scope, now: datetime) -> dict[WorkflowPath, WorkflowStanding]:
    """By repository (owner/name) and workflow id: all workflows of the scope's repositories and workflows. Branches,
    events and actors do not matter: it is the default branch that is judged. An index leads to the last run of each."""
    last = (
        select(Run.outcome)
        .where(
            Run.repository_id == Workflow.repository_id, Run.workflow_id == Workflow.id, Run.on_default_branch,
            Run.created_at >= now - LOOK_BACK, Run.outcome.in_(DECIDED),
        )
        .correlate(Workflow).order_by(Run.created_at.desc(), Run.id.desc()).limit(1).scalar_subquery()
    )  # fmt: skip
    query = (
        select(
            Repository.full_name,
            Repository.id,
            Repository.default_branch,
            Repository.archived,
            Workflow.id,
            Workflow.state,
            last,
        )
        .join(Repository, Repository.id == Workflow.repository_id)
        .where(Repository.id.in_(repository_ids(scope)))
    )
    if scope.workflows:
        query = query.where(Workflow.id.in_(workflow_ids(scope.workflows)))
    rows = session.execute(query).all()
    behind = catching_up(session, {row[1] for row in rows}, now)
    return {
        (repo, workflow_id): WorkflowStanding(
            repo,
            workflow_id,
            branch,
            standing_of(outcome, state, archived=archived, catching_up=repository_id in behind),
        )
        for repo, repository_id, branch, archived, workflow_id, state, outcome in rows
    }


def catching_up(session: Session, repository_ids: Collection[int], now: datetime) -> set[int]:
    """Ids of those whose runs of the time that is looked back are not all read yet: never read to an end, or history
    of that time is still being read."""
    known = collected_once(session)
    beat = session.get(Heartbeat, "collector")
    # A database that no collector ever looked after, as one that was filled by a copy, has nothing on its way.
    collecting = bool(beat and beat.detail)
    found = set()
    for row in known.repositories:
        never = row.complete_since is None, row.synced_at is None
        unfinished = any(never) if collecting else any(never) and not all(never)
        histories = known.missing[row.id].histories if row.id in known.missing else ()
        if unfinished or any(each.reading and each.cursor > now - LOOK_BACK for each in histories):
            found.add(row.id)
    return found & set(repository_ids)
