"""Runs by the thousand: quick to make, and with everything that runs really have. Unlike the acme account's they tell
no story; every moment lies in the past, so that nothing changes by itself between two looks."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from demo import making
from demo.causes import CAUSES
from demo.dice import dice
from demo.model import SETTLE, Attempt, Job, Repository, Run, Workflow
from demo.texts import ACTORS, BOTS, WORK
from demo.world import World

_ENDINGS = {
    "success": 820, "failure": 125, "cancelled": 30, "skipped": 8, "timed_out": 5, "startup_failure": 5,
    "action_required": 3, "neutral": 2, "stale": 2,
}  # fmt: skip
_NEVER_RAN = ("startup_failure", "action_required", "stale")
_EVENTS = {"push": 40, "pull_request": 48, "schedule": 6, "workflow_dispatch": 6}
_KINDS = (
    ("lint", "lint", "ubuntu-latest"), ("test (3.12)", "test", "ubuntu-latest"),
    ("test (3.13)", "test", "ubuntu-latest"), ("build", "build", "ubuntu-24.04-arm"),
    ("package / windows", "build", "windows-latest"), ("e2e", "e2e", "macos-14"), ("deploy", "deploy", "self-hosted"),
)  # fmt: skip
_CAUSES = tuple(CAUSES)
# A job that waits begins when somebody finishes it.
_NOT_YET = datetime(2100, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Part:
    """A job of a workflow. `late`: it waits for all those that are not."""

    name: str
    kind: str
    label: str
    late: bool


class Mass:
    """Adds to `world`; `jobs` is the fewest and the most of a run."""

    def __init__(self, world: World, rng: Random, jobs: tuple[int, int] = (2, 5)) -> None:
        self._world, self._rng, self._jobs = world, rng, jobs
        self._plans: dict[int, list[Part]] = {}

    def run(self, repository: Repository, workflow: Workflow, created: datetime, *, over: bool = True) -> Run:
        """With its first attempt; one that is not `over` goes on until finish()."""
        rng = self._rng
        event = rng.choices(list(_EVENTS), list(_EVENTS.values()))[0]
        title, branch = rng.choice(WORK)
        author = rng.choice(BOTS if rng.random() < 0.05 else ACTORS)
        run = Run(
            self._world.new_id(), repository, workflow, 0, title, branch if event == "pull_request" else "main",
            event, f"{rng.getrandbits(160):040x}", author, created,
        )  # fmt: skip
        self._leave_out(run)
        ending = rng.choices(list(_ENDINGS), list(_ENDINGS.values()))[0] if over else None
        run.attempts.append(self._attempt(run, 1, created, ending))
        if ending == "startup_failure":
            run.name = workflow.path
        self._world.add(run)
        return run

    def again(self, run: Run, started: datetime, *, over: bool = True) -> Attempt:
        """The next attempt: of the failed jobs, which lists the others as copies, or of all."""
        last, rng = run.attempts[-1], self._rng
        failed = {job.name for job in last.jobs if job.conclusion != "success" and not job.phantom}
        only = failed if failed and rng.random() < 0.7 else None
        ending = rng.choices(("success", "failure"), (60, 40))[0] if over else None
        attempt = self._attempt(run, last.number + 1, started, ending, only)
        attempt.actor = rng.choice(ACTORS)
        if only:
            attempt.jobs = making.copied(self._world.new_id, last) + attempt.jobs
        self._world.add_attempt(run, attempt)
        return attempt

    def finish(self, run: Run, at: datetime) -> None:
        """Ends what is going on in the latest attempt."""
        attempt, rng = run.attempts[-1], self._rng
        for job in attempt.jobs:
            job.runner = job.runner or _runner(rng, job.label)
        making.finish(attempt, rng.choices(("success", "failure", "cancelled"), (80, 15, 5))[0], at)

    def _attempt(
        self, run: Run, number: int, started: datetime, ending: str | None, only: set[str] | None = None
    ) -> Attempt:
        attempt = Attempt(number, started, run.author, ending)
        attempt.ended = started + SETTLE if ending else None
        if ending in _NEVER_RAN:
            return attempt
        parts = [part for part in self._parts(run.workflow) if only is None or part.name in only]
        attempt.jobs = [self._job(part, started + _SECOND) for part in parts]
        _order(attempt.jobs, parts)
        if ending is None:
            _halt(attempt.jobs)
            return attempt
        attempt.cause = self._spoil(attempt, parts)
        end = max(job.completed for job in attempt.jobs if job.completed)
        if run.workflow.id % 4 == 0 and ending in ("success", "failure") and self._rng.random() < 0.5:
            attempt.jobs.append(self._posted(end, ending))
        attempt.ended = end + SETTLE
        return attempt

    def _job(self, part: Part, created: datetime) -> Job:
        rng = self._rng
        started = created + timedelta(seconds=int(rng.expovariate(0.12)) + 1)
        completed = started + timedelta(seconds=min(int(rng.lognormvariate(4.4, 0.6)), 1500) + 5)
        return Job(
            self._world.new_id(), part.name, part.kind, part.label, created, started, completed, "success",
            rng.getrandbits(31), _runner(rng, part.label),
        )  # fmt: skip

    def _posted(self, at: datetime, conclusion: str) -> Job:
        """A check run that a test reporter posted: it looks like a job."""
        return Job(self._world.new_id(), "Test results", "report", "", at, at, at, conclusion, 0, phantom=True)

    def _spoil(self, attempt: Attempt, parts: list[Part]) -> str | None:
        """Makes the jobs fit how the attempt ended."""
        ending, jobs, rng = attempt.conclusion, attempt.jobs, self._rng
        if ending in ("success", None):
            return None
        if ending in ("skipped", "neutral"):
            for job in jobs if ending == "skipped" else ():
                _skip(rng, job, attempt.started)
            jobs[-1].conclusion = ending
            return None
        bad = rng.randrange(len(jobs))
        jobs[bad].conclusion = ending
        for job, part in zip(jobs, parts, strict=True):
            if part.late and not parts[bad].late:
                _skip(rng, job, job.created)
        return rng.choice(_CAUSES) if ending == "failure" else None

    def _parts(self, workflow: Workflow) -> list[Part]:
        found = self._plans.get(workflow.id)
        if found is None:
            rng = dice("parts", workflow.id)
            count = rng.randint(*self._jobs)
            chosen = sorted(rng.sample(range(len(_KINDS)), min(count, len(_KINDS))))
            found = [Part(*_KINDS[place], late=n >= (len(chosen) + 1) // 2) for n, place in enumerate(chosen)]
            more = range(len(found), count)
            found += [replace(found[-1], name=f"shard {number}") for number in more]
            self._plans[workflow.id] = found
        return found

    def _leave_out(self, run: Run) -> None:
        """What GitHub leaves empty: deleted forks, accounts and branches, and names now and then."""
        draw = self._rng.random()
        run.fork = draw < 0.01
        run.author = None if 0.01 <= draw < 0.014 else run.author
        run.branch = None if 0.014 <= draw < 0.018 else run.branch
        run.nulls = ("name",) if 0.018 <= draw < 0.02 else (("head_commit",) if 0.02 <= draw < 0.023 else ())


def _order(jobs: list[Job], parts: list[Part]) -> None:
    """Late jobs are created when the early ones are over."""
    ends = [job.completed for job, part in zip(jobs, parts, strict=True) if not part.late and job.completed]
    if not ends:
        return
    for job, part in zip(jobs, parts, strict=True):
        if part.late:
            shift = max(ends) + _SECOND - job.created
            job.created, job.started = job.created + shift, job.started + shift
            job.completed = job.completed + shift if job.completed else None


def _halt(jobs: list[Job]) -> None:
    """The first job is over, the second is running, the others wait; a single one is running."""
    for place, job in enumerate(jobs):
        if place == 0 and len(jobs) > 1:
            continue
        job.completed = job.conclusion = None
        if place > 1:
            job.created, job.started, job.runner = jobs[0].created, _NOT_YET, None


def _skip(rng: Random, job: Job, at: datetime) -> None:
    # GitHub shows some skipped jobs as completed before they started.
    odd = timedelta(seconds=rng.choice((0, 0, 0, 1)))
    job.created, job.started, job.completed, job.conclusion, job.runner = at, at, at - odd, "skipped", None


def _runner(rng: Random, label: str) -> str:
    return f"runner-{rng.randrange(1, 13):02d}" if label == "self-hosted" else f"GitHub Actions {rng.getrandbits(30)}"
