"""What teams own: patterns over repositories and workflows, and the owners of CODEOWNERS files. Pure.

The work is linear in patterns × repositories and in workflows; CODEOWNERS files are looked up per workflow."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

from health.teams.definition import Team, split_workflow

# The workflow id of an entry for the whole repository.
WHOLE_REPOSITORY = 0
# A file name in the root of a repository that no specific pattern matches: its owner is that of the repository.
_ROOT_PATH = "-"


class OwnersOfPaths(Protocol):
    """A CODEOWNERS file. An empty tuple: the last matching line has no owner; null: no line matches."""

    def owners_of(self, path: str) -> tuple[str, ...] | None: ...


class Ownership(NamedTuple):
    """A team owns a repository, or one workflow of it."""

    repository_id: int
    team_key: str
    workflow_id: int


@dataclass(frozen=True)
class WorkflowFile:
    id: int
    name: str
    path: str


@dataclass(frozen=True)
class OwnedRepository:
    """A repository with its workflows. `codeowners` is null where it has no readable CODEOWNERS file."""

    id: int
    repo: str
    workflows: Sequence[WorkflowFile] = ()
    codeowners: OwnersOfPaths | None = None


def resolve(teams: Sequence[Team], repositories: Sequence[OwnedRepository]) -> set[Ownership]:
    """What each team owns. A workflow is listed only for teams that do not own its whole repository."""
    names = RepositoryNames((repository.repo, repository.id) for repository in repositories)
    whole = defaultdict(set, {team.key: names.matching(team.repositories) for team in teams})
    single = _single_workflows(teams, repositories, names)
    by_handle = _teams_by_handle(teams)
    if by_handle:
        for repository in repositories:
            if repository.codeowners is not None:
                _add_codeowners(repository, repository.codeowners, by_handle, whole, single)
    owned = {Ownership(repository_id, key, WHOLE_REPOSITORY) for key, ids in whole.items() for repository_id in ids}
    return owned | {entry for entry in single if entry.repository_id not in whole.get(entry.team_key, ())}


def owned_paths(workflows: Iterable[WorkflowFile]) -> tuple[str, ...]:
    """The paths whose owners `resolve` looks up in the CODEOWNERS file of a repository with these workflows."""
    return (_ROOT_PATH, *sorted({workflow.path for workflow in workflows if _has_file(workflow)}))


def _has_file(workflow: WorkflowFile) -> bool:
    """False for dynamic workflows of GitHub, such as Dependabot's, which have no file in the repository."""
    return workflow.path.startswith(".github/")


class RepositoryNames:
    """Names of repositories, without regard to case, and their ids. A pattern is compared only with the names that
    begin with its text before the first wildcard."""

    def __init__(self, names: Iterable[tuple[str, int]]) -> None:
        self._ids = {name.casefold(): number for name, number in names}
        self._sorted = sorted(self._ids)

    def matching(self, patterns: Iterable[str]) -> set[int]:
        """The ids of the names that one of the patterns matches. `*` cannot match a slash, because each pattern and
        each name has exactly one."""
        return {self._ids[name] for pattern in patterns for name in self._matches(pattern.casefold())}

    def _matches(self, pattern: str) -> Iterator[str]:
        prefix = pattern[: min((pattern.index(sign) for sign in "*?[" if sign in pattern), default=len(pattern))]
        if prefix == pattern:
            yield from (pattern,) if pattern in self._ids else ()
            return
        for position in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            name = self._sorted[position]
            if not name.startswith(prefix):
                return
            if fnmatchcase(name, pattern):
                yield name


def _single_workflows(
    teams: Sequence[Team], repositories: Sequence[OwnedRepository], names: RepositoryNames
) -> set[Ownership]:
    by_id = {repository.id: repository for repository in repositories}
    entries: set[Ownership] = set()
    for team in teams:
        for pattern in team.workflows:
            repository_pattern, workflow_pattern = split_workflow(pattern)
            for repository_id in names.matching([repository_pattern]):
                entries.update(
                    Ownership(repository_id, team.key, workflow.id)
                    for workflow in by_id[repository_id].workflows
                    if fnmatchcase(workflow.name.casefold(), workflow_pattern.casefold())
                )
    return entries


def _teams_by_handle(teams: Sequence[Team]) -> dict[str, list[str]]:
    by_handle: dict[str, list[str]] = defaultdict(list)
    for team in teams:
        for handle in team.owners:
            by_handle[handle.casefold()].append(team.key)
    return by_handle


def _add_codeowners(
    repository: OwnedRepository,
    codeowners: OwnersOfPaths,
    by_handle: Mapping[str, Sequence[str]],
    whole: dict[str, set[int]],
    single: set[Ownership],
) -> None:
    for key in _teams_of(codeowners.owners_of(_ROOT_PATH), by_handle):
        whole[key].add(repository.id)
    for workflow in repository.workflows:
        if _has_file(workflow):
            keys = _teams_of(codeowners.owners_of(workflow.path), by_handle)
            single.update(Ownership(repository.id, key, workflow.id) for key in keys)


def _teams_of(handles: Sequence[str] | None, by_handle: Mapping[str, Sequence[str]]) -> set[str]:
    return {key for handle in handles or () for key in by_handle.get(handle.casefold(), ())}
