"""Reads the teams of organizations with their repositories and members, with requests that nothing else needs.

A large organization takes longer than one pass: what was read is stored at the end of each pass, and the next one
continues. Unchanged pages cost no request of the hourly limit."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from collector.context import CollectorContext
from collector.github.errors import Forbidden, GitHubError, NotFound, RateLimited
from collector.github.pagination import ResultPage, pages
from collector.github.payloads import AccountPayload, Payload, TeamPayload, TeamRepositoryPayload
from collector.github.spare_budget import SpareBudget
from core.formatting import pluralize
from core.text import clean
from db.audit import Actor
from db.engine import session_scope, write_scope
from db.enums import ActorKind, Origin
from health.teams.definition import (
    MAX_NAME_LENGTH,
    MAX_TEAMS,
    MAX_TEXT_LENGTH,
    MAX_VALUES,
    InvalidTeam,
    TeamDefinition,
    check_team,
    team_key,
)
from health.teams.service import store_github_teams
from health.teams.stored_settings import get_setting
from health.teams.stored_teams import github_definitions

log = logging.getLogger(__name__)
# Requests an hour as a share of the hourly limit; each team costs two.
HOURLY_SHARE = 0.05
# When all teams are read again; after an error sooner.
READ_INTERVAL, RETRY_INTERVAL = timedelta(hours=1), timedelta(minutes=15)
_ACTOR = Actor("GitHub", ActorKind.SYSTEM, Origin.FILE)
P = TypeVar("P", bound=Payload)


@dataclass
class _Organization:
    """What was read of an organization. `error`: one line, if reading failed."""

    name: str
    teams: list[TeamDefinition] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    error: str = ""
    is_complete: bool = False


class GitHubTeamsReader:
    def __init__(self, context: CollectorContext) -> None:
        self._context, self._client, self._clock = context, context.client, context.clock
        self._budget = SpareBudget(context.client, context.clock, hourly_share=HOURLY_SHARE)
        self._names: tuple[str, ...] = ()
        self._read: list[_Organization] = []
        # Continues where the last pass ended; null between two readings.
        self._steps: Iterator[None] | None = None
        self._due_at: datetime | None = None
        self._cache: dict[str, ResultPage[Any]] = {}
        # The cached pages at the start of the reading, and those that it returned.
        self._known: dict[int, ResultPage[Any]] = {}
        self._used: dict[int, ResultPage[Any]] = {}
        self._error: str | None = None

    def run(self) -> bool:
        """Reads the teams of the organizations in the setting `github` within the budget; returns whether the stored
        teams differ. An organization that cannot be read keeps its stored teams. Raises RateLimited."""
        with session_scope(self._context.engine) as session:
            setting = get_setting(session, "github") or {}
        names = tuple(str(name) for name in setting.get("organizations", ()))
        now = self._clock()
        if names != self._names:
            self._names, self._steps, self._due_at = names, None, None
        if self._steps is None:
            if self._due_at is not None and self._due_at - READ_INTERVAL <= now < self._due_at:
                return False
            self._known, self._used = {id(page): page for page in self._cache.values()}, {}
            self._read = [_Organization(name) for name in names]
            self._steps = self._read_all()
        return self._continue(now)

    def _continue(self, now: datetime) -> bool:
        assert self._steps is not None  # noqa: S101 - set by run
        is_over = False
        try:
            while not self._context.stop.is_set() and (self._budget.allows_request() or not self._names):
                if next(self._steps, self) is self:
                    is_over = True
                    break
        except RateLimited:
            self._steps = None
            raise
        if is_over:
            self._finish(now)
        changed = self._store(now)
        if changed:
            self._context.progress.mark_data_changed()
        return changed

    def _finish(self, now: datetime) -> None:
        self._steps = None
        self._cache = {url: page for url, page in self._cache.items() if id(page) in self._used}
        self._known, self._used = {}, {}
        problems = [problem for read in self._read if (problem := _problem(read))]
        self._due_at = now + (RETRY_INTERVAL if any(read.error for read in self._read) else READ_INTERVAL)
        error = "; ".join(problems) or None
        if error and error != self._error:
            log.warning("The teams of GitHub cannot be read completely: %s", error)
        self._error = error
        self._context.progress.set_heartbeat_fields(github_teams_error=error)

    def _store(self, now: datetime) -> bool:
        with session_scope(self._context.engine) as session:
            stored = github_definitions(session)
        definitions = _unique_names(self._definitions(stored))
        if {team.key: team for team in stored} == {team.key: team for team in definitions}:
            return False
        with write_scope(self._context.engine) as session:
            return store_github_teams(session, definitions, now, actor=_ACTOR)

    def _definitions(self, stored: Sequence[TeamDefinition]) -> Iterator[tuple[str, TeamDefinition]]:
        """The organization and the definition of all teams: as read, and otherwise as stored."""
        for read in self._read:
            handles = {_handle(team) for team in read.teams}
            yield from ((read.name, team) for team in read.teams)
            if not read.is_complete:
                prefix = f"@{read.name}/".casefold()
                for team in stored:
                    if _handle(team).startswith(prefix) and _handle(team) not in handles:
                        yield read.name, team

    def _read_all(self) -> Iterator[None]:
        """Yields before each request."""
        for read in self._read:
            try:
                yield from self._read_organization(read)
                read.is_complete = True
            except RateLimited:
                raise
            except GitHubError as error:
                read.error = permission_error(error)

    def _read_organization(self, read: _Organization) -> Iterator[None]:
        path = f"/orgs/{read.name}/teams"
        teams: list[TeamPayload] = []
        yield from self._list(path, TeamPayload, teams, MAX_TEAMS)
        for team in teams:
            # Only its members see a secret team, and it cannot be a code owner.
            if team.privacy == "secret":
                continue
            repositories: list[TeamRepositoryPayload] = []
            members: list[AccountPayload] = []
            try:
                yield from self._list(f"{path}/{team.slug}/repos", TeamRepositoryPayload, repositories, MAX_VALUES)
                yield from self._list(f"{path}/{team.slug}/members", AccountPayload, members, MAX_VALUES)
            except NotFound:
                continue  # deleted meanwhile
            try:
                read.teams.append(_definition(read.name, team, repositories, members))
            except InvalidTeam as error:
                read.skipped.append(f"{clean(team.name, 60)} ({error})")

    def _list(self, path: str, model: type[P], items: list[P], limit: int) -> Iterator[None]:
        listed = pages(self._client, path, None, model, cache=self._cache)
        while len(items) < limit:
            yield
            try:
                page = next(listed, None)
            except GitHubError:
                self._budget.spend()
                raise
            if page is None:
                return
            self._used[id(page)] = page
            if id(page) not in self._known:
                self._budget.spend()
            items.extend(page.items)
        del items[limit:]


def _definition(
    organization: str,
    team: TeamPayload,
    repositories: Sequence[TeamRepositoryPayload],
    members: Sequence[AccountPayload],
) -> TeamDefinition:
    """A team owns the repositories to which it can write. Raises InvalidTeam."""
    fields: dict[str, Any] = {
        "repositories": sorted(repo.full_name for repo in repositories if repo.can_write and not repo.archived),
        "owners": [f"@{organization}/{team.slug}"],
        "members": sorted(member.login for member in members if member.login),
    }
    if team.description:
        fields["description"] = clean(team.description, MAX_TEXT_LENGTH)
    return check_team(team.name, fields)


def _unique_names(definitions: Iterator[tuple[str, TeamDefinition]]) -> list[TeamDefinition]:
    """Teams of the same name in several organizations are different teams: those of the later ones have the
    organization in their name."""
    by_key: dict[str, TeamDefinition] = {}
    for organization, team in definitions:
        named = team
        if team.key in by_key:
            named = TeamDefinition(_name_of(team.name, organization), team.fields)
        by_key.setdefault(team_key(named.name), named)
    return list(by_key.values())


def _name_of(name: str, organization: str) -> str:
    return f"{name[: MAX_NAME_LENGTH - len(organization) - 3]} ({organization})"


def _handle(team: TeamDefinition) -> str:
    return str(next(iter(team.fields.get("owners", ())), "")).casefold()


def permission_error(error: GitHubError) -> str:
    """One line. GitHub answers with 403 or 404 where a permission is missing."""
    if isinstance(error, Forbidden | NotFound):
        return f"the scope read:org, or the organization permission to read Members, is missing ({error})"
    return str(error)


def _problem(read: _Organization) -> str:
    if read.error:
        return f"{read.name}: {read.error}"
    if read.skipped:
        return f"{read.name}: {pluralize(len(read.skipped), 'team')} skipped: {read.skipped[0]}"
    return ""
