"""Everything that the simulator knows, seen at `clock()`; nothing here changes by being looked at."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from demo import making
from demo.faults import Faults
from demo.live import Span
from demo.making import JobPlan
from demo.model import Attempt, Job, Repository, Run, Workflow
from demo.scenario import Episode
from demo.traps import Traps

if TYPE_CHECKING:
    from demo.account import Account
    from demo.chaos import Chaos

LOG_DAYS = 60


def utc_now() -> datetime:
    return datetime.now(UTC)


class World:
    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self.faults = Faults()
        self.traps = Traps()
        self.chaos: Chaos | None = None
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, int] = {}
        self.runs: dict[int, Run] = {}
        self.logs: dict[int, str] = {}
        # Workflow id to the text of its file.
        self.files: dict[int, str] = {}
        self.expired: set[int] = set()
        # Run id to (workflow id, run number): the gap that a deleted run leaves.
        self.deleted: dict[int, tuple[int, int]] = {}
        self.account: Account | None = None
        self._run_of_job: dict[int, int] = {}
        self._order: dict[int, list[tuple[datetime, int]]] = {}
        self._last_id = 1000

    @classmethod
    def empty(cls, clock: Callable[[], datetime] = utc_now) -> "World":
        return cls(clock)

    @classmethod
    def demo(
        cls,
        *,
        seed: str = "acme",
        start: datetime | None = None,
        anchor: datetime | None = None,
        days: int = 66,
        clock: Callable[[], datetime] = utc_now,
        spans: Iterable[Span] = (),
    ) -> "World":
        """The acme account. The same `seed`, `start` and `spans` (times in which it was on before) give the same
        account whenever it is asked for. Without `start` it starts now; `anchor` is another word for it."""
        from demo.account import Account

        world = cls(clock)
        world.account = Account(world, seed=seed, start=start or anchor or clock(), days=days, spans=spans)
        world.advance()
        return world

    def advance(self) -> None:
        """Makes what has become due since the last time."""
        if self.account:
            self.account.advance()

    # Looking

    def find(self, full_name: str) -> Repository | None:
        return self.repositories.get(full_name.lower())

    def by_id(self, repository_id: int) -> Repository | None:
        return next((each for each in self.repositories.values() if each.id == repository_id), None)

    def newest(
        self, repository: Repository, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Run]:
        """Visible runs created in [since, until], newest created_at first."""
        order, latest = self._order[repository.id], self.clock()
        end = bisect_right(order, (min(until, latest) if until else latest, 2**63))
        begin = bisect_left(order, (since, 0)) if since else 0
        return (self.runs[run_id] for _, run_id in reversed(order[begin:end]))

    def count(self, repository: Repository) -> int:
        return bisect_right(self._order[repository.id], (self.clock(), 2**63))

    def run(self, run_id: int) -> Run | None:
        found = self.runs.get(run_id)
        return found if found and found.created <= self.clock() else None

    def job(self, wanted: int) -> tuple[Run, Attempt, Job] | None:
        run = self.runs.get(self._run_of_job.get(wanted, -1))
        if run is None:
            return None
        pairs = ((attempt, job) for attempt in run.attempts for job in attempt.jobs)
        return next(((run, attempt, job) for attempt, job in pairs if job.id == wanted), None)

    def log_expired(self, run: Run) -> bool:
        return run.id in self.expired or self.clock() - run.created > timedelta(days=LOG_DAYS)

    def episodes(self, days: int = 66) -> list[Episode]:
        """What is planted in the last `days` and going on now; nothing in a world that was made empty."""
        now = self.clock()
        return self.account.scenario.table(now - timedelta(days=days), now) if self.account else []

    # Changing, for tests

    def add_repository(
        self, full_name: str, *, private: bool = True, default_branch: str = "main", archived: bool = False,
        language: str = "node", description: str | None = None,
    ) -> Repository:  # fmt: skip
        repository = Repository(
            self.new_id(), full_name, private, language, datetime(2020, 1, 1, tzinfo=UTC), default_branch, archived,
            description,
        )  # fmt: skip
        self.add_existing(repository)
        return repository

    def add_workflow(self, repo: str, name: str, file: str | None = None, *, state: str = "active") -> Workflow:
        workflow = Workflow(self.new_id(), name, file or f"{name.lower().replace(' ', '-')}.yml", state)
        self.repositories[repo.lower()].workflows[workflow.id] = workflow
        return workflow

    def add_run(  # noqa: PLR0913
        self,
        repo: str,
        workflow: str,
        *,
        branch: str | None = "main",
        conclusion: str | None = "success",
        created_at: datetime | None = None,
        duration: float = 60,
        queue: float = 5,
        event: str = "push",
        actor: str | None = "alice",
        title: str | None = None,
        head_sha: str | None = None,
        message: str | None = None,
        committer: str | None = None,
        jobs: int | Sequence[str | JobPlan] = 1,
        cause: str | None = None,
        nulls: Sequence[str] = (),
    ) -> int:
        """A run with jobs of `duration` seconds that wait `queue` seconds; with conclusion None it runs until
        finish(). A failing run fails in its last job, for a `cause` of `demo.causes`. `nulls`: fields of GitHub's
        answer that are null. Its id is the answer."""
        repository = self.repositories[repo.lower()]
        number = self.new_id()
        run = Run(
            number, repository, repository.workflow(workflow), 0, title or f"run of {workflow}", branch, event,
            head_sha or f"{number:040x}", actor, created_at or self.clock(), message=message, committer=committer,
        )  # fmt: skip
        plans = making.planned(jobs, conclusion, queue, duration)
        run.attempts.append(making.attempt(self.new_id, 1, run.created, actor, conclusion, plans))
        run.cause = cause
        run.leave_out(nulls)
        self.add(run)
        return run.id

    def finish(self, run_id: int, conclusion: str, at: datetime | None = None) -> None:
        making.finish(self.runs[run_id].attempts[-1], conclusion, at or self.clock())

    def rerun(
        self,
        run_id: int,
        *,
        failed_only: bool = True,
        at: datetime | None = None,
        conclusion: str | None = "success",
        duration: float = 60,
        queue: float = 5,
    ) -> None:
        """The next attempt. With `failed_only` the jobs that had passed are listed again as copies."""
        run = self.runs[run_id]
        last, begins = run.attempts[-1], at or self.clock()
        if last.conclusion == "success":
            failed_only = False
        plans = making.planned_again(last, failed_only, conclusion, queue, duration)
        attempt = making.attempt(self.new_id, last.number + 1, begins, run.author, conclusion, plans)
        attempt.cause = last.cause
        if failed_only:
            attempt.jobs = making.copied(self.new_id, last) + attempt.jobs
        self.add_attempt(run, attempt)

    def delete_run(self, run_id: int) -> None:
        run = self.runs[run_id]
        self.deleted[run_id] = run.workflow.id, run.number
        self._drop(run_id)

    def set_log(self, job_id: int, text: str) -> None:
        self.logs[job_id] = text

    def set_file(self, repo: str, workflow: str, text: str) -> None:
        self.files[self.repositories[repo.lower()].workflow(workflow).id] = text

    def expire_logs(self, run_id: int) -> None:
        self.expired.add(run_id)

    def rename(self, old: str, new: str) -> None:
        repository = self.repositories.pop(old.lower())
        repository.full_name = new
        self.repositories[new.lower()] = repository
        self.renamed[old.lower()] = repository.id
        self.renamed.pop(new.lower(), None)

    # Filling

    def add_existing(self, repository: Repository) -> None:
        self.repositories[repository.full_name.lower()] = repository
        self._order[repository.id] = []

    def add(self, run: Run) -> None:
        run.workflow.runs = max(run.workflow.runs + 1, run.number)
        run.number = run.number or run.workflow.runs
        self.runs[run.id] = run
        self._index(run)
        insort(self._order[run.repository.id], (run.created, run.id))

    def add_attempt(self, run: Run, attempt: Attempt) -> None:
        run.attempts.append(attempt)
        self._run_of_job.update((job.id, run.id) for job in attempt.jobs)

    def forget(self, *, before: datetime, since: datetime | None = None, workflows: set[int] | None = None) -> None:
        """Drops runs created in [since, before), of these workflows or of all."""
        for order in self._order.values():
            begin = bisect_left(order, (since, 0)) if since else 0
            old = [run_id for _, run_id in order[begin : bisect_left(order, (before, 0))]]
            for run_id in old:
                if workflows is None or self.runs[run_id].workflow.id in workflows:
                    self._drop(run_id)

    def _drop(self, run_id: int) -> None:
        run = self.runs.pop(run_id)
        self._order[run.repository.id].remove((run.created, run.id))
        for attempt in run.attempts:
            for job in attempt.jobs:
                self._run_of_job.pop(job.id, None)

    def _index(self, run: Run) -> None:
        self._run_of_job.update((job.id, run.id) for attempt in run.attempts for job in attempt.jobs)

    def new_id(self) -> int:
        """Larger than all before, of whatever kind."""
        self._last_id += 1
        return self._last_id

    def number_from(self, last_id: int) -> None:
        """New ids are larger than this one, too."""
        self._last_id = max(self._last_id, last_id)
