"""The table of what teams own: computed from the definitions of teams and the CODEOWNERS files, and read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock

from cachetools import LRUCache
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.enums import CodeownersState
from db.models import CodeownersFile, Repository, TeamRepository, Workflow
from db.sql import execute, insert_ignore
from health.teams.codeowners import parse
from health.teams.definition import Team
from health.teams.resolution import (
    WHOLE_REPOSITORY,
    OwnedRepository,
    Ownership,
    OwnersOfPaths,
    WorkflowFile,
    owned_paths,
    resolve,
)
from health.teams.stored_teams import list_teams

# Parameters of one statement are limited.
_BATCH = 5_000
_MAX_FILES = 10_000
_CACHE: LRUCache[tuple[bytes, tuple[str, ...]], "_KnownOwners"] = LRUCache(_MAX_FILES)
_CACHE_LOCK = Lock()


@dataclass(frozen=True)
class Unowned:
    """Monitored repositories, by name. `repositories`: no team owns them or a workflow of them. `unknown`: the same,
    but their CODEOWNERS file, which could name an owner, is not read or is unreadable."""

    repositories: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass
class Owned:
    """What one team owns, by name."""

    repositories: list[str] = field(default_factory=list)
    workflows: list[tuple[str, int, str]] = field(default_factory=list)


def refresh_ownership(session: Session) -> bool:
    """Computes what teams own from the stored definitions, repositories, workflows and CODEOWNERS files, and stores the
    difference; returns whether anything differs."""
    stored, wanted = _stored_and_wanted(session)
    obsolete, missing = sorted(stored - wanted), sorted(wanted - stored)
    by_team: dict[tuple[str, int], list[int]] = defaultdict(list)
    for entry in obsolete:
        by_team[entry.team_key, entry.workflow_id].append(entry.repository_id)
    for (key, workflow_id), ids in by_team.items():
        for start in range(0, len(ids), _BATCH):
            session.execute(
                delete(TeamRepository).where(
                    TeamRepository.team_key == key,
                    TeamRepository.workflow_id == workflow_id,
                    TeamRepository.repository_id.in_(ids[start : start + _BATCH]),
                )
            )
    for start in range(0, len(missing), _BATCH):
        insert_ignore(session, TeamRepository, [entry._asdict() for entry in missing[start : start + _BATCH]])
    return bool(obsolete or missing)


def is_ownership_current(session: Session) -> bool:
    """Whether refresh_ownership would change nothing. Reads only."""
    stored, wanted = _stored_and_wanted(session)
    return stored == wanted


def _stored_and_wanted(session: Session) -> tuple[set[Ownership], set[Ownership]]:
    teams = list_teams(session)
    columns = TeamRepository.repository_id, TeamRepository.team_key, TeamRepository.workflow_id
    stored = {Ownership(*row) for row in execute(session, select(*columns))}
    return stored, resolve(teams, _read_repositories(session, teams)) if teams else set()


def _read_repositories(session: Session, teams: Sequence[Team]) -> list[OwnedRepository]:
    workflows: dict[int, list[WorkflowFile]] = defaultdict(list)
    columns = Workflow.repository_id, Workflow.id, Workflow.name, Workflow.path
    for repository_id, workflow_id, name, path in execute(session, select(*columns)):
        workflows[repository_id].append(WorkflowFile(workflow_id, name, path))
    codeowners = _read_codeowners(session, workflows) if any(team.owners for team in teams) else {}
    return [
        OwnedRepository(repository_id, repo, workflows.get(repository_id, ()), codeowners.get(repository_id))
        for repository_id, repo in execute(session, select(Repository.id, Repository.full_name))
    ]


@dataclass(frozen=True)
class _KnownOwners:
    """The owners of some paths of a CODEOWNERS file."""

    owners: Mapping[str, tuple[str, ...] | None]

    def owners_of(self, path: str) -> tuple[str, ...] | None:
        return self.owners[path]


def _read_codeowners(session: Session, workflows: Mapping[int, Sequence[WorkflowFile]]) -> dict[int, OwnersOfPaths]:
    query = select(CodeownersFile.repository_id, CodeownersFile.content)
    rows = execute(session, query.where(CodeownersFile.state == CodeownersState.READ))
    return {
        repository_id: _owners_of(content or "", owned_paths(workflows.get(repository_id, ())))
        for repository_id, content in rows
    }


def _owners_of(content: str, paths: tuple[str, ...]) -> _KnownOwners:
    """The owners of the paths. They are cached, because the collector computes them again and again, and the rules of a
    file take much more time and memory than the owners of its workflows."""
    key = sha256(content.encode("utf-8", "replace")).digest(), paths
    with _CACHE_LOCK:
        cached = _CACHE.get(key)
    if cached is None:
        rules = parse(content)
        cached = _KnownOwners({path: rules.owners_of(path) for path in paths})
        with _CACHE_LOCK:
            _CACHE[key] = cached
    return cached


def owner_keys(session: Session, repository_id: int, workflow_id: int | None) -> list[str]:
    """The keys of the teams that own the workflow; without a team of its own, those of its repository."""
    query = select(TeamRepository.team_key, TeamRepository.workflow_id).where(
        TeamRepository.repository_id == repository_id,
        TeamRepository.workflow_id.in_({WHOLE_REPOSITORY, workflow_id or WHOLE_REPOSITORY}),
    )
    rows = execute(session, query).all()
    own = [key for key, number in rows if number != WHOLE_REPOSITORY]
    return sorted(own or (key for key, _ in rows))


def owned_by_team(session: Session, team_keys: Iterable[str] | None = None) -> dict[str, Owned]:
    """What each team owns of the monitored repositories; all teams if `team_keys` is null. `workflows` are single ones:
    repository, id, name."""
    query = (
        select(TeamRepository.team_key, Repository.full_name, TeamRepository.workflow_id, Workflow.name)
        .join(Repository, Repository.id == TeamRepository.repository_id)
        .join(
            Workflow,
            (Workflow.repository_id == TeamRepository.repository_id) & (Workflow.id == TeamRepository.workflow_id),
            isouter=True,
        )
        .where(Repository.monitored)
    )
    if team_keys is not None:
        query = query.where(TeamRepository.team_key.in_(tuple(team_keys)))
    owned: dict[str, Owned] = defaultdict(Owned)
    for key, repo, workflow_id, name in session.execute(query):
        if workflow_id == WHOLE_REPOSITORY:
            owned[key].repositories.append(repo)
        elif name is not None:
            owned[key].workflows.append((repo, workflow_id, name))
    for entry in owned.values():
        entry.repositories.sort(key=str.casefold)
        entry.workflows.sort()
    return dict(owned)


def unowned(session: Session) -> Unowned:
    """Monitored repositories that no team owns. A repository of which a team owns only workflows is not listed."""
    owned = select(TeamRepository.repository_id)
    query = select(Repository.id, Repository.full_name).where(Repository.monitored, Repository.id.not_in(owned))
    rows = sorted(session.execute(query), key=lambda row: row[1].casefold())
    known = set(known_codeowners(session)) if any(team.owners for team in list_teams(session)) else None
    return Unowned(
        tuple(repo for repository_id, repo in rows if known is None or repository_id in known),
        tuple(repo for repository_id, repo in rows if known is not None and repository_id not in known),
    )


def known_codeowners(session: Session) -> list[int]:
    """The ids of the repositories whose CODEOWNERS file was read or is known not to exist."""
    readable = CodeownersState.READ, CodeownersState.ABSENT
    return list(session.scalars(select(CodeownersFile.repository_id).where(CodeownersFile.state.in_(readable))))
