"""GITHUB_REPOS: names, wildcards and exclusions, resolved to repositories."""

from dataclasses import dataclass

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, GitHubError, NotFound, RateLimited, Unauthorized
from collector.github.pagination import pages
from collector.github.payloads import RepositoryPayload
from db.enums import ErrorCode


@dataclass(frozen=True)
class Targets:
    """`names` are the repositories to read; `failures` the wildcards that could not be resolved, with the error."""

    names: list[str]
    failures: dict[str, GitHubError]


def is_configured(entries: tuple[str, ...], name: str) -> bool:
    """Whether GITHUB_REPOS can stand for this repository, or entry, without asking GitHub."""
    name = name.lower()
    owner = f"{name.partition('/')[0]}/*"
    listed = {entry.lower() for entry in entries}
    return not {f"!{name}", f"!{owner}"} & listed and bool({name, owner} & listed)


def resolve_targets(client: GitHubClient, entries: tuple[str, ...]) -> Targets:
    """Wildcards are asked for each time: a new repository of the organisation is monitored without a restart. A list
    that did not change costs nothing of the hourly limit."""
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
            raise  # is waited for
        except GitHubError as error:
            failures[entry] = error
    left = [name for key, name in names.items() if not {key, f"{key.partition('/')[0]}/*"} & excluded]
    return Targets(left, failures)


def _owner_repositories(client: GitHubClient, owner: str) -> list[RepositoryPayload]:
    """Repositories of an organisation or user, archived ones left out: nothing runs there. An App sees the private
    ones of its installation in a list of their own."""
    found: list[RepositoryPayload] = []
    missing: NotFound | None = None
    try:
        found = _account_repositories(client, owner)
    except NotFound:
        missing = NotFound(
            f"there is no organisation or user {owner}, or it may not be seen", code=ErrorCode.OWNER_NOT_FOUND
        )
    if client.auth.is_installation:
        listed = _list_repositories(client, "/installation/repositories", "repositories")
        found += [each for each in listed if each.full_name.lower().startswith(f"{owner.lower()}/")]
    if missing and not found:
        raise missing
    return [each for each in found if not each.archived]


def _account_repositories(client: GitHubClient, owner: str) -> list[RepositoryPayload]:
    """What kind of account it is, is remembered: a wrong guess costs a request."""
    path: str = client.page_cache.get(f"lists of {owner}") or f"/orgs/{owner}/repos"
    try:
        found = _list_repositories(client, path)
    except NotFound:
        path = (
            "/user/repos"
            if client.auth.is_user_token and _token_login(client) == owner.lower()
            else f"/users/{owner}/repos"
        )
        found = _list_repositories(client, path)
    client.page_cache[f"lists of {owner}"] = path
    return found


def _token_login(client: GitHubClient) -> str | None:
    """Whose token it is: only the owner is shown a user's private repositories, and only under /user."""
    try:
        data = client.get("/user").data
    except (NotFound, Forbidden, Unauthorized):
        return None  # a token of Actions or of an App belongs to nobody
    login = data.get("login") if isinstance(data, dict) else None
    return login.lower() if isinstance(login, str) else None


def _list_repositories(client: GitHubClient, path: str, key: str | None = None) -> list[RepositoryPayload]:
    params = {"affiliation": "owner"} if path == "/user/repos" else None
    found = pages(client, path, key, RepositoryPayload, params=params, cache=client.page_cache)
    return [repository for page in found for repository in page.items]
