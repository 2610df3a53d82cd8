"""What exists in the account. Everything carries the times at which it happens, so the state at any moment is a
pure function of the clock: a run that ends in a minute is in progress until then."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# A run is over this long after its last job.
SETTLE = timedelta(seconds=2)


@dataclass(slots=True)
class Job:
    """`completed` null: it runs until somebody ends it. `seed` decides its steps and its log."""

    id: int
    name: str
    kind: str
    label: str
    created: datetime
    started: datetime
    completed: datetime | None
    conclusion: str | None
    seed: int
    runner: str | None = None
    phantom: bool = False

    @property
    def ran(self) -> bool:
        """Whether a runner took it."""
        return self.runner is not None

    def status(self, now: datetime) -> str:
        if self.completed is not None and now >= self.completed:
            return "completed"
        return "in_progress" if now >= self.started else "queued"


@dataclass(slots=True)
class Attempt:
    number: int
    started: datetime
    actor: str | None
    conclusion: str | None
    jobs: list[Job] = field(default_factory=list)
    ended: datetime | None = None
    cause: str | None = None

    def status(self, now: datetime) -> str:
        if self.ended is not None and now >= self.ended:
            return "completed"
        return "in_progress" if any(job.started <= now for job in self.jobs) else "queued"

    def updated(self, now: datetime) -> datetime:
        """The last thing that happened up to now."""
        if self.ended is not None and now >= self.ended:
            return self.ended
        moments = [self.started, *(job.started for job in self.jobs), *(job.completed for job in self.jobs)]
        return max((moment for moment in moments if moment is not None and moment <= now), default=self.started)


@dataclass(slots=True)
class Workflow:
    id: int
    name: str
    file: str
    state: str = "active"
    runs: int = 0

    @property
    def path(self) -> str:
        return f".github/workflows/{self.file}"


@dataclass(slots=True)
class Repository:
    id: int
    full_name: str
    private: bool
    language: str
    created: datetime
    default_branch: str = "main"
    archived: bool = False
    description: str | None = None
    workflows: dict[int, Workflow] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]

    def workflow(self, name: str) -> Workflow:
        return next(each for each in self.workflows.values() if each.name == name)


@dataclass(slots=True)
class Run:
    """`message` and `committer` (a login) are those of the head commit: the title and the author unless given. `name`
    is the workflow's unless given; `fork` is that of a deleted fork: no head repository. `nulls` names fields of the
    answer that GitHub leaves empty for this run."""

    id: int
    repository: Repository
    workflow: Workflow
    number: int
    title: str
    branch: str | None
    event: str
    sha: str
    author: str | None
    created: datetime
    attempts: list[Attempt] = field(default_factory=list)
    fork: bool = False
    name: str | None = None
    nulls: tuple[str, ...] = ()
    message: str | None = None
    committer: str | None = None

    @property
    def cause(self) -> str | None:
        """Why it fails: a key of `demo.causes.CAUSES`."""
        return self.attempts[-1].cause

    @cause.setter
    def cause(self, cause: str | None) -> None:
        for attempt in self.attempts:
            attempt.cause = cause

    def leave_out(self, names: Sequence[str]) -> None:
        """GitHub's answer has null for these fields of the run."""
        self.branch = None if "head_branch" in names else self.branch
        self.author = None if "actor" in names else self.author
        self.fork = self.fork or "head_repository" in names
        self.nulls = (*self.nulls, *names)

    def begun(self, now: datetime) -> list[Attempt]:
        """Attempts that exist by then, oldest first; never empty."""
        return [each for each in self.attempts if each.started <= now] or self.attempts[:1]

    def attempt_at(self, now: datetime) -> Attempt:
        return self.begun(now)[-1]

    @staticmethod
    def jobs_of(attempt: Attempt, now: datetime) -> list[Job]:
        """Jobs exist from the moment they were created."""
        return [job for job in attempt.jobs if job.created <= now]
