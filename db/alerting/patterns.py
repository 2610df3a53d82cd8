"""Shell-style patterns over names: `*`, `?`, `[abc]`; `*` matches slashes, too, so that `acme/*` is a whole owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape

LONGEST = 200
MOST = 50


@dataclass(frozen=True)
class Patterns:
    """Patterns of one field are alternatives, fields narrow each other; an empty field does not narrow."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()

    def match(self, repo: str, workflow: str | None, branch: str | None) -> bool:
        """What is about a whole repository, or about several branches together, has no such name: only `*` and silence
        of the field match it."""
        return (
            matches(self.repos, repo, fold=True)
            and matches(self.workflows, workflow)
            and matches(self.branches, branch)
        )


def matches(patterns: Sequence[str], name: str | None, *, fold: bool = False) -> bool:
    """`fold`: capitals do not count, as in the names of repositories."""
    if not patterns or "*" in patterns:
        return True
    if name is None:
        return False
    return any(fnmatchcase(*((name.lower(), each.lower()) if fold else (name, each))) for each in patterns)


def exactly(name: str) -> str:
    """The pattern that matches this name alone."""
    return escape(name)


EVERYWHERE = Patterns()
