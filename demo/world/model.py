"""Repositories, workflows, runs, attempts and jobs. Each object carries its own times, so its state is a pure function
of the clock: a run that ends in a minute is in progress until then."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

# A run completes this long after its last job.
SETTLE_TIME = timedelta(seconds=2)


@dataclass(slots=True)
class Job:
    """`completed` is None for a job without a planned end. `seed` determines the times of its steps and its log.
    `phantom` marks a check run that a test reporter posted: GitHub lists it among the jobs."""

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
        """Whether a runner executed the job."""
        return self.runner is not None

    def status(self, now: datetime) -> str:
        if self.completed is not None and now >= self.completed:
            return "completed"
        return "in_progress" if now >= self.started else "queued"


@dataclass(slots=True)
class Attempt:
    """`cause` is a key of demo.content.failure_causes.CAUSES. `ended` is None for an attempt without a planned end."""

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
        """Return the time of the last change up to `now`."""
        if self.ended is not None and now >= self.ended:
            return self.ended
        moments = [self.started, *(job.started for job in self.jobs), *(job.completed for job in self.jobs)]
        return max((moment for moment in moments if moment is not None and moment <= now), default=self.started)


@dataclass(slots=True)
class Workflow:
    """`runs` is the number of runs created so far."""

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
        return next(workflow for workflow in self.workflows.values() if workflow.name == name)


@dataclass(slots=True)
class Team:
    """A team of an organisation. `repositories`: its role (read to admin) by owner/name. `privacy` is
    "closed" for a team that the whole organisation sees, or "secret"."""

    id: int
    slug: str
    name: str
    description: str = ""
    repositories: dict[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    privacy: str = "closed"


@dataclass(slots=True)
class Run:
    """`message` and `committer` (a login) describe the head commit; None means the title and the author. `name` is the
    workflow's name if None. `fork` marks a run of a deleted fork, which has no head repository. `nulls` are names of
    response fields that are null for this run."""

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

    def attempts_at(self, now: datetime) -> list[Attempt]:
        """Return the attempts that have started by `now`, oldest first; at least the first one."""
        return [attempt for attempt in self.attempts if attempt.started <= now] or self.attempts[:1]

    def attempt_at(self, now: datetime) -> Attempt:
        return self.attempts_at(now)[-1]

    @staticmethod
    def jobs_of(attempt: Attempt, now: datetime) -> list[Job]:
        """Return the jobs that have been created by `now`."""
        return [job for job in attempt.jobs if job.created <= now]
