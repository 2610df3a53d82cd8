"""Targets of alerts, patterns that match them, and silences. Pure.

Patterns are shell-style (`*`, `?`, `[abc]`); `*` also matches slashes, so that `acme/*` is all of an owner.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from glob import escape

from db.enums import SilenceState

MAX_LENGTH = 200
MAX_PATTERNS = 50


@dataclass(frozen=True)
class Patterns:
    """Patterns of one field are alternatives; a target must match every field. An empty field matches everything."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()

    def match(self, repo: str, workflow: str | None, branch: str | None) -> bool:
        """A null name (a whole repository, several branches together) matches only `*` and an empty field."""
        return (
            matches(self.repos, repo, ignore_case=True)
            and matches(self.workflows, workflow)
            and matches(self.branches, branch)
        )


def matches(patterns: Sequence[str], name: str | None, *, ignore_case: bool = False) -> bool:
    """Whether one of the patterns matches; none match everything. `ignore_case`: for names of repositories."""
    if not patterns or "*" in patterns:
        return True
    if name is None:
        return False
    return any(
        fnmatchcase(*((name.lower(), pattern.lower()) if ignore_case else (name, pattern))) for pattern in patterns
    )


def escape_pattern(name: str) -> str:
    """The pattern that matches only this name."""
    return escape(name)


MATCH_ALL = Patterns()


@dataclass(frozen=True)
class AlertTarget:
    """What an alert is about. `workflow` is null for a whole repository, `branch` for several branches together.
    `per_branch`: other branches of the workflow have alerts of their own."""

    repository_id: int
    repo: str
    workflow_id: int | None = None
    workflow: str | None = None
    branch: str | None = None
    per_branch: bool = False

    def key(self, rule_id: int | None) -> str:
        """The key of rule and target, of which at most one alert fires. The name of a default branch is not part of it,
        because it may change."""
        branch = self.branch if self.per_branch else None
        return f"{rule_id or 0}/{self.repository_id}/{self.workflow_id or 0}/{branch or ''}"

    @property
    def subject(self) -> str:
        """acme/web · CI; without a workflow acme/web."""
        return workflow_label(self.repo, self.workflow)

    @property
    def on_branch(self) -> str:
        """The branch as it follows a verb: ` on main`; empty without a branch."""
        return f" on {self.branch}" if self.branch else ""

    @property
    def label(self) -> str:
        """acme/web · CI (main), acme/web (main), or acme/web."""
        return f"{self.subject} ({self.branch})" if self.branch else self.subject

    @property
    def label_in_repository(self) -> str:
        """The label without the repository: CI (main), main, or an empty string."""
        if self.workflow and self.branch:
            return f"{self.workflow} ({self.branch})"
        return self.workflow or self.branch or ""


def workflow_label(repo: str, workflow: str | None) -> str:
    """acme/web · CI; without a workflow acme/web."""
    return f"{repo} · {workflow}" if workflow else repo


@dataclass(frozen=True)
class Silence:
    """No notifications about the targets that it matches, from `starts_at` up to `ends_at`. `rule_id` null: any
    rule."""

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

    def matches_any(self, targets: Mapping[str, Collection[str | None]]) -> bool:
        """Whether the silence matches, on any branch, one of the workflows by repository; a null workflow is the whole
        repository."""
        return any(
            matches(self.scope.workflows, workflow)
            for repo, workflows in targets.items()
            if matches(self.scope.repos, repo, ignore_case=True)
            for workflow in workflows
        )


def silenced_until(
    silences: Iterable[Silence], rule_id: int | None, repo: str, workflow: str | None, branch: str | None, now: datetime
) -> datetime | None:
    """The latest end of the active silences that cover the target; null if none does."""
    ends = (
        silence.ends_at
        for silence in silences
        if silence.state(now) is SilenceState.ACTIVE and silence.covers(rule_id, repo, workflow, branch)
    )
    return max(ends, default=None)
