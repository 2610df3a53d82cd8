"""Jobs of an attempt: stages, waiting time for a runner, durations, and the job that fails."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from demo.world.catalog import MACOS, OWN, JobSpec, WorkflowSpec
from demo.world.model import Attempt, Job, Run
from demo.world.scenario import Scenario

_BUSY_HOURS = (9, 10, 11, 14, 15, 16)
# Index of the first copied job, and of the test reporter's check run, within an attempt.
_COPIES, _PHANTOM = 50, 99
# Cause to the kind or the name of the job that fails with it.
_FAILS_IN = {
    "playwright_timeout": "e2e", "flaky": "e2e", "jvm_test": "test", "go_test": "test", "jest": "test",
    "xctest": "test", "python_assert": "test", "terraform_plan": "deploy", "typescript": "lint", "ruff": "lint",
    "go_vet": "lint", "npm_resolve": "build", "gradle": "android",
}  # fmt: skip
# Cause to the only job that has it, if the workflow has that job: a fault with one version of Python.
_FAILS_ONLY_IN = {"python_assert": "test (3.13)"}


class JobBuilder:
    """Builds the jobs of one workflow."""

    def __init__(self, spec: WorkflowSpec, repo: str, scenario: Scenario) -> None:
        self._spec, self._repo, self._scenario = spec, repo, scenario

    def build(self, rng: Random, run: Run, attempt: Attempt, only: set[str] | None = None) -> list[Job]:
        """Return the jobs of an attempt that runs. `only` names the jobs to run: "re-run failed jobs" runs a part."""
        chosen = [(n, spec) for n, spec in enumerate(self._spec.jobs) if only is None or spec.name in only]
        passes = attempt.conclusion in ("success", "neutral", "cancelled")
        failing = -1 if passes else _failing_index(rng, [spec for _, spec in chosen], attempt.cause)
        jobs = list(self._staged(rng, run, attempt, chosen, failing))
        if attempt.conclusion == "cancelled":
            _cancel(jobs, attempt.started, rng.uniform(0.1, 0.8))
        elif attempt.conclusion == "neutral":
            jobs[-1].conclusion = "neutral"
        return jobs

    def skipped(self, rng: Random, run: Run, attempt: Attempt) -> list[Job]:
        """Return all jobs of the workflow as skipped."""
        return [_skipped(rng, run, attempt, n, spec, attempt.started) for n, spec in enumerate(self._spec.jobs)]

    def phantom(self, run: Run, attempt: Attempt, at: datetime) -> Job | None:
        """Return the check run that a test reporter posts, which GitHub lists among the jobs."""
        if not self._spec.phantom:
            return None
        number = job_id(run, attempt.number, _PHANTOM)
        return Job(number, self._spec.phantom, "report", "", at, at, at, attempt.conclusion, 0, phantom=True)

    def _staged(
        self, rng: Random, run: Run, attempt: Attempt, chosen: list[tuple[int, JobSpec]], failing: int
    ) -> Iterator[Job]:
        ready, stage, ends, failed = attempt.started, chosen[0][1].stage, [attempt.started], False
        for position, (index, spec) in enumerate(chosen):
            if spec.stage != stage:
                stage, ready, ends = spec.stage, max(ends), []
                failed = 0 <= failing < position
            if failed:
                yield _skipped(rng, run, attempt, index, spec, ready)
                ends.append(ready)
                continue
            job = self._job(rng, run, attempt, index, ready)
            if position == failing:
                _fail(rng, attempt, job)
            ends.append(job.completed or ready)
            yield job

    def _job(self, rng: Random, run: Run, attempt: Attempt, index: int, ready: datetime) -> Job:
        spec = self._spec.jobs[index]
        slow = self._scenario.factor("slow", self._repo, self._spec.name, run.created, 1.0)
        created = ready + timedelta(seconds=1)
        started = ready + timedelta(seconds=self._wait(rng, spec, ready))
        # GitHub's clocks differ by a second at times: a job can be created after its start.
        created += timedelta(seconds=1) if rng.random() < 0.01 else timedelta(0)
        seconds = max(round(spec.seconds * slow * rng.lognormvariate(0, 0.13)), 4)
        return Job(
            job_id(run, attempt.number, index), spec.name, spec.kind, spec.label, created, started,
            started + timedelta(seconds=seconds), "success", rng.getrandbits(31), _runner(rng, spec.label),
        )  # fmt: skip

    def _wait(self, rng: Random, spec: JobSpec, moment: datetime) -> int:
        """Return the seconds of waiting for a runner: more in busy hours, and more where runners are short."""
        working = moment.weekday() < 5
        seconds = 1 + rng.lognormvariate(1.3, 0.55)
        peak, in_peak = rng.expovariate(1 / 65), rng.random() < 0.22
        if working and moment.hour in _BUSY_HOURS and in_peak:
            seconds += peak
        if spec.label == MACOS and 12 <= moment.hour < 18:
            seconds *= self._scenario.factor("queue", self._repo, "*", moment, 1.0) if working else 1.0
        return round(min(seconds, 1500))


def copied_jobs(run: Run, previous: Attempt, number: int, rerun_names: set[str]) -> list[Job]:
    """Return the passed jobs of the previous attempt as GitHub lists them again: new ids, the same times."""
    passed = [job for job in previous.jobs if job.name not in rerun_names and not job.phantom]
    return [replace(job, id=job_id(run, number, _COPIES + index)) for index, job in enumerate(passed)]


def job_id(run: Run, attempt: int, index: int) -> int:
    """Return an id that is unique for up to 100 jobs in nine attempts."""
    return run.id * 1000 + attempt * 100 + index


def _failing_index(rng: Random, specs: list[JobSpec], cause: str | None) -> int:
    """Return the index of the job that fails: a job of the cause's kind if the workflow has one."""
    kind = _FAILS_IN.get(cause or "")
    candidates = [index for index, spec in enumerate(specs) if kind in (spec.kind, spec.name)]
    chosen = rng.choice(candidates or list(range(len(specs))))
    only = _FAILS_ONLY_IN.get(cause or "")
    return next((index for index in candidates if specs[index].name == only), chosen)


def _fail(rng: Random, attempt: Attempt, job: Job) -> None:
    job.conclusion = attempt.conclusion
    share = 3.0 if attempt.conclusion == "timed_out" else rng.uniform(0.35, 0.97)
    job.completed = job.started + timedelta(
        seconds=round(((job.completed or job.started) - job.started).seconds * share)
    )


def _cancel(jobs: list[Job], started: datetime, share: float) -> None:
    """Cancel an attempt after this share of its time: running jobs end, waiting jobs do not start."""
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
    # GitHub shows some skipped jobs as completed a second before they started.
    early = timedelta(seconds=rng.choice((0, 0, 0, 1)))
    number = job_id(run, attempt.number, index)
    return Job(number, spec.name, spec.kind, spec.label, at, at, at - early, "skipped", 0)


def _runner(rng: Random, label: str) -> str:
    if label == OWN:
        return f"acme-runner-{rng.randrange(1, 13):02d}"
    return f"GitHub Actions {rng.randrange(1_000_000_000, 1_000_099_999)}"
