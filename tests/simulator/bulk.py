"""Random runs in large numbers, with everything that real runs have: re-runs, null fields, skipped and copied jobs.

Every time is in the past, so the account does not change as time passes. Unlike the acme account it has no episodes."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from demo.content.failure_causes import CAUSES
from demo.content.fixtures import ACTORS, BOTS, CHANGES
from demo.world.model import SETTLE_TIME, Attempt, Job, Repository, Run, Workflow
from demo.world.seeded_random import seeded_random
from tests.simulator import factories
from tests.simulator.world import EditableWorld

# Weights of conclusions.
_CONCLUSIONS = {
    "success": 820, "failure": 125, "cancelled": 30, "skipped": 8, "timed_out": 5, "startup_failure": 5,
    "action_required": 3, "neutral": 2, "stale": 2,
}  # fmt: skip
_WITHOUT_JOBS = ("startup_failure", "action_required", "stale")
_EVENTS = {"push": 40, "pull_request": 48, "schedule": 6, "workflow_dispatch": 6}
# Name, kind and label.
_JOBS = (
    ("lint", "lint", "ubuntu-latest"), ("test (3.12)", "test", "ubuntu-latest"),
    ("test (3.13)", "test", "ubuntu-latest"), ("build", "build", "ubuntu-24.04-arm"),
    ("package / windows", "build", "windows-latest"), ("e2e", "e2e", "macos-14"), ("deploy", "deploy", "self-hosted"),
)  # fmt: skip
_CAUSES = tuple(CAUSES)
# Start of a job that waits until finish().
_NOT_YET = datetime(2100, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class JobTemplate:
    """A job of a workflow. `late` jobs wait for all jobs that are not."""

    name: str
    kind: str
    label: str
    late: bool


class BulkRuns:
    """Adds runs to `world`. `jobs` is the minimum and maximum per run."""

    def __init__(self, world: EditableWorld, rng: Random, jobs: tuple[int, int] = (2, 5)) -> None:
        self._world, self._rng, self._jobs = world, rng, jobs
        self._templates_of: dict[int, list[JobTemplate]] = {}

    def add_run(self, repository: Repository, workflow: Workflow, created: datetime, *, completed: bool = True) -> Run:
        """Add a run with its first attempt. One that is not completed is in progress until finish()."""
        rng = self._rng
        event = rng.choices(list(_EVENTS), list(_EVENTS.values()))[0]
        title, branch = rng.choice(CHANGES)
        author = rng.choice(BOTS if rng.random() < 0.05 else ACTORS)
        run = Run(
            self._world.new_id(), repository, workflow, 0, title, branch if event == "pull_request" else "main",
            event, f"{rng.getrandbits(160):040x}", author, created,
        )  # fmt: skip
        self._set_nulls(run)
        conclusion = rng.choices(list(_CONCLUSIONS), list(_CONCLUSIONS.values()))[0] if completed else None
        run.attempts.append(self._attempt(run, 1, created, conclusion))
        if conclusion == "startup_failure":
            run.name = workflow.path
        self._world.insert_run(run)
        return run

    def add_rerun(self, run: Run, started: datetime, *, completed: bool = True) -> Attempt:
        """Add an attempt: of the failed jobs, with copies of the others, or of all jobs."""
        last, rng = run.attempts[-1], self._rng
        failed = {job.name for job in last.jobs if job.conclusion != "success" and not job.phantom}
        only = failed if failed and rng.random() < 0.7 else None
        conclusion = rng.choices(("success", "failure"), (60, 40))[0] if completed else None
        attempt = self._attempt(run, last.number + 1, started, conclusion, only)
        attempt.actor = rng.choice(ACTORS)
        if only:
            attempt.jobs = factories.copied_jobs(self._world.new_id, last) + attempt.jobs
        self._world.insert_attempt(run, attempt)
        return attempt

    def finish(self, run: Run, at: datetime) -> None:
        """End the latest attempt."""
        attempt, rng = run.attempts[-1], self._rng
        for job in attempt.jobs:
            job.runner = job.runner or _runner(rng, job.label)
        factories.finish(attempt, rng.choices(("success", "failure", "cancelled"), (80, 15, 5))[0], at)

    def _attempt(
        self, run: Run, number: int, started: datetime, conclusion: str | None, only: set[str] | None = None
    ) -> Attempt:
        attempt = Attempt(number, started, run.author, conclusion)
        attempt.ended = started + SETTLE_TIME if conclusion else None
        if conclusion in _WITHOUT_JOBS:
            return attempt
        templates = [template for template in self._templates(run.workflow) if only is None or template.name in only]
        attempt.jobs = [self._job(template, started + _SECOND) for template in templates]
        _shift_late_jobs(attempt.jobs, templates)
        if conclusion is None:
            _set_in_progress(attempt.jobs)
            return attempt
        attempt.cause = self._conclude(attempt, templates)
        end = max(job.completed for job in attempt.jobs if job.completed)
        if run.workflow.id % 4 == 0 and conclusion in ("success", "failure") and self._rng.random() < 0.5:
            attempt.jobs.append(self._reporter_check(end, conclusion))
        attempt.ended = end + SETTLE_TIME
        return attempt

    def _job(self, template: JobTemplate, created: datetime) -> Job:
        rng = self._rng
        started = created + timedelta(seconds=int(rng.expovariate(0.12)) + 1)
        completed = started + timedelta(seconds=min(int(rng.lognormvariate(4.4, 0.6)), 1500) + 5)
        return Job(
            self._world.new_id(), template.name, template.kind, template.label, created, started, completed, "success",
            rng.getrandbits(31), _runner(rng, template.label),
        )  # fmt: skip

    def _reporter_check(self, at: datetime, conclusion: str) -> Job:
        """Return a check run of a test reporter, which GitHub lists among the jobs."""
        return Job(self._world.new_id(), "Test results", "report", "", at, at, at, conclusion, 0, phantom=True)

    def _conclude(self, attempt: Attempt, templates: list[JobTemplate]) -> str | None:
        """Set the jobs' conclusions to fit the attempt's. Return the cause of a failure."""
        conclusion, jobs, rng = attempt.conclusion, attempt.jobs, self._rng
        if conclusion in ("success", None):
            return None
        if conclusion in ("skipped", "neutral"):
            for job in jobs if conclusion == "skipped" else ():
                _skip(rng, job, attempt.started)
            jobs[-1].conclusion = conclusion
            return None
        failing = rng.randrange(len(jobs))
        jobs[failing].conclusion = conclusion
        for job, template in zip(jobs, templates, strict=True):
            if template.late and not templates[failing].late:
                _skip(rng, job, job.created)
        return rng.choice(_CAUSES) if conclusion == "failure" else None

    def _templates(self, workflow: Workflow) -> list[JobTemplate]:
        templates = self._templates_of.get(workflow.id)
        if templates is None:
            rng = seeded_random("parts", workflow.id)
            count = rng.randint(*self._jobs)
            chosen = sorted(rng.sample(range(len(_JOBS)), min(count, len(_JOBS))))
            templates = [JobTemplate(*_JOBS[index], late=n >= (len(chosen) + 1) // 2) for n, index in enumerate(chosen)]
            shards = range(len(templates), count)
            templates += [replace(templates[-1], name=f"shard {number}") for number in shards]
            self._templates_of[workflow.id] = templates
        return templates

    def _set_nulls(self, run: Run) -> None:
        """Set some fields to null: of deleted forks, accounts and branches, and seldom the name."""
        draw = self._rng.random()
        run.fork = draw < 0.01
        run.author = None if 0.01 <= draw < 0.014 else run.author
        run.branch = None if 0.014 <= draw < 0.018 else run.branch
        run.nulls = ("name",) if 0.018 <= draw < 0.02 else (("head_commit",) if 0.02 <= draw < 0.023 else ())


def _shift_late_jobs(jobs: list[Job], templates: list[JobTemplate]) -> None:
    """Shift the late jobs to the end of the others."""
    ends = [job.completed for job, template in zip(jobs, templates, strict=True) if not template.late and job.completed]
    if not ends:
        return
    for job, template in zip(jobs, templates, strict=True):
        if template.late:
            shift = max(ends) + _SECOND - job.created
            job.created, job.started = job.created + shift, job.started + shift
            job.completed = job.completed + shift if job.completed else None


def _set_in_progress(jobs: list[Job]) -> None:
    """Leave the first job completed, the second running and the others queued; a single job is running."""
    for index, job in enumerate(jobs):
        if index == 0 and len(jobs) > 1:
            continue
        job.completed = job.conclusion = None
        if index > 1:
            job.created, job.started, job.runner = jobs[0].created, _NOT_YET, None


def _skip(rng: Random, job: Job, at: datetime) -> None:
    # GitHub shows some skipped jobs as completed a second before they started.
    early = timedelta(seconds=rng.choice((0, 0, 0, 1)))
    job.created, job.started, job.completed, job.conclusion, job.runner = at, at, at - early, "skipped", None


def _runner(rng: Random, label: str) -> str:
    return f"runner-{rng.randrange(1, 13):02d}" if label == "self-hosted" else f"GitHub Actions {rng.getrandbits(30)}"
