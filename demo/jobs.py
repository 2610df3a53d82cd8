"""The jobs of an attempt: who waits for whom and for a runner, how long each takes, and which one spoils it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from demo.model import Attempt, Job, Run
from demo.scenario import Scenario
from demo.spec import MACOS, OWN, JobSpec, WorkflowSpec

_BUSY = (9, 10, 11, 14, 15, 16)
_COPIES, _PHANTOM = 50, 99
# The kind of job, or its name, that a cause shows in.
_FAILS_IN = {
    "playwright_timeout": "e2e", "flaky": "e2e", "jvm_test": "test", "go_test": "test", "jest": "test",
    "xctest": "test", "python_assert": "test", "terraform_plan": "deploy", "typescript": "lint", "ruff": "lint",
    "go_vet": "lint", "npm_resolve": "build", "gradle": "android",
}  # fmt: skip


class JobMaker:
    def __init__(self, spec: WorkflowSpec, repo: str, scenario: Scenario) -> None:
        self._spec, self._repo, self._scenario = spec, repo, scenario

    def make(self, rng: Random, run: Run, attempt: Attempt, only: set[str] | None = None) -> list[Job]:
        """Jobs of an attempt that really runs; `only` these, when failed ones are run again."""
        chosen = [(n, spec) for n, spec in enumerate(self._spec.jobs) if only is None or spec.name in only]
        passes = attempt.conclusion in ("success", "neutral", "cancelled")
        bad = -1 if passes else _spoiler(rng, [spec for _, spec in chosen], attempt.cause)
        jobs = list(self._staged(rng, run, attempt, chosen, bad))
        if attempt.conclusion == "cancelled":
            _cancel(jobs, attempt.started, rng.uniform(0.1, 0.8))
        elif attempt.conclusion == "neutral":
            jobs[-1].conclusion = "neutral"
        return jobs

    def skipped(self, rng: Random, run: Run, attempt: Attempt) -> list[Job]:
        return [_skipped(rng, run, attempt, n, spec, attempt.started) for n, spec in enumerate(self._spec.jobs)]

    def phantom(self, run: Run, attempt: Attempt, at: datetime) -> Job | None:
        """What a test reporter posts: a check run that looks like a job."""
        if not self._spec.phantom:
            return None
        number = job_id(run, attempt.number, _PHANTOM)
        return Job(number, self._spec.phantom, "report", "", at, at, at, attempt.conclusion, 0, phantom=True)

    def _staged(
        self, rng: Random, run: Run, attempt: Attempt, chosen: list[tuple[int, JobSpec]], bad: int
    ) -> Iterator[Job]:
        ready, stage, ends, failed = attempt.started, chosen[0][1].stage, [attempt.started], False
        for place, (index, spec) in enumerate(chosen):
            if spec.stage != stage:
                stage, ready, ends = spec.stage, max(ends), []
                failed = 0 <= bad < place
            if failed:
                yield _skipped(rng, run, attempt, index, spec, ready)
                ends.append(ready)
                continue
            job = self._job(rng, run, attempt, index, ready)
            if place == bad:
                _spoil(rng, attempt, job)
            ends.append(job.completed or ready)
            yield job

    def _job(self, rng: Random, run: Run, attempt: Attempt, index: int, ready: datetime) -> Job:
        spec = self._spec.jobs[index]
        slow = self._scenario.factor("slow", self._repo, self._spec.name, run.created, 1.0)
        created = ready + timedelta(seconds=1)
        started = ready + timedelta(seconds=self._wait(rng, spec, ready))
        # GitHub's own clocks disagree by a second now and then.
        created += timedelta(seconds=1) if rng.random() < 0.01 else timedelta(0)
        seconds = max(round(spec.seconds * slow * rng.lognormvariate(0, 0.13)), 4)
        return Job(
            job_id(run, attempt.number, index), spec.name, spec.kind, spec.label, created, started,
            started + timedelta(seconds=seconds), "success", rng.getrandbits(31), _runner(rng, spec.label),
        )  # fmt: skip

    def _wait(self, rng: Random, spec: JobSpec, moment: datetime) -> int:
        """Seconds for a runner: a few, with peaks in the busy hours, and more where a label is short."""
        working = moment.weekday() < 5
        seconds = 1 + rng.lognormvariate(1.3, 0.55)
        peak, crowded = rng.expovariate(1 / 65), rng.random() < 0.22
        if working and moment.hour in _BUSY and crowded:
            seconds += peak
        if spec.label == MACOS and 12 <= moment.hour < 18:
            seconds *= self._scenario.factor("queue", self._repo, "*", moment, 1.0) if working else 1.0
        return round(min(seconds, 1500))


def copies(run: Run, last: Attempt, number: int, names: set[str]) -> list[Job]:
    """Jobs that had passed, listed again under a later attempt: new ids, the same times."""
    passed = [job for job in last.jobs if job.name not in names and not job.phantom]
    return [replace(job, id=job_id(run, number, _COPIES + place)) for place, job in enumerate(passed)]


def job_id(run: Run, attempt: int, index: int) -> int:
    """Unique for up to 99 jobs in nine attempts."""
    return run.id * 1000 + attempt * 100 + index


def _spoiler(rng: Random, specs: list[JobSpec], cause: str | None) -> int:
    """The job that fails: the same kind of job for the same cause."""
    wanted = _FAILS_IN.get(cause or "")
    fitting = [place for place, spec in enumerate(specs) if wanted in (spec.kind, spec.name)]
    return rng.choice(fitting or list(range(len(specs))))


def _spoil(rng: Random, attempt: Attempt, job: Job) -> None:
    job.conclusion = attempt.conclusion
    share = 3.0 if attempt.conclusion == "timed_out" else rng.uniform(0.35, 0.97)
    job.completed = job.started + timedelta(
        seconds=round(((job.completed or job.started) - job.started).seconds * share)
    )


def _cancel(jobs: list[Job], started: datetime, share: float) -> None:
    """Somebody stops it, or a newer push does: what runs ends, what waits never starts."""
    last = max(job.completed for job in jobs if job.completed)
    moment = started + timedelta(seconds=max(round((last - started).total_seconds() * share), 3))
    for job in jobs:
        if job.started >= moment:
            job.created, job.started, job.completed = min(job.created, moment), moment, moment
            job.conclusion, job.runner = ("cancelled" if job.created < moment else "skipped"), None
        elif job.completed and job.completed > moment:
            job.completed, job.conclusion = moment, "cancelled"
    if all(job.conclusion == "success" for job in jobs):
        jobs[-1].conclusion = "cancelled"


def _skipped(rng: Random, run: Run, attempt: Attempt, index: int, spec: JobSpec, at: datetime) -> Job:
    # GitHub shows some skipped jobs as completed before they started.
    odd = timedelta(seconds=rng.choice((0, 0, 0, 1)))
    number = job_id(run, attempt.number, index)
    return Job(number, spec.name, spec.kind, spec.label, at, at, at - odd, "skipped", 0)


def _runner(rng: Random, label: str) -> str:
    if label == OWN:
        return f"acme-runner-{rng.randrange(1, 13):02d}"
    return f"GitHub Actions {rng.randrange(1_000_000_000, 1_000_099_999)}"
