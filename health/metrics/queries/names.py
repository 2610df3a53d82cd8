"""Names of repositories and workflows by their ids."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.enums import GroupBy
from db.models import Repository, Workflow
from db.sql import execute

_REPOSITORY_NAMES = select(Repository.id, Repository.full_name)
_WORKFLOW_NAMES = select(Workflow.repository_id, Workflow.id, Workflow.name)


def repository_names(session: Session) -> dict[int, str]:
    """Returns owner/name by repository id."""
    return {row[0]: row[1] for row in execute(session, _REPOSITORY_NAMES)}


def workflow_names(session: Session) -> dict[tuple[int, int], str]:
    """Returns names by repository id and workflow id."""
    return {(row[0], row[1]): row[2] for row in execute(session, _WORKFLOW_NAMES)}


class Names:
    """The names of all repositories and workflows. A workflow without a name is named by its id."""

    def __init__(self, session: Session) -> None:
        self._repositories = repository_names(session)
        self._workflows = workflow_names(session)

    def repository(self, repository_id: int) -> str | None:
        return self._repositories.get(repository_id)

    def workflow(self, key: tuple[int, int]) -> str:
        """Takes a repository id and a workflow id."""
        return self._workflows.get(key, str(key[1]))

    def group_name(self, by: GroupBy, key: Any) -> str | None:
        """Returns the name of a group, null for runs without such a value."""
        if by is GroupBy.WORKFLOW:
            return self.workflow(key)
        return self.repository(key) if by is GroupBy.REPO else key

    def sort_key(self, by: GroupBy, key: Any) -> tuple[str, int]:
        """Returns the sort key of groups with the same number of runs."""
        return self.group_name(by, key) or "", key[1] if by is GroupBy.WORKFLOW else 0
