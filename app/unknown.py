"""What an address names that nothing stored has. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Unknown:
    """Chosen values that are not known. `all_of` is `repositories` or `workflows` where none of the chosen ones is, so
    that there is nothing to show; else empty."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    all_of: str = ""

    @property
    def lines(self) -> list[str]:
        """A sentence for each value that is left out; none where the page itself has to say it."""
        if self.all_of:
            return []
        found = [f"{repo} is not monitored: it is left out." for repo in self.repos]
        return found + [f"The chosen repositories have no workflow {name}: it is left out." for name in self.workflows]


def unknown(
    repos: Sequence[str], workflows: Sequence[str], known_repos: Mapping[str, str], known_workflows: Collection[str]
) -> Unknown:
    """`known_repos`: by the name in lower case, since GitHub takes names in any case."""
    strange = tuple(repo for repo in repos if repo.lower() not in known_repos)
    if repos and len(strange) == len(repos):
        return Unknown(strange, (), "repositories")
    lost = tuple(name for name in workflows if name not in known_workflows)
    return Unknown(strange, lost, "workflows" if workflows and len(lost) == len(workflows) else "")
