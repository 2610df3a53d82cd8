"""GITHUB_REPOS: names, wildcards and exclusions, resolved to repositories and stored as targets."""

from dataclasses import dataclass

from collector.context import CollectorContext, SyncResult
from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, NotFound, RateLimited, Unauthorized
from collector.github.pagination import pages
from collector.github.payloads import RepositoryPayload
from db.engine import write_scope
from db.enums import ErrorCode
from db.repositories.repository_queries import repository_names, target_entries
from db.repositories.repository_writes import (
    add_targets,
    delete_other_targets,
    limit_monitoring,
    record_target,
    repository_id_of,
    repository_ids_of_owners,
)


@dataclass(frozen=True)
class Targets:
    """`names` are the repositories to read; `failures` the wildcards that could not be resolved, with the error."""

    names: list[str]
    failures: dict[str, GitHubError]


class TargetSync:
    """Keeps the targets in the database, which all collectors read, equal to GITHUB_REPOS."""

    def __init__(self, context: CollectorContext, entries: tuple[str, ...]) -> None:
        self._context, self._entries = context, entries

    def drop_unconfigured(self) -> None:
        """Stops monitoring what GITHUB_REPOS no longer names; its history stays. Sends no request, so that a change of
        GITHUB_REPOS takes effect while GitHub cannot be reached."""
        with write_scope(self._context.engine) as session:
            configured = [name for name in target_entries(session) if is_configured(self._entries, name)]
            delete_other_targets(session, configured, ())
            ids = {row_id for name in configured if (row_id := repository_id_of(session, name))}
            ids |= {row_id for row_id, name in repository_names(session).items() if is_configured(self._entries, name)}
            limit_monitoring(session, ids)

    def resolve(self, result: SyncResult) -> Targets:
        """Resolves GITHUB_REPOS and stores the targets. Raises RateLimited."""
        self._context.progress.begin("Resolving repositories")
        targets = resolve_targets(self._context.client, self._entries)
        with write_scope(self._context.engine) as session:
            add_targets(session, targets.names, self._context.clock())
            for entry, error in targets.failures.items():
                result.failures[entry] = str(error)
                record_target(session, entry, None, str(error), self._context.clock(), code=error.code)
        return targets

    def prune(self, targets: Targets, result: SyncResult) -> None:
        """Deletes targets that are no longer configured. Targets that could not be read stay: a temporary failure must
        not hide a repository."""
        if result.stopped:
            return
        owners = {entry.removesuffix("/*").lower() for entry in targets.failures}
        with write_scope(self._context.engine) as session:
            delete_other_targets(session, [*targets.names, *targets.failures], owners)
            ids = {row_id for name in targets.names if (row_id := repository_id_of(session, name))}
            ids |= set(result.repositories) | set(repository_ids_of_owners(session, owners))
            limit_monitoring(session, ids)


def is_configured(entries: tuple[str, ...], name: str) -> bool:
    """Whether an entry of GITHUB_REPOS can match this repository or entry; sends no request."""
    name = name.lower()
    owner = f"{name.partition('/')[0]}/*"
    listed = {entry.lower() for entry in entries}
    return not {f"!{name}", f"!{owner}"} & listed and bool({name, owner} & listed)


def resolve_targets(client: GitHubClient, entries: tuple[str, ...]) -> Targets:
    """Lists wildcards on every call, so that a new repository of an organization is monitored without a restart. A list
    that did not change costs no request of the hourly limit. Raises RateLimited."""
    excluded = {entry.removeprefix("!").lower() for entry in entries if entry.startswith("!")}
    names: dict[str, str] = {}
    ids: set[int] = set()
    failures: dict[str, GitHubError] = {}
    for entry in dict.fromkeys(entries):
        if entry.startswith("!"):
            continue
        if not entry.endswith("/*"):
            names.setdefault(entry.lower(), entry)
            continue
        try:
            for repository in _owner_repositories(client, entry.removesuffix("/*")):
                if repository.id not in ids:
                    ids.add(repository.id)
                    names.setdefault(repository.full_name.lower(), repository.full_name)
        except RateLimited:
            raise
        except GitHubError as error:
            failures[entry] = error
    remaining = [name for key, name in names.items() if not {key, f"{key.partition('/')[0]}/*"} & excluded]
    return Targets(remaining, failures)


def _owner_repositories(client: GitHubClient, owner: str) -> list[RepositoryPayload]:
    """Repositories of an organization or user, without archived ones, where nothing runs. A GitHub App gets the private
    repositories of its installation from a separate list."""
    repositories: list[RepositoryPayload] = []
    missing: NotFound | None = None
    try:
        repositories = _account_repositories(client, owner)
    except NotFound:
        missing = NotFound(
            f"organisation or user {owner} not found, or the token has no access", code=ErrorCode.OWNER_NOT_FOUND
        )
    if client.auth.is_installation:
        listed = _list_repositories(client, "/installation/repositories", "repositories")
        repositories += [row for row in listed if row.full_name.lower().startswith(f"{owner.lower()}/")]
    if missing and not repositories:
        raise missing
    return [row for row in repositories if not row.archived]


def _account_repositories(client: GitHubClient, owner: str) -> list[RepositoryPayload]:
    """The path of the account's list is cached: an organization and a user have different ones."""
    path: str = client.page_cache.get(f"lists of {owner}") or f"/orgs/{owner}/repos"
    try:
        repositories = _list_repositories(client, path)
    except NotFound:
        path = (
            "/user/repos"
            if client.auth.is_user_token and _token_login(client) == owner.lower()
            else f"/users/{owner}/repos"
        )
        repositories = _list_repositories(client, path)
    client.page_cache[f"lists of {owner}"] = path
    return repositories


def _token_login(client: GitHubClient) -> str | None:
    """The login of the token's user. GitHub lists the private repositories of a user only to that user, under /user."""
    try:
        data = client.get("/user").data
    except (NotFound, Forbidden, Unauthorized):
        return None  # a token of Actions or of an App has no user
    login = data.get("login") if isinstance(data, dict) else None
    return login.lower() if isinstance(login, str) else None


def _list_repositories(client: GitHubClient, path: str, key: str | None = None) -> list[RepositoryPayload]:
    params = {"affiliation": "owner"} if path == "/user/repos" else None
    listed = pages(client, path, key, RepositoryPayload, params=params, cache=client.page_cache)
    return [repository for page in listed for repository in page.items]
