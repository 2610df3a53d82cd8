"""The account: repositories and all their runs, past, present and (hidden until then) to come."""

import random
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from demo.faults import Faults
from demo.history import Builder, copy_of, job_id
from demo.model import SETTLE, Attempt, Job, Repository, Run, Workflow
from demo.scenario import Episode, episodes
from demo.spec import ORG, REPOSITORIES, WorkflowSpec

LIVE_SECONDS = 9
_LIVE_SHARE = 0.75
# Breaks for a while every three hours, so that alerts can be seen to open and to close.
_PULSE_REPO, _PULSE_HOURS, _PULSE_MINUTES = "mobile-app", 3, (20, 34)
LOG_DAYS = 60


def utc_now() -> datetime:
    return datetime.now(UTC)


class World:
    """Ask for what is visible at `clock()`; nothing here changes by being looked at."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self.faults = Faults()
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, int] = {}
        self.runs: dict[int, Run] = {}
        self.jobs: dict[int, int] = {}
        self.logs: dict[int, str] = {}
        self.expired: set[int] = set()
        self.episodes: list[Episode] = []
        self._by_repository: dict[int, list[tuple[datetime, int]]] = {}
        self._next_id = 1000
        self._builders: list[Builder] = []
        self._specs: dict[int, WorkflowSpec] = {}
        self._anchor = clock()
        self._alive = False
        self._made_until: datetime | None = None
        self._spans: list[tuple[datetime, datetime]] = []
        self._live_until: datetime | None = None

    @classmethod
    def empty(cls, clock: Callable[[], datetime] = utc_now) -> "World":
        return cls(clock)

    @classmethod
    def demo(
        cls,
        *,
        anchor: datetime | None = None,
        days: int = 66,
        clock: Callable[[], datetime] = utc_now,
        spans: Iterable[tuple[datetime, datetime]] = (),
    ) -> "World":
        """The acme account. `anchor` is the time of the first start: the same anchor gives the same history.
        `spans` are earlier times at which it ran: live runs of those stay."""
        world = cls(clock)
        now = clock()
        world._anchor = (anchor or now).replace(minute=0, second=0, microsecond=0)
        world._alive = True
        world.episodes = episodes(world._anchor)
        world._make_repositories(days)
        world._made_until = _midnight(world._anchor) - timedelta(days=days)
        for start, end in spans:
            world._make_live(max(start, now - timedelta(days=3)), end)
        world._live_until = now
        world.advance()
        return world

    def advance(self) -> None:
        """Makes what becomes due: tomorrow's plan, and the next live runs."""
        if not self._alive or self._made_until is None or self._live_until is None:
            return
        now = self.clock()
        while self._made_until <= now + timedelta(hours=1):
            self._make_day(self._made_until)
            self._made_until += timedelta(days=1)
        self._make_live(self._live_until, now + timedelta(seconds=LIVE_SECONDS))
        self._live_until = max(self._live_until, now + timedelta(seconds=LIVE_SECONDS))

    # Looking

    def find(self, full_name: str) -> Repository | None:
        return self.repositories.get(full_name.lower())

    def by_id(self, repository_id: int) -> Repository | None:
        return next((each for each in self.repositories.values() if each.id == repository_id), None)

    def newest(self, repository: Repository) -> Iterator[Run]:
        """Visible runs, newest created_at first."""
        now = self.clock()
        for created, run_id in reversed(self._by_repository[repository.id]):
            if created <= now:
                yield self.runs[run_id]

    def run(self, run_id: int) -> Run | None:
        found = self.runs.get(run_id)
        return found if found and found.created <= self.clock() else None

    def job(self, wanted: int) -> tuple[Run, Attempt, Job] | None:
        run = self.runs.get(self.jobs.get(wanted, -1))
        if run is None:
            return None
        pairs = ((attempt, job) for attempt in run.attempts for job in attempt.jobs)
        return next(((run, attempt, job) for attempt, job in pairs if job.id == wanted), None)

    def log_expired(self, run: Run) -> bool:
        return run.id in self.expired or self.clock() - run.created > timedelta(days=LOG_DAYS)

    # Changing, for tests

    def add_repository(self, full_name: str, *, private: bool = True, default_branch: str = "main") -> Repository:
        repository = Repository(
            self._new_id(), full_name, private, "node", datetime(2020, 1, 1, tzinfo=UTC), default_branch
        )
        self.repositories[full_name.lower()] = repository
        self._by_repository[repository.id] = []
        return repository

    def add_workflow(self, repo: str, name: str, file: str = "ci.yml") -> Workflow:
        workflow = Workflow(self._new_id(), name, file)
        self.repositories[repo.lower()].workflows[workflow.id] = workflow
        return workflow

    def add_run(
        self,
        repo: str,
        workflow: str,
        *,
        conclusion: str | None = "success",
        branch: str | None = "main",
        created_at: datetime | None = None,
        seconds: float = 60,
        event: str = "push",
        jobs: int = 1,
    ) -> int:
        """A run with jobs of equal length; without a conclusion it runs until finish()."""
        repository = self.repositories[repo.lower()]
        created = created_at or self.clock()
        found = repository.workflow(workflow)
        run = Run(
            self._new_id(),
            repository,
            found,
            0,
            f"run of {workflow}",
            branch,
            event,
            f"{self._next_id:040x}",
            "alice",
            created,
        )
        run.attempts.append(_plain_attempt(run, 1, created, conclusion, seconds, jobs))
        self._add(run)
        return run.id

    def finish(self, run_id: int, conclusion: str, at: datetime | None = None) -> None:
        attempt = self.runs[run_id].attempts[-1]
        end = at or self.clock()
        for job in attempt.jobs:
            job.completed, job.conclusion = job.completed or end, job.conclusion or conclusion
        attempt.conclusion, attempt.ended = conclusion, end + SETTLE

    def rerun(
        self, run_id: int, *, conclusion: str | None = "success", at: datetime | None = None, failed_only: bool = True,
        seconds: float = 60,
    ) -> None:  # fmt: skip
        run = self.runs[run_id]
        last, number = run.attempts[-1], run.attempts[-1].number + 1
        attempt = _plain_attempt(run, number, at or self.clock(), conclusion, seconds, len(last.jobs))
        if failed_only:
            passed = [job for job in last.jobs if job.conclusion == "success"]
            copies = [copy_of(run, number, index, job) for index, job in enumerate(passed)]
            names = {job.name for job in copies}
            attempt.jobs = copies + [job for job in attempt.jobs if job.name not in names]
        run.attempts.append(attempt)
        self.jobs.update((job.id, run.id) for job in attempt.jobs)

    def delete_run(self, run_id: int) -> None:
        run = self.runs.pop(run_id)
        self._by_repository[run.repository.id].remove((run.created, run.id))

    def set_log(self, wanted: int, text: str) -> None:
        self.logs[wanted] = text

    def rename(self, old: str, new: str) -> None:
        repository = self.repositories.pop(old.lower())
        repository.full_name = new
        self.repositories[new.lower()] = repository
        self.renamed[old.lower()] = repository.id

    # Making

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _add(self, run: Run) -> None:
        run.workflow.runs += 1
        run.number = run.number or run.workflow.runs
        self.runs[run.id] = run
        self.jobs.update((job.id, run.id) for attempt in run.attempts for job in attempt.jobs)
        insort(self._by_repository[run.repository.id], (run.created, run.id))

    def _make_repositories(self, days: int) -> None:
        for index, spec in enumerate(REPOSITORIES, start=1):
            name = f"{ORG}/{spec.name}"
            created = self._anchor - timedelta(days=days + 500)
            repository = Repository(710_000_000 + index * 1117, name, spec.private, spec.language, created)
            self.repositories[name] = repository
            self._by_repository[repository.id] = []
            for number, workflow_spec in enumerate(spec.workflows, start=1):
                workflow = Workflow(90_000_000 + index * 1000 + number, workflow_spec.name, workflow_spec.file)
                workflow.runs = 400 * number
                repository.workflows[workflow.id] = workflow
                self._builders.append(Builder(repository, workflow, workflow_spec, self.episodes))

    def _make_day(self, day: datetime) -> None:
        for index, builder in enumerate(self._builders):
            rng = random.Random(f"{self._anchor}:{builder.workflow.id}:{day:%Y-%m-%d}")
            base = (day.toordinal() % 100_000) * 1_000_000_00 + index * 1_000_000
            for run in builder.day(rng, day, base):
                self._add(run)
        self._keep_broken(day)

    def _keep_broken(self, day: datetime) -> None:
        """Whatever the dice said, the pipeline that is broken now has failed several times in a row."""
        current = self.episodes[0]
        builder = next(
            b
            for b in self._builders
            if b.workflow.name == current.workflow and b.repository.full_name.endswith(current.repo)
        )
        for number, hours in enumerate((8.9, 7.1, 5.2, 3.4, 1.3)):
            moment = self._anchor - timedelta(hours=hours)
            if day <= moment < day + timedelta(days=1):
                rng = random.Random(f"{moment}")
                self._add(
                    builder.build(
                        rng, moment, (day.toordinal() % 100_000) * 1_000_000_00 + 99_000_000 + number * 40, event="push"
                    )
                )

    def _make_live(self, start: datetime, end: datetime) -> None:
        """One slot every few seconds decides, by its number alone, whether and what runs."""
        builders = [builder for builder in self._builders if builder.spec.live]
        slot = int(start.timestamp()) // LIVE_SECONDS + 1
        while slot * LIVE_SECONDS <= end.timestamp():
            rng = random.Random(f"live:{self._anchor}:{slot}")
            if rng.random() < _LIVE_SHARE:
                created = datetime.fromtimestamp(slot * LIVE_SECONDS, UTC)
                builder = rng.choice(builders)
                run = builder.build(rng, created, 60_000_000_000_000 + slot * 40)
                self._pulse(builder, run)
                if run.id not in self.runs:
                    self._add(run)
            slot += 1

    @staticmethod
    def _pulse(builder: Builder, run: Run) -> None:
        moment = run.created
        first, last = _PULSE_MINUTES
        inside = moment.hour % _PULSE_HOURS == 1 and first <= moment.minute < last
        if inside and builder.repository.full_name.endswith(_PULSE_REPO) and run.event == "push":
            attempt = run.attempts[0]
            attempt.conclusion, run.cause = "failure", "npm_resolve"
            del run.attempts[1:]
            if attempt.jobs:
                attempt.jobs[0].conclusion = "failure"


def _plain_attempt(
    run: Run, number: int, started: datetime, conclusion: str | None, seconds: float, jobs: int
) -> Attempt:
    first = started + timedelta(seconds=5)
    end = first + timedelta(seconds=seconds) if conclusion else None
    attempt = Attempt(number, started, "alice", conclusion, ended=end + SETTLE if end else None)
    for index in range(jobs):
        # The last one fails where the attempt does: the others are copied when only it is run again.
        verdict = conclusion if index == jobs - 1 or conclusion != "failure" else "success"
        attempt.jobs.append(
            Job(
                job_id(run.id, number, index),
                f"job {index + 1}",
                "test",
                "ubuntu-latest",
                started,
                first,
                end,
                verdict,
                7,
                "runner 1",
            )
        )
    return attempt


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
