"""Shell-style patterns over names: `*`, `?`, `[abc]`; `*` matches slashes, too, so that `acme/*` is a whole owner.

Where an alert is, and the silences that cover it. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from glob import escape

from db.enums import SilenceState

MAX_LENGTH = 200
MAX_PATTERNS = 50


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
            matches(self.repos, repo, ignore_case=True)
            and matches(self.workflows, workflow)
            and matches(self.branches, branch)
        )


def matches(patterns: Sequence[str], name: str | None, *, ignore_case: bool = False) -> bool:
    """`fold`: capitals do not count, as in the names of repositories."""
    if not patterns or "*" in patterns:
        return True
    if name is None:
        return False
    return any(fnmatchcase(*((name.lower(), each.lower()) if ignore_case else (name, each))) for each in patterns)


def escape_pattern(name: str) -> str:
    """The pattern that matches this name alone."""
    return escape(name)


MATCH_ALL = Patterns()


@dataclass(frozen=True)
class AlertTarget:
    """`workflow` null: the whole repository. `branch` is the one it is about, null where it is about several together;
    `own_branch`: other branches of the workflow have alerts of their own."""

    repository_id: int
    repo: str
    workflow_id: int | None = None
    workflow: str | None = None
    branch: str | None = None
    per_branch: bool = False

    def target(self, rule_id: int | None) -> str:
        """At most one alert fires for it. The name of a default branch is no part of it: it may be changed."""
        branch = self.branch if self.per_branch else None
        return f"{rule_id or 0}/{self.repository_id}/{self.workflow_id or 0}/{branch or ''}"

    @property
    def label(self) -> str:
        """CI on main of acme/web, main of acme/web, or acme/web."""
        parts = (self.workflow, self.branch)
        named = " on ".join(part for part in parts if part)
        return f"{named} of {self.repo}" if named else self.repo

    @property
    def label_with_preposition(self) -> str:
        """Behind the name of a figure: of CI on main of acme/web, on main of acme/web, or of acme/web."""
        return f"on {self.label}" if self.branch and not self.workflow else f"of {self.label}"


@dataclass(frozen=True)
class Silence:
    """A silence: no messages about what it matches, from `starts_at` up to `ends_at`."""

    id: int
    scope: Patterns
    rule_id: int | None
    starts_at: datetime
    ends_at: datetime
    comment: str
    author: str
    created_at: datetime

    def state(self, now: datetime) -> SilenceState:
        if now >= self.ends_at:
            return SilenceState.ENDED
        return SilenceState.ACTIVE if now >= self.starts_at else SilenceState.PENDING

    def covers(self, rule_id: int | None, repo: str, workflow: str | None, branch: str | None) -> bool:
        return self.rule_id in (None, rule_id) and self.scope.match(repo, workflow, branch)


def silenced_until(
    silences: Iterable[Silence], rule_id: int | None, repo: str, workflow: str | None, branch: str | None, now: datetime
) -> datetime | None:
    """The latest end of those that hold now; null where none does."""
    ends = (
        each.ends_at
        for each in silences
        if each.state(now) is SilenceState.ACTIVE and each.covers(rule_id, repo, workflow, branch)
    )
    return max(ends, default=None)
