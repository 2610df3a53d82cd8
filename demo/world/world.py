"""Repositories, workflows and runs of the simulated GitHub.

Every object carries its own times, so the state at `clock()` is computed when it is read. Reading changes nothing."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from demo.world.model import Attempt, Job, Repository, Run, Team

# GitHub deletes logs after the retention time of the repository.
LOG_RETENTION_DAYS = 60


def utc_now() -> datetime:
    return datetime.now(UTC)


class Timeline(Protocol):
    """Source of runs over time. Without one, a world holds only what is inserted."""

    def advance(self) -> None:
        """Insert the runs that have become due since the last call."""


class World:
    """`logs`: texts that replace the generated logs, by job id. `files`: texts of workflow files, by workflow id.
    `contents`: other files of default branches, by repository id and path. `teams`: teams of organisations, by the
    organisation's name in lower case."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self.timeline: Timeline | None = None
        self.repositories: dict[str, Repository] = {}
        self.runs: dict[int, Run] = {}
        self.logs: dict[int, str] = {}
        self.files: dict[int, str] = {}
        self.contents: dict[tuple[int, str], bytes] = {}
        self.teams: dict[str, list[Team]] = {}
        self._run_of_job: dict[int, int] = {}
        # Repository id to (creation, run id), oldest first.
        self._order: dict[int, list[tuple[datetime, int]]] = {}

    def advance(self) -> None:
        """Insert the runs that have become due since the last call."""
        if self.timeline:
            self.timeline.advance()

    # Reading

    def find(self, full_name: str) -> Repository | None:
        """Return the repository with this name; GitHub ignores case."""
        return self.repositories.get(full_name.lower())

    def by_id(self, repository_id: int) -> Repository | None:
        return next((repo for repo in self.repositories.values() if repo.id == repository_id), None)

    def newest(
        self, repository: Repository, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Run]:
        """Yield visible runs created in [since, until], newest first."""
        order, latest = self._order[repository.id], self.clock()
        end = bisect_right(order, (min(until, latest) if until else latest, 2**63))
        begin = bisect_left(order, (since, 0)) if since else 0
        return (self.runs[run_id] for _, run_id in reversed(order[begin:end]))

    def count(self, repository: Repository) -> int:
        """Return the number of visible runs."""
        return bisect_right(self._order[repository.id], (self.clock(), 2**63))

    def run(self, run_id: int) -> Run | None:
        run = self.runs.get(run_id)
        return run if run and run.created <= self.clock() else None

    def job(self, job_id: int) -> tuple[Run, Attempt, Job] | None:
        """Return the job with its run and attempt."""
        run = self.runs.get(self._run_of_job.get(job_id, -1))
        if run is None:
            return None
        pairs = ((attempt, job) for attempt in run.attempts for job in attempt.jobs)
        return next(((run, attempt, job) for attempt, job in pairs if job.id == job_id), None)

    def log_expired(self, run: Run) -> bool:
        return self.clock() - run.created > timedelta(days=LOG_RETENTION_DAYS)

    # Writing

    def insert_repository(self, repository: Repository) -> None:
        self.repositories[repository.full_name.lower()] = repository
        self._order[repository.id] = []

    def insert_run(self, run: Run) -> None:
        """A run with number 0 gets the next number of its workflow."""
        run.workflow.runs = max(run.workflow.runs + 1, run.number)
        run.number = run.number or run.workflow.runs
        self.runs[run.id] = run
        self._run_of_job.update((job.id, run.id) for attempt in run.attempts for job in attempt.jobs)
        insort(self._order[run.repository.id], (run.created, run.id))

    def insert_attempt(self, run: Run, attempt: Attempt) -> None:
        run.attempts.append(attempt)
        self._run_of_job.update((job.id, run.id) for job in attempt.jobs)

    def remove_runs(
        self, *, before: datetime, since: datetime | None = None, workflows: set[int] | None = None
    ) -> None:
        """Remove runs created in [since, before), of the workflows with these ids or of all."""
        for order in self._order.values():
            begin = bisect_left(order, (since, 0)) if since else 0
            old = [run_id for _, run_id in order[begin : bisect_left(order, (before, 0))]]
            for run_id in old:
                if workflows is None or self.runs[run_id].workflow.id in workflows:
                    self.remove_run(run_id)

    def remove_run(self, run_id: int) -> None:
        run = self.runs.pop(run_id)
        self._order[run.repository.id].remove((run.created, run.id))
        for attempt in run.attempts:
            for job in attempt.jobs:
                self._run_of_job.pop(job.id, None)
