"""Search for repositories, workflows and runs by parts of their names and by numbers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, or_, select
from sqlalchemy.orm import Session

from db.models import Repository, Run, Workflow
from db.repositories.repository_queries import WorkflowRow
from db.runs.run_queries import RunRow, select_runs
from db.sql import contains_letters, contains_text

_SPACE = literal(" ")
_WORKFLOW_TEXT: Any = Repository.full_name + _SPACE + Workflow.name
_RUN_TEXT: Any = Repository.full_name + _SPACE + func.coalesce(Workflow.name, Run.workflow_name)


def search_repositories(session: Session, terms: Sequence[str], limit: int) -> list[str]:
    """Names of monitored repositories that contain every term, the best matches first. A term matches if the name
    contains its letters in this order."""
    query = select(Repository.full_name).where(Repository.monitored, *_conditions(Repository.full_name, terms))
    return list(session.scalars(query.order_by(*_order(Repository.full_name, terms)).limit(limit)))


def search_workflows(session: Session, terms: Sequence[str], limit: int) -> list[WorkflowRow]:
    """Workflows of monitored repositories. A term may match the name of the repository, of the workflow, or both."""
    query = (
        select(Repository.id, Workflow.id, Repository.full_name, Workflow.name, Workflow.path, Workflow.state)
        .join(Repository, Repository.id == Workflow.repository_id)
        .where(Repository.monitored, *_conditions(_WORKFLOW_TEXT, terms))
        .order_by(*_order(_WORKFLOW_TEXT, terms, Repository.full_name, Workflow.name), Workflow.id)
        .limit(limit)
    )
    return [WorkflowRow(*row) for row in session.execute(query)]


def search_runs(
    session: Session, terms: Sequence[str], *, number: int | None = None, sha: str = "", limit: int
) -> list[RunRow]:
    """Runs of monitored repositories with this number or id, or whose commit has this prefix, newest first. The terms
    are those of `search_workflows`."""
    if number is not None:
        selected: ColumnElement[bool] = or_(Run.run_number == number, Run.id == number)
    else:
        selected = Run.head_sha.startswith(sha.lower(), autoescape=True)
    query = select_runs().where(Repository.monitored, selected, *_conditions(_RUN_TEXT, terms))
    return [RunRow(*row) for row in session.execute(query.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit))]


def _conditions(text: Any, terms: Sequence[str]) -> list[ColumnElement[bool]]:
    return [contains_letters(text, term) for term in terms]


def _order(text: Any, terms: Sequence[str], *parts: Any) -> list[ColumnElement[Any]]:
    """Terms at the start of a word count more than inside of one, contiguous ones more than scattered letters, and
    letters within one of the parts of the text more than across them; then shorter names come first."""
    ranks = [
        case(
            (or_(contains_text(text, f"/{term}"), contains_text(text, f" {term}"), contains_text(text, f"-{term}")), 3),
            (contains_text(text, term), 2),
            *((contains_letters(part, term), 1) for part in parts),
            else_=0,
        )
        for term in terms
    ]
    by_rank = [sum(ranks[1:], ranks[0]).desc()] if ranks else []
    return [*by_rank, func.length(text), func.lower(text)]
