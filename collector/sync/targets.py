"""GITHUB_REPOS: names, wildcards and exclusions, resolved to repositories."""

from dataclasses import dataclass

from collector.github.client import Client
from collector.github.errors import GitHubError, NotFound
from collector.github.pagination import pages
from collector.github.payloads import RepositoryPayload


@dataclass(frozen=True)
class Targets:
    """`names` are the repositories to read; `failures` the wildcards that could not be resolved, with the reason."""

    names: list[str]
    failures: dict[str, str]


def resolve(client: Client, entries: tuple[str, ...]) -> Targets:
    """Wildcards are asked for each time: a new repository of the organisation is monitored without a restart."""
    left_out = {entry.removeprefix("!").lower() for entry in entries if entry.startswith("!")}
    names: dict[str, str] = {}
    failures: dict[str, str] = {}
    for entry in entries:
        if entry.startswith("!"):
            continue
        if not entry.endswith("/*"):
            names.setdefault(entry.lower(), entry)
            continue
        try:
            for name in _owned(client, entry.removesuffix("/*")):
                names.setdefault(name.lower(), name)
        except GitHubError as error:
            failures[entry] = str(error)
    return Targets([name for key, name in names.items() if key not in left_out], failures)


def _owned(client: Client, owner: str) -> list[str]:
    """Repositories of an organisation or user, archived ones left out: nothing runs there."""
    try:
        return _listed(client, f"/orgs/{owner}/repos")
    except NotFound:
        return _listed(client, f"/users/{owner}/repos")


def _listed(client: Client, path: str) -> list[str]:
    found = []
    for page in pages(client, path, None, RepositoryPayload):
        found += [repository.full_name for repository in page.items if not repository.archived]
    return found
