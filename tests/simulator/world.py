"""A world that a test edits: repositories, runs, logs and faults."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from demo.world.account import HISTORY_DAYS, Account
from demo.world.live import Span
from demo.world.model import Repository, Run, Workflow
from demo.world.scenario import Episode
from demo.world.world import World, utc_now
from tests.simulator import factories
from tests.simulator.edge_cases import EdgeCases
from tests.simulator.factories import JobPlan
from tests.simulator.fault_injection import Chaos
from tests.simulator.planned_faults import PlannedFaults


class EditableWorld(World):
    """`edge_cases`, `faults` and `chaos` change the responses of the simulator. `renamed` has the ids of renamed
    repositories by their old names. `deleted` has (workflow id, run number) by run id: the number is missing in the
    list of runs. `account` is the acme account if acme_world() made this world."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(clock)
        self.edge_cases = EdgeCases()
        self.faults = PlannedFaults()
        self.chaos: Chaos | None = None
        self.account: Account | None = None
        self.renamed: dict[str, int] = {}
        self.deleted: dict[int, tuple[int, int]] = {}
        self._expired: set[int] = set()
        self._last_id = 1000

    def add_repository(
        self, full_name: str, *, private: bool = True, default_branch: str = "main", archived: bool = False,
        language: str = "node", description: str | None = None,
    ) -> Repository:  # fmt: skip
        repository = Repository(
            self.new_id(), full_name, private, language, datetime(2020, 1, 1, tzinfo=UTC), default_branch, archived,
            description,
        )  # fmt: skip
        self.insert_repository(repository)
        return repository

    def add_workflow(self, repo: str, name: str, file: str | None = None, *, state: str = "active") -> Workflow:
        workflow = Workflow(self.new_id(), name, file or f"{name.lower().replace(' ', '-')}.yml", state)
        self.repositories[repo.lower()].workflows[workflow.id] = workflow
        return workflow

    def add_run(
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
        """Add a run and return its id. Its jobs wait `queue` seconds and take `duration` seconds. With conclusion None
        it is in progress until finish(). A failing run fails in its last job, with a `cause` of
        demo.content.failure_causes. `nulls` are response fields that are null."""
        repository = self.repositories[repo.lower()]
        run_id = self.new_id()
        run = Run(
            run_id, repository, repository.workflow(workflow), 0, title or f"run of {workflow}", branch, event,
            head_sha or f"{run_id:040x}", actor, created_at or self.clock(), message=message, committer=committer,
        )  # fmt: skip
        plans = factories.job_plans(jobs, conclusion, queue, duration)
        attempt = factories.attempt(self.new_id, 1, run.created, actor, conclusion, plans)
        attempt.cause = cause
        run.attempts.append(attempt)
        _set_nulls(run, nulls)
        self.insert_run(run)
        return run.id

    def finish(self, run_id: int, conclusion: str, at: datetime | None = None) -> None:
        factories.finish(self.runs[run_id].attempts[-1], conclusion, at or self.clock())

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
        """Add the next attempt. With `failed_only` the passed jobs are listed again as copies."""
        run = self.runs[run_id]
        last, started = run.attempts[-1], at or self.clock()
        if last.conclusion == "success":
            failed_only = False
        plans = factories.rerun_plans(last, failed_only, conclusion, queue, duration)
        attempt = factories.attempt(self.new_id, last.number + 1, started, run.author, conclusion, plans)
        attempt.cause = last.cause
        if failed_only:
            attempt.jobs = factories.copied_jobs(self.new_id, last) + attempt.jobs
        self.insert_attempt(run, attempt)

    def delete_run(self, run_id: int) -> None:
        run = self.runs[run_id]
        self.deleted[run_id] = run.workflow.id, run.number
        self.remove_run(run_id)

    def rename(self, old: str, new: str) -> None:
        repository = self.repositories.pop(old.lower())
        repository.full_name = new
        self.repositories[new.lower()] = repository
        self.renamed[old.lower()] = repository.id
        self.renamed.pop(new.lower(), None)

    def set_log(self, job_id: int, text: str) -> None:
        self.logs[job_id] = text

    def set_file(self, repo: str, workflow: str, text: str) -> None:
        self.files[self.repositories[repo.lower()].workflow(workflow).id] = text

    def expire_logs(self, run_id: int) -> None:
        self._expired.add(run_id)

    def log_expired(self, run: Run) -> bool:
        return run.id in self._expired or super().log_expired(run)

    def episodes(self, days: int = HISTORY_DAYS) -> list[Episode]:
        """Return the planted episodes of the last `days`; none in a world without the acme account."""
        return self.account.episodes(days) if self.account else []

    def new_id(self) -> int:
        """Return an id that is larger than all before, whatever it is for."""
        self._last_id += 1
        return self._last_id

    def number_from(self, last_id: int) -> None:
        """Make new ids larger than this one."""
        self._last_id = max(self._last_id, last_id)


def acme_world(
    *,
    start: datetime | None = None,
    days: int = HISTORY_DAYS,
    clock: Callable[[], datetime] = utc_now,
    spans: Iterable[Span] = (),
) -> EditableWorld:
    """Return a world with the acme account of demo.world.account."""
    world = EditableWorld(clock)
    world.account = Account(world, start=start, days=days, spans=spans)
    return world


def _set_nulls(run: Run, names: Sequence[str]) -> None:
    run.branch = None if "head_branch" in names else run.branch
    run.author = None if "actor" in names else run.author
    run.fork = run.fork or "head_repository" in names
    run.nulls = (*run.nulls, *names)
